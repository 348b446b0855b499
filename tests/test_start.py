"""A command runs the code of its own folder, whatever environment it was started from."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from zoo import noise

from srlab import start

SCRIPT = """
import sys
from pathlib import Path
from srlab.start import ROOT, begin
begin(Path(sys.argv[0]).resolve().parents[1])
print(ROOT, *sys.argv[1:])
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What `cp -r` makes, as far as it matters here."""
    for name, text in {"src/srlab/__init__.py": "", "pipelines/x.py": SCRIPT}.items():
        (tmp_path / "the copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "the copy" / name).write_text(text)
    shutil.copy(start.__file__, tmp_path / "the copy/src/srlab/start.py")
    return tmp_path / "the copy"


def ran(project: Path, path: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "pipelines/x.py", "a=b c"]
    env = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)


def test_a_copy_runs_its_own_code_in_the_environment_of_the_original(project: Path) -> None:
    assert ran(project, str(start.ROOT / "src")).stdout == f"{project} a=b c\n"


def test_code_of_another_folder_is_refused_where_that_cannot_be_helped(project: Path) -> None:
    (project / "src/srlab/start.py").unlink()
    path = os.pathsep.join([str(project / "src"), str(start.ROOT / "src")])
    (project / "src/srlab/__init__.py").write_text(f"__path__ = [{str(start.ROOT / 'src/srlab')!r}]")
    ended = ran(project, path)
    assert ended.stderr == f"error: {project} would run the code of {start.ROOT}: run `make setup` in {project}\n"
    assert ended.returncode == 1


ASCII = """
from pathlib import Path
from srlab import show
from srlab.datasets.sources import Folder, fetch_images
from srlab.files import read_json
fetch_images(Folder("pictures", 5), Path("out"), 16)
show.main()
print(*read_json(Path("out/manifest.json"))["images"], Path("\\udce9"))
"""


def test_an_ascii_login_fetches_shows_and_prints_any_name(tmp_path: Path) -> None:
    """No locale of Python's own choice: it makes UTF-8 of the plain C."""
    (tmp_path / "pictures").mkdir()
    noise(0, 20, 20).save(tmp_path / "pictures/café.png")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/summary.md").write_text("| Method | PSNR |\n| --- | --- |\n| É | – |\n", encoding="utf-8")
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(start.ROOT / "src")}
    command = [sys.executable, "-c", ASCII]
    ended = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert ended.stdout.endswith("caf%C3%A9 \\udce9\n")
    assert "\\xc9" in ended.stdout
