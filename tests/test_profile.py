"""A profile is laid on the bench, and nobody's own numbers are lost."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from srlab.errors import SrlabError
from srlab.profile import lay

ROOT = Path(__file__).parents[1]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two profiles and `quick` on the bench, as the current folder."""
    (tmp_path / "conf/profile").mkdir(parents=True)
    for name in ("quick", "smoke"):
        shutil.copy(ROOT / f"conf/profile/{name}.yaml", tmp_path / "conf/profile")
    shutil.copy(ROOT / "conf/profile/quick.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_profile_becomes_params(bench: Path) -> None:
    lay("smoke")
    assert (bench / "params.yaml").read_text() == (bench / "conf/profile/smoke.yaml").read_text()


def test_a_clone_without_params_gets_them(bench: Path) -> None:
    (bench / "params.yaml").unlink()
    lay("quick")
    assert (bench / "params.yaml").exists()


def test_numbers_of_your_own_are_not_overwritten(bench: Path) -> None:
    (bench / "params.yaml").write_text("seed: 1\n")
    with pytest.raises(SrlabError, match=r"`mv params\.yaml conf/profile/mine\.yaml`"):
        lay("smoke")
    assert (bench / "params.yaml").read_text() == "seed: 1\n"


def test_the_way_out_that_the_error_names_works(bench: Path) -> None:
    own = (bench / "params.yaml").read_text().replace("seed: 42", "seed: 1")
    (bench / "conf/profile/mine.yaml").write_text(own)
    (bench / "params.yaml").unlink()
    lay("mine")
    assert (bench / "params.yaml").read_text() == own


def test_an_unknown_profile_is_named_beside_the_known_ones(bench: Path) -> None:
    with pytest.raises(SrlabError, match="there is no profile qick: choose one of quick, smoke"):
        lay("qick")


def test_outputs_of_data_sets_that_the_profile_lacks_go(bench: Path) -> None:
    """A stage downstream depends on whole folders such as data/pairs/test, in which nothing else may lie."""
    kept = [bench / "data/images/test/heldout/a.png", bench / "data/augmented/train/photos/index.json"]
    gone = [
        bench / "data/images/test/set5/a.png",
        bench / "data/augmented/test/set5/index.json",
        bench / "data/pairs/test/set5/hr.npy",
        bench / "data/pairs/test/photos/hr.npy",  # which is a training set in this profile
    ]
    for path in (*kept, *gone):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    lay("smoke")
    assert [path.exists() for path in (*kept, *gone)] == [True] * len(kept) + [False] * len(gone)


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        ([], 0, ""),  # `make repro` without PROFILE keeps what is on the bench
        (["smoke"], 0, ""),
        (["qick"], 1, "error: there is no profile qick: choose one of quick, smoke\n"),
    ],
)
def test_the_command_line(bench: Path, words: list[str], code: int, error: str) -> None:
    command = [sys.executable, "-m", "srlab.profile", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=bench)
    assert (done.returncode, done.stderr) == (code, error)
