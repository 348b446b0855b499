"""What `pipelines/train.py` asks while it trains: here a training by itself, in `srlab.sweeps.trial` one of a sweep."""

import os
import shlex
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig

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

    def finish(self, fingerprint: str, fitted: Fitted, output: Path, tracker: Any) -> Outcome | None:
        """Note how the training went, all of whose files are in `output`; of one by hand, say it."""
        if "DVC_STAGE" not in os.environ:
            best, place = fitted.rows[fitted.best_epoch], os.path.relpath(output)
            weights = f"{place}/best.safetensors"
            chosen = [one for one in HydraConfig.get().overrides.task if one.startswith(("model", "gans.", "scale="))]
            places = [f"trained={place}", f"model.method.checkpoint={weights}", f"hydra.run.dir={place}"]
            print(f"best: epoch {fitted.best_epoch + 1} of {len(fitted.rows)}, {best['val/psnr']:.2f} dB in validation")
            print(f"weights: {weights}")
            print(f"scores on the test sets: python pipelines/evaluate.py {shlex.join([*chosen, *places])}")
            print(f"MLflow: {tracker.address}", flush=True)
        return None
