"""An unfinished training waits in a folder named by all that decides its result."""

import contextlib
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from srlab.errors import SrlabError
from srlab.training import resume
from srlab.training.resume import Ended, Origin, differences, fingerprint, origin, work_folder

CONFIG = {"lr": 0.1, "net._target_": "x"}


THIS: Origin = {"lr": "0.1", "code of srlab.models.espcn": "a", "seed": "1"}
OTHER: Origin = {**THIS, "lr": "0.2", "code of srlab.models.espcn": "b"}


def of(config: dict[str, Any], data: str, module: nn.Module, device: str = "cpu") -> str:
    return fingerprint(origin(config, data, module, device))


def net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Linear(2, 2)


@pytest.mark.parametrize(
    ("config", "data", "seed", "device", "is_same"),
    [
        (dict(reversed(CONFIG.items())), "data", 0, "cpu", True),
        ({**CONFIG, "feeder": "resident", "num_workers": 2, "checkpoint_minutes": 1}, "data", 0, "cpu", True),
        ({**CONFIG, "lr": 0.2}, "data", 0, "cpu", False),
        (CONFIG, "other data", 0, "cpu", False),
        (CONFIG, "data", 1, "cpu", False),
        (CONFIG, "data", 0, "cuda", False),
    ],
)
def test_what_decides_the_result_changes_the_fingerprint(
    config: dict[str, Any], data: str, seed: int, device: str, is_same: bool
) -> None:
    assert (of(config, data, net(seed), device) == of(CONFIG, "data", net())) == is_same


@pytest.mark.parametrize(("device", "counts"), [("cpu", True), ("cuda", False)])
def test_threads_count_where_they_do_the_work(device: str, counts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training on a GPU resumes beside another number of cores."""
    found = []
    for threads in (2, 5):
        monkeypatch.setattr(torch, "get_num_threads", lambda: threads)  # noqa: B023
        found.append(of(CONFIG | {"num_threads": threads}, "data", net(), device))
    assert (found[0] != found[1]) == counts


def test_code_changes_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is built and of what that imports, if only a constant; not of what nothing here uses."""
    monkeypatch.setattr(resume, "SOURCE", tmp_path)
    sources = {"built": "from srlab.imported import one", "imported": "one = 1", "beside": "", "training/fit": ""}
    for name, source in sources.items():
        (tmp_path / f"srlab/{name}.py").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"srlab/{name}.py").write_text(source)
    config = CONFIG | {"model.module._target_": "srlab.built.Net"}
    digests = [of(config, "data", net())]
    for name in ("beside", "built", "imported", "training/fit"):
        (tmp_path / f"srlab/{name}.py").write_text(sources[name] + "\ntwo = 2")
        digests.append(of(config, "data", net()))
    assert digests[1] == digests[0]
    assert len(set(digests)) == 4


def test_a_process_that_waits_trains_after_the_other(tmp_path: Path) -> None:
    """The folder it waits for is removed by then, and made again."""
    done: list[str] = []

    def second() -> None:
        with work_folder(tmp_path, "espcn", THIS, waits=True) as folder:
            done.append(f"second in {folder.name}, {(folder / 'lock').exists()}")

    with work_folder(tmp_path, "espcn", THIS) as folder:
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        done.append("first")
    thread.join(30)
    assert done == ["first", f"second in {folder.name}, True"]
    assert not folder.exists()


@pytest.mark.parametrize(
    ("error", "stays"), [(None, False), (Ended("pruned"), False), (KeyboardInterrupt(), True)], ids=str
)
def test_the_folder_stays_for_what_can_be_resumed(error: BaseException | None, stays: bool, tmp_path: Path) -> None:
    """Not on success, nor for a training that was ended on purpose."""
    with contextlib.suppress(Ended, KeyboardInterrupt), work_folder(tmp_path, "espcn", THIS) as folder:
        assert folder == tmp_path / "work" / f"espcn-{fingerprint(THIS)}"
        (folder / "last.ckpt").write_text("weights")
        if error:
            raise error
    assert folder.exists() == stays
    with work_folder(tmp_path, "espcn", THIS) as again:
        assert (again / "last.ckpt").exists() == stays


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with (
        work_folder(tmp_path, "espcn", THIS),
        work_folder(tmp_path, "espcn", OTHER),  # which may run at the same time
        pytest.raises(SrlabError, match=f"espcn-{fingerprint(THIS)} is in use"),
        work_folder(tmp_path, "espcn", THIS),
    ):
        pass


def test_processes_of_further_devices_share_the_folder_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with work_folder(tmp_path, "espcn", THIS) as first:
        monkeypatch.setenv("LOCAL_RANK", "1")  # as Lightning marks the processes that it starts
        with work_folder(tmp_path, "espcn", OTHER) as follower:
            assert follower == first
        assert first.exists()
    assert not first.exists()


def test_processes_that_nobody_told_find_the_folder_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As torchrun and SLURM start them, on other nodes too."""
    monkeypatch.setenv("RANK", "3")
    with work_folder(tmp_path, "espcn", THIS) as follower:
        assert follower == tmp_path / "work" / f"espcn-{fingerprint(THIS)}"


def test_an_unfinished_training_with_other_numbers_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), work_folder(tmp_path, "espcn", THIS) as folder:
        (folder / "last.ckpt").write_text("weights")
        raise KeyboardInterrupt
    with work_folder(tmp_path, "espcn", OTHER):
        pass
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"train espcn: starts from scratch, the unfinished training {folder} is another one (")
    assert line.endswith("(code of srlab.models.espcn; lr is 0.1 there and 0.2 here)")


def test_differences_name_what_one_side_lacks() -> None:
    assert differences({"a": "1"}, {"b": "2", "data": "x"}) == [
        "a is 1 there and absent here",
        "b is absent there and 2 here",
        "data",
    ]
