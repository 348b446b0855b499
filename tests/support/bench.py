"""A folder in which `pipelines/train.py` trains small networks on a small store within a second."""

import copy
import runpy
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from profiles import PROFILES

from srlab.files import read_json

ROOT = Path(__file__).parents[2]
SMALL = {"patch_size": 16, "batch_size": 4, "patches_per_epoch": 8}


@dataclass(frozen=True)
class Bench:
    """The folder, and what was printed by what ran in it."""

    root: Path
    script: Callable[..., int]
    read: Callable[[], Any]

    def sweep(self, *words: str) -> list[str]:
        """Lines that a sweep printed to standard output; it has to end well."""
        status = self.script("-m", *words)
        shown = self.read()
        assert status == 0, shown.err
        return shown.out.splitlines()

    def refused(self, *words: str) -> str:
        """The one line that a sweep ends with, but for those about what MLflow is to be told."""
        assert self.script("-m", *words) == 1
        (line,) = (line for line in self.read().err.splitlines() if not line.startswith("MLflow "))
        return line

    def result(self, name: str) -> dict[str, Any]:
        """sweep.json of the only sweep of that name."""
        (folder,) = (self.root / "sweeps").glob(f"{name}-*")
        return read_json(folder / "sweep.json")


def drawn(study: Any, names: Sequence[str], folder: Path) -> list[Path]:
    """Stands for what takes longer than a training: test_plots.py draws."""
    (folder / "history.png").write_text("")
    return [folder / "history.png"]


@pytest.fixture
def bench(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Bench:
    """Profile `smoke` at x2 with the small store; MLflow is told later."""
    params = copy.deepcopy(PROFILES["smoke"]) | {"scale": 2}
    params["kernels"] = "native"  # which torch has begun with in this process
    for line in params["models"].values():
        line.update(SMALL)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    shutil.copytree(store, tmp_path / "data/pairs/train/photos")
    monkeypatch.setattr("srlab.sweeps.plots.draw_plots", drawn)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))

    def script(*words: str) -> int:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["train.py", *words, "tracking.live=false"])
        try:
            runpy.run_path(str(ROOT / "pipelines/train.py"), run_name="__main__")
        except SystemExit as end:
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
            return 1 if isinstance(end.code, str) else int(end.code or 0)
        return 0

    return Bench(tmp_path, script, capfd.readouterr)
