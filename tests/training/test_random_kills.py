"""Whatever a training does when it is interrupted, started again it ends as if nothing had happened, bit for bit.

SRLAB_KILLS is how many processes are killed, over all networks of profile `smoke`.
"""

import copy
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from children import ended, started
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from kinds import EPOCHS, KINDS, MortalData, fail, killed, same
from omegaconf import OmegaConf
from profiles import PROFILES
from tiny import Recorder, fitted

from srlab.models.base.weights import save_network
from srlab.training.fit import Fitted
from srlab.training.resume import work_folder

ROOT = Path(__file__).parents[2]
SMOKE = copy.deepcopy(PROFILES["smoke"])
LINES = [*SMOKE["models"], *SMOKE["gans"]]
NUM_KILLS = int(os.environ.get("SRLAB_KILLS", "2"))
SETTINGS: dict[str, Any] = {"scale": 2, "seed": 7, "patch_size": 16, "batch_size": 4, "patches_per_epoch": 10}


@pytest.mark.parametrize("name", KINDS)
def test_a_training_that_fails_again_and_again_ends_the_same(
    name: str, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, chance = KINDS[name], random.Random(name)

    def run(folder: str, life: int) -> Fitted:
        data = MortalData(str(store), **(SETTINGS | kind.data))
        data.life, data.die = life, fail
        return fitted(kind.module(), data, tmp_path / folder, Recorder(), EPOCHS, checkpoint_minutes=0, **kind.trainer)

    expected, num_failures = run("whole", 0), 0
    capsys.readouterr()
    while True:
        try:
            result = run("interrupted", chance.randint(2, 6))
        except ConnectionError:
            num_failures += 1
        else:
            break
    assert same(result, expected)
    assert capsys.readouterr().out.count("resumes after") == num_failures > 1
    assert torch.load(tmp_path / "interrupted/last.ckpt", weights_only=True)["progress"]["num_steps"] > 0


# Processes that are killed.


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with conf/, profile `smoke` and a generator, as the current one and that of Hydra."""
    folder, before = tmp_path_factory.mktemp("bench"), Path.cwd()
    shutil.copytree(ROOT / "conf", folder / "conf")
    (folder / "params.yaml").write_text(yaml.safe_dump(SMOKE | {"scale": 2}))
    os.chdir(folder)
    with initialize_config_dir(str(folder / "conf"), version_base="1.3"):
        for line in SMOKE["gans"].values():
            torch.manual_seed(1)
            net = instantiate(compose("train", [f"model={line['generator']}"]).model.net)
            save_network(folder / f"models/{line['generator']}/best.safetensors", net, {})
        yield folder
    GlobalHydra.instance().clear()
    os.chdir(before)


@pytest.fixture(scope="module")
def described(bench: Path, store: Path) -> Callable[[str], dict[str, Any]]:
    """What a line of the profile is made of, so that another process can make it."""

    def describe(line: str) -> dict[str, Any]:
        config = compose("train", [f"model={line}", f"data.folder={store}", "trainer.chunk=1"])
        parts = {"module": config.model.module, "data": config.data, "settings": config.model.settings}
        return {name: OmegaConf.to_container(part, resolve=True) for name, part in parts.items()}

    return describe


@pytest.fixture(scope="module")
def whole(described: Callable[[str], dict[str, Any]], bench: Path) -> Callable[[str], Fitted]:
    """The uninterrupted training of a line."""
    results: dict[str, Fitted] = {}

    def get(line: str) -> Fitted:
        if line not in results:
            results[line] = trained(described(line), bench / "work" / line, Recorder())
        return results[line]

    return get


def trained(parts: dict[str, Any], work: Path, watcher: Recorder, **mortality: Any) -> Fitted:
    torch.manual_seed(0)
    module = instantiate(parts["module"])
    data = MortalData(**{name: value for name, value in parts["data"].items() if name != "_target_"})
    data.__dict__.update(mortality)
    return fitted(module, data, work, watcher, parts["settings"]["max_epochs"], checkpoint_minutes=0)


def until_killed(
    parts: dict[str, Any], work: Path, folder: Path, num_threads: int, life: int, signum: signal.Signals, delay: float
) -> None:
    os.chdir(folder)
    torch.set_num_threads(num_threads)
    trained(parts, work, Recorder(), life=life, die=killed(signum, delay))


@pytest.mark.parametrize("number", range(NUM_KILLS))
def test_a_killed_training_ends_the_same(
    number: int,
    bench: Path,
    described: Callable[[str], dict[str, Any]],
    whole: Callable[[str], Fitted],
    tmp_path: Path,
) -> None:
    # from the last line on, so that the few of a usual run have a GAN among them
    line, signum = LINES[-1 - number % len(LINES)], (signal.SIGKILL, signal.SIGTERM)[number % 2]
    chance, parts = random.Random(number), described(line)
    num_chunks = -(-parts["data"]["patches_per_epoch"] // parts["data"]["batch_size"])
    # one validation image an epoch; the first life's end has a checkpoint behind it
    life, delay = chance.randint(2, parts["settings"]["max_epochs"] * (num_chunks + 1)), chance.uniform(0, 0.05)  # s
    work = tmp_path / "work"
    child = started(until_killed, parts, work, bench, torch.get_num_threads(), life, signum, delay)
    # SIGTERM: 143 amid the training, 0 in the moment after its last checkpoint, -15 when it was over
    assert ended(child)[0] in {signal.SIGKILL: (-9,), signal.SIGTERM: (143, 0, -15)}[signum]
    assert (work / "last.ckpt").exists()
    assert same(trained(parts, work, Recorder()), whole(line))


def test_a_loader_process_that_outlives_its_training_does_not_hold_the_folder(tmp_path: Path) -> None:
    """It notices after seconds that it is alone; by then the training may have been started again."""
    child, (reading, writing) = 0, os.pipe()
    with pytest.raises(KeyboardInterrupt), work_folder(tmp_path, "espcn", {"lr": "0.1"}):
        child = os.fork()
        if child == 0:
            os.write(writing, b"!")
            time.sleep(60)
            os._exit(0)
        os.read(reading, 1)  # it runs
        raise KeyboardInterrupt
    try:
        with work_folder(tmp_path, "espcn", {"lr": "0.1"}):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)


# SIGTERM, in this process.


def told_to_end(store: Path, work: Path, life: int) -> Fitted:
    data = MortalData(str(store), **SETTINGS)
    data.life, data.die = life, lambda: os.kill(os.getpid(), signal.SIGTERM)
    return fitted(KINDS["plateau"].module(), data, work, Recorder(), EPOCHS)


@pytest.fixture(scope="module")
def uninterrupted(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    return told_to_end(store, tmp_path_factory.mktemp("whole"), 0)


@pytest.mark.parametrize(
    ("life", "place"), [(1, "step 1 of epoch 1"), (3, "epoch 1"), (4, "epoch 1"), (6, "step 2 of epoch 2")]
)
def test_sigterm_saves_at_once_and_says_how_to_go_on(
    life: int, place: str, uninterrupted: Fitted, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the step, however long ago the last checkpoint was; in the last one, or validation, after the epoch."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        told_to_end(store, tmp_path, life)
    assert caught.value.code == 143  # 128 + SIGTERM, what a shell and a scheduler expect
    assert signal.getsignal(signal.SIGTERM) == before
    last = tmp_path / "last.ckpt"
    expected = f"train test: stopped by SIGTERM; the same command resumes from {last}"
    assert capsys.readouterr().out.splitlines()[-1] == expected
    resumed = told_to_end(store, tmp_path, 0)
    assert f"train test: resumes after {place}, where" in capsys.readouterr().out
    assert same(resumed, uninterrupted)
