"""`srlab promote` takes the best trial of the newest sweep of a name, and says what it leaves out."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from srlab.errors import SrlabError
from srlab.sweeps.winner import winner

ROWS = [
    {"trial": 0, "state": "complete", "models.espcn.lr": 0.001, "model": "espcn", "val/psnr": 30.0},
    {"trial": 1, "state": "complete", "models.espcn.lr": 0.003, "model": "espcn", "val/psnr": 30.5},
    {"trial": 2, "state": "failed", "models.espcn.lr": 9.0, "model": "espcn", "val/psnr": None},
]
WORDS = ["model=espcn", "models.espcn.lr=1e-3,3e-3,9.0", "models.espcn.max_epochs=2", "sweep.seed=1"]


def no_run(_: str) -> None:
    return None


def wrote(folder: Path, age: float, **changes: Any) -> None:
    content = {"words": WORDS, "keys": ["models.espcn.lr", "model"], "objectives": {"val/psnr": "maximize"}}
    folder.mkdir(parents=True)
    (folder / "sweep.json").write_text(json.dumps({**content, "best": [ROWS[1]], "trials": ROWS, **changes}))
    os.utime(folder / "sweep.json", (age, age))


def test_the_newest_sweep_of_a_name(tmp_path: Path) -> None:
    wrote(tmp_path / "rates-11111111", 1000.0, best=[ROWS[0]])
    wrote(tmp_path / "rates-22222222", 2000.0)
    found = winner("rates", None, tmp_path, no_run)
    assert found.values == {"models.espcn.lr": 0.003, "model": "espcn"}
    assert found.where == "trial 1 of rates-22222222 (val/psnr 30.5)"
    assert found.others == ["models.espcn.max_epochs=2"]
    assert winner("rates-11111111", None, tmp_path, no_run).values["models.espcn.lr"] == 0.001


def test_another_trial_than_the_best(tmp_path: Path) -> None:
    wrote(tmp_path / "rates-1", 1.0)
    assert winner("rates", 0, tmp_path, no_run).values["models.espcn.lr"] == 0.001
    with pytest.raises(SrlabError, match="rates-1 has no finished trial 2"):
        winner("rates", 2, tmp_path, no_run)


def test_several_best_are_not_chosen_from(tmp_path: Path) -> None:
    wrote(tmp_path / "front-1", 1.0, best=ROWS[:2])
    with pytest.raises(SrlabError, match=r"trials 0, 1 of front-1 are a Pareto front: .*--trial"):
        winner("front", None, tmp_path, no_run)
    assert winner("front", 1, tmp_path, no_run).values["models.espcn.lr"] == 0.003


def test_a_run_of_mlflow(tmp_path: Path) -> None:
    tags = {"srlab.values": '{"models.espcn.lr": 0.002}', "srlab.sweep": "rates-1"}
    found = winner("abc", None, tmp_path, lambda run: tags if run == "abc" else None)
    assert found.values == {"models.espcn.lr": 0.002}
    assert found.where == "run abc of rates-1"
    with pytest.raises(SrlabError, match="no trial"):
        winner("abc", None, tmp_path, lambda _: {"srlab.method": "espcn"})


def test_nothing_of_that_name(tmp_path: Path) -> None:
    wrote(tmp_path / "rates-1", 1.0)
    wrote(tmp_path / "empty-1", 1.0, best=[], trials=[])
    with pytest.raises(SrlabError, match=r"nonsense is no sweep in .*: empty-1, rates-1\) and no run in MLflow"):
        winner("nonsense", None, tmp_path, no_run)
    with pytest.raises(SrlabError, match="empty-1 has no finished trial"):
        winner("empty", None, tmp_path, no_run)
