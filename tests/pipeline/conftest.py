"""The clone that these tests share: the whole pipeline runs in it once, and they look at it or at copies of it."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import branches
import pytest
from branches import EPOCHS, KEPT, Finished, Killed
from workspace import Workspace, clone


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The profile `smoke` without the methods that are not KEPT, run whole in a fresh clone, and committed."""
    workspace = clone(tmp_path_factory.mktemp("clone") / "srlab")
    workspace.run("python", "-m", "srlab.profile", "smoke")
    for kind, names in KEPT.items():
        lines = workspace.params()[kind]
        workspace.set_param(kind, {name: lines[name] for name in names})
    workspace.set_param("models.espcn.max_epochs", EPOCHS)
    workspace.set_param("models.espcn.patience", EPOCHS)
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
def futures(
    request: pytest.FixtureRequest,
    smoke: Workspace,
    without_network: tuple[str, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Future[Any]]]:
    """What the chosen tests want done to copies of the clone, two at a time: most of it is Python starting up."""
    todo: dict[str, Callable[[Workspace], Any]] = {
        "again": partial(branches.again, wrapper=without_network),
        "lower_rate": branches.lower_rate,
        "killed": branches.killed,
    }
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", [])}
    # All copies first: tests may edit the clone for a moment while the work is going on.
    copies = {name: smoke.copy(tmp_path_factory.mktemp(name) / "srlab") for name in todo if name in wanted}
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {name: pool.submit(todo[name], copy) for name, copy in copies.items()}


@pytest.fixture(scope="session")
def again(futures: dict[str, Future[Finished]]) -> Finished:
    """A copy after SRGAN was trained and evaluated once more, where the kernel allows it without a network."""
    return futures["again"].result()


@pytest.fixture(scope="session")
def lower_rate(futures: dict[str, Future[Finished]]) -> Finished:
    """A copy in which ESPCN has another learning rate, after `dvc repro`."""
    return futures["lower_rate"].result()


@pytest.fixture(scope="session")
def killed(futures: dict[str, Future[Killed]]) -> Killed:
    """A copy in which ESPCN, with that other rate, was killed in the middle of its training, and what came of it."""
    return futures["killed"].result()
