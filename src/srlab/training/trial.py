"""What a training is a part of: nothing, or a sweep, which may end it early and wants to know how it went."""

from pathlib import Path
from typing import Any, Protocol

from srlab.training.fit import Fitted, Watcher

Outcome = dict[str, Any]


class Part(Protocol):
    """How `pipelines/train.py` sees what its training is a part of."""

    waits: bool  # for another process that trains exactly this, instead of refusing to

    def run_name(self, model: str) -> str:
        """Name of the training's run in MLflow."""
        ...

    def tags(self) -> dict[str, str]:
        """More tags of that run."""
        ...

    def known(self, fingerprint: str, module: Any) -> Outcome | None:
        """How a training of this fingerprint went, if one was finished."""
        ...

    def watching(self, watcher: Watcher, monitor: str) -> Watcher:
        """`watcher`, and whoever else wants to know; may raise in an epoch's end, to end the training."""
        ...

    def finish(self, fingerprint: str, fitted: Fitted, output: Path, run_id: str) -> Outcome | None:
        """Note how the training went, all of whose files are in `output`."""
        ...


class Alone:
    """A training by itself: a stage of the pipeline, or a run by hand."""

    waits = False

    def run_name(self, model: str) -> str:
        return model

    def tags(self) -> dict[str, str]:
        return {}

    def known(self, fingerprint: str, module: Any) -> Outcome | None:
        return None

    def watching(self, watcher: Watcher, monitor: str) -> Watcher:
        return watcher

    def finish(self, fingerprint: str, fitted: Fitted, output: Path, run_id: str) -> Outcome | None:
        return None
