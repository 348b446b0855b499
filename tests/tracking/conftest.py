"""Stores of MLflow, and trackers that do not wait."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from mlflow import MlflowClient

from srlab.tracking.sender import serve


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], str]:
    """Makes an empty sqlite store in a folder; its URI. To create one takes seconds, to copy it does not."""
    made = tmp_path_factory.mktemp("empty") / "mlflow.db"
    MlflowClient(f"sqlite:///{made}").search_experiments()

    def store(folder: Path) -> str:
        shutil.copy(made, folder)
        return f"sqlite:///{folder}/mlflow.db"

    return store


@pytest.fixture(scope="module")
def without_git() -> Iterator[None]:
    """Its answers take most of the time of a start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("srlab.tracking.tracker.code_tags", dict)
        yield


class Beside:
    """Stands for the process that sends."""

    def __init__(self, outbox: Path) -> None:
        self._thread = Thread(target=serve, args=[outbox], daemon=True)
        self._thread.start()

    def poll(self) -> int | None:
        return None if self._thread.is_alive() else 0


@pytest.fixture
def quickly(without_git: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that does not wait, and is a thread."""
    for name, value in {"POLL": 0.01, "LINGER": 0.1, "RETRY": 0.0, "_process": Beside}.items():
        monkeypatch.setattr(f"srlab.tracking.sender.{name}", value)
