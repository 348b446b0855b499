"""The clone that these tests share: the whole pipeline runs in it once, and they look at it or at copies of it.

A stage costs seconds of starting Python: so there is a method or two of every stage, and what is changed in a copy is
changed at once where it concerns different stages.
"""

import os
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
from kept import EDITS, EPOCHS, FILES, KEPT, LINES, LOWER_RATE
from PIL import Image
from workspace import GIVE_UP, Finished, Killed, Workspace, clone

TRAIN_ESPCN = ("dvc", "repro", "--force", "--single-item", "train@espcn")  # forced: DVC has its result


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The profile `smoke` with the lines that are KEPT, run whole in a fresh clone, and committed."""
    workspace = clone(tmp_path_factory.mktemp("clone") / "srlab")
    workspace.run("python", "-m", "srlab.profile", "smoke")
    params = workspace.params()
    for family, names in KEPT.items():
        lines = params[family] | LINES.get(family, {})
        params[family] = {name: lines[name] for name in names}
    params["models"]["espcn"] |= {"max_epochs": EPOCHS, "patience": EPOCHS}
    workspace.write_params(params)
    for name, text in FILES.items():
        (workspace.root / name).write_text(text)
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    (workspace.root / "pictures").mkdir()
    Image.fromarray(pixels).save(workspace.root / "pictures/a.png")
    for edit in EDITS:
        workspace.replace(*edit)
    output = workspace.run("dvc", "repro")
    workspace.commit()
    return Finished(workspace, output)


@pytest.fixture(scope="session")
def smoke(first_run: Finished) -> Workspace:
    """The clone after the first run. Tests leave it as they find it."""
    return first_run.workspace


@pytest.fixture(scope="session")
def without_network() -> tuple[str, ...]:
    """The words before a command that run it in a namespace with no network device that is up."""
    for words in (("unshare", "-rn"), ("unshare", "-n")) if shutil.which("unshare") else ():
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
            return words
    return ()


@pytest.fixture(scope="session")
def killed(smoke: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """SIGKILL for DVC and training alike, after the first epoch; then the same command."""
    workspace = smoke.copy(tmp_path_factory.mktemp("killed") / "srlab")
    process = workspace.start(*TRAIN_ESPCN)
    give_up = time.monotonic() + GIVE_UP
    while not list(workspace.root.glob("work/espcn-*/last.ckpt")):
        assert process.poll() is None, f"the training ended before it was killed:\n{process.communicate()[0]}"
        assert time.monotonic() < give_up, "the training did not finish an epoch"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    results = [path for path in (workspace.root / "models/espcn").rglob("*") if path.is_file()]
    left = workspace.copy(tmp_path_factory.mktemp("left") / "srlab")
    resumed = Finished(workspace, workspace.run(*TRAIN_ESPCN))
    return Killed([path.name for path in results if ".hydra" not in path.parts], left, resumed)


@pytest.fixture(scope="session")
def changed(killed: Killed, without_network: tuple[str, ...]) -> Finished:
    """What the kill left, with another rate of ESPCN and a comment in SRGAN's code, after `dvc repro`.

    Where the kernel allows it, without a network.
    """
    workspace = killed.left
    workspace.set_param("models.espcn.lr", LOWER_RATE)
    with (workspace.root / "src/srlab/adversarial/discriminator.py").open("a") as file:
        file.write("# a comment\n")
    return Finished(workspace, workspace.run(*without_network, "dvc", "repro"))
