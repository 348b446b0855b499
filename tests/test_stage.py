"""A stage script says in one line what is wrong, and writes where it was told to."""

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from srlab.errors import SrlabError
from srlab.files import read_made
from srlab.stage import STOPPED, flat, output_folder, stage

ROOT = Path(__file__).parents[1]
Main = Callable[[DictConfig], None]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a params.yaml, as the current folder."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(bench: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs a function as the script of stage `degrade` with words on its command line."""

    def script(function: Main, *words: str) -> None:
        monkeypatch.setattr(sys, "argv", ["degrade.py", *words])
        stage("degrade")(function)()

    return script


def failing(error: BaseException) -> Main:
    def main(cfg: DictConfig) -> None:
        raise error

    return main


def building(cfg: DictConfig) -> None:
    """A script that instantiates something which raises one of our errors, within something else."""
    instantiate({"_target_": "builtins.dict", "inner": {"_target_": "srlab.profile.choose", "name": "nothing"}})


def lines_of(run: Callable[..., None], main: Main, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What a failing script prints to stderr."""
    with pytest.raises(SystemExit) as end:
        run(main)
    assert end.value.code == 1
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("main", "line"),
    [
        (failing(SrlabError("a.png is cut off\nb.png is text")), "error: a.png is cut off\nerror: b.png is text"),
        (lambda cfg: cfg.augment.typo, "error: Key 'typo' is not in struct, full_key: augment.typo"),
        (building, "error: there is no profile nothing: choose one of quick"),
        (
            lambda cfg: read_made(Path("data/manifest.json")),
            "error: data/manifest.json is missing: run `dvc repro`, which makes it",
        ),
        (
            failing(OSError(errno.ENOSPC, "No space left on device", "models/best.safetensors")),
            "error: [Errno 28] No space left on device: 'models/best.safetensors'",
        ),
    ],
    ids=["ours", "key", "built", "file", "full"],
)
def test_what_the_user_can_fix_is_a_line_each(
    run: Callable[..., None], capsys: pytest.CaptureFixture[str], main: Main, line: str
) -> None:
    """Of several problems, too."""
    assert lines_of(run, main, capsys) == line.splitlines()


def test_a_line_of_params_that_is_missing_is_named(
    bench: Path, run: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        run(lambda cfg: cfg.role, "name=nothing")
    assert end.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "datasets.nothing" in line.replace("${name}", "nothing").replace("'", "")


@pytest.mark.parametrize("kind", [ZeroDivisionError, FileNotFoundError])
def test_a_mistake_of_ours_keeps_its_traceback(
    run: Callable[..., None], capsys: pytest.CaptureFixture[str], kind: type[Exception]
) -> None:
    assert f"{kind.__name__}: ours" in "\n".join(lines_of(run, failing(kind("ours")), capsys))


def test_ctrl_c_ends_with_a_line_that_says_how_to_go_on(
    run: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def twice(cfg: DictConfig) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        run(twice)
    assert (end.value.code, capsys.readouterr().err) == (130, f"{STOPPED}\n")


def test_without_params_the_script_says_where_to_start(run: Callable[..., None], bench: Path) -> None:
    (bench / "params.yaml").unlink()
    with pytest.raises(SystemExit) as end:
        run(failing(AssertionError("never reached")))
    assert end.value.code == f"error: no params.yaml in {bench}: start from the folder of srlab's dvc.yaml"


def test_a_hand_run_lands_in_outputs(run: Callable[..., None], bench: Path) -> None:
    folders: list[Path] = []
    run(lambda cfg: folders.append(output_folder()))
    assert folders[0].is_relative_to(bench / "outputs")
    assert {path.name for path in bench.iterdir()} == {"outputs", "params.yaml"}


def test_the_config_is_conf_merged_with_params_and_dvc_says_where_a_run_lands(
    run: Callable[..., None], bench: Path
) -> None:
    seen: list[Any] = []
    run(lambda cfg: seen.append((cfg.role, cfg.seed, output_folder())), "name=heldout", "seed=7", "hydra.run.dir=data")
    assert seen == [("test", 7, bench / "data")]


def test_a_sweep_goes_on_after_a_job_that_failed(run: Callable[..., None], bench: Path) -> None:
    seeds, folders = [], []

    def main(cfg: DictConfig) -> None:
        seeds.append(cfg.seed)
        folders.append(output_folder())
        if cfg.seed == 1:
            raise SrlabError("this one cannot be")

    with pytest.raises(SystemExit):
        run(main, "-m", "seed=1,2,3")
    assert seeds == [1, 2, 3]
    assert all(folder.is_relative_to(bench / "multirun") for folder in folders)
    assert len(set(folders)) == 3


def test_numbers_are_flat_and_resolved() -> None:
    cfg = OmegaConf.create({"lr": 0.1, "net": {"lr": "${lr}", "size": {"a": 1, "b": [1, 2]}}, "none": None})
    expected = {"lr": 0.1, "net.lr": 0.1, "net.size.a": 1, "net.size.b": [1, 2], "none": None}
    assert flat(cfg) == expected


def test_help_answers_without_the_heavy_packages(bench: Path) -> None:
    """For every script, one after the other in one process: an import of torch alone takes seconds."""
    scripts = [str(path) for path in sorted((ROOT / "pipelines").glob("*.py"))]
    code = f"""
import contextlib, runpy, sys
for script in {scripts!r}:
    sys.argv = [script, "--help"]
    with contextlib.suppress(SystemExit):
        runpy.run_path(script, run_name="__main__")
print("loaded:", sorted({{"torch", "mlflow", "pytorch_lightning", "kornia", "skimage"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=bench)
    assert done.stdout.count("Powered by Hydra") == len(scripts)
    assert done.stdout.splitlines()[-1] == "loaded: []"
