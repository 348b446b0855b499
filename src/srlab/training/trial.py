"""What `pipelines/train.py` asks while it trains: here a training by itself, in `srlab.sweeps.trial` one of a sweep."""

from pathlib import Path
from typing import Any

from srlab.training.fit import Fitted, Watcher

Outcome = dict[str, Any]


class Alone:
    """A training by itself: a stage of the pipeline, or a run by hand. A sweep's trial derives from it."""

    waits = False  # for another process that trains exactly this, instead of refusing to

    def run_name(self, model: str) -> str:
        """Name of the training's run in MLflow."""
        return model

    def tags(self) -> dict[str, str]:
        """More tags of that run."""
        return {}

    def known(self, fingerprint: str, module: Any) -> Outcome | None:
        """How a training of this fingerprint went, if one was finished."""
        return None

    def watching(self, watcher: Watcher) -> Watcher:
        """`watcher`, and whoever else wants to know; may raise at an epoch's end, to end the training."""
        return watcher

    def finish(self, fingerprint: str, fitted: Fitted, output: Path, run_id: str) -> Outcome | None:
        """Note how the training went, all of whose files are in `output`."""
        return None
