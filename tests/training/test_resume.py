"""An unfinished training waits in a folder named by all that decides its result."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from srlab.errors import SrlabError
from srlab.files import write_json
from srlab.tracking import remembered_run
from srlab.training.resume import fingerprint, work_folder

CONFIG = {"lr": 0.1, "net._target_": "x"}


def net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Linear(2, 2)


def test_the_same_training_has_the_same_fingerprint() -> None:
    assert fingerprint(CONFIG, "data", net()) == fingerprint(dict(reversed(CONFIG.items())), "data", net())


@pytest.mark.parametrize(
    ("config", "data", "seed"), [({**CONFIG, "lr": 0.2}, "data", 0), (CONFIG, "other data", 0), (CONFIG, "data", 1)]
)
def test_config_data_and_first_weights_change_the_fingerprint(config: dict[str, Any], data: str, seed: int) -> None:
    assert fingerprint(config, data, net(seed)) != fingerprint(CONFIG, "data", net())


def test_code_changes_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("srlab.invented")
    module.__file__ = str(tmp_path / "invented.py")
    monkeypatch.setitem(__import__("sys").modules, "srlab.invented", module)
    digests = set()
    for text in ("one = 1", "one = 2"):
        (tmp_path / "invented.py").write_text(text)
        digests.add(fingerprint(CONFIG, "data", net()))
    assert len(digests) == 2


def test_the_folder_goes_on_success(tmp_path: Path) -> None:
    with work_folder(tmp_path, "espcn", "abc") as folder:
        (folder / "last.ckpt").write_text("weights")
        assert folder == tmp_path / "work/espcn-abc"
    assert not folder.exists()


def test_the_folder_stays_on_failure(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), work_folder(tmp_path, "espcn", "abc") as folder:
        (folder / "last.ckpt").write_text("weights")
        raise KeyboardInterrupt
    with work_folder(tmp_path, "espcn", "abc") as folder:
        assert (folder / "last.ckpt").read_text() == "weights"


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with (
        work_folder(tmp_path, "espcn", "abc"),
        pytest.raises(SrlabError, match="espcn-abc is in use"),
        work_folder(tmp_path, "espcn", "abc"),
    ):
        pass


def test_trainings_of_different_fingerprints_run_side_by_side(tmp_path: Path) -> None:
    with work_folder(tmp_path, "espcn", "abc") as one, work_folder(tmp_path, "espcn", "def") as other:
        assert one != other


def test_the_run_of_a_killed_training_is_remembered(tmp_path: Path) -> None:
    assert remembered_run(tmp_path) == ""
    write_json(tmp_path / "run.json", {"run_id": "123"})
    assert remembered_run(tmp_path) == "123"


def test_processes_of_further_devices_share_the_folder_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with work_folder(tmp_path, "espcn", "abc") as first:
        monkeypatch.setenv("LOCAL_RANK", "1")  # as Lightning marks the processes that it starts
        with work_folder(tmp_path, "espcn", "another digest") as follower:
            assert follower == first
        assert first.exists()
    assert not first.exists()
