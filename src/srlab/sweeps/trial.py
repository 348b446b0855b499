"""One training of a sweep, where it runs: perhaps in another process, on another machine."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import torch
from sqlalchemy import URL

from srlab.errors import SrlabError
from srlab.evaluation.cost import measure
from srlab.evaluation.machine import MACHINE_BUSY
from srlab.files import read_json, write_json
from srlab.training.curves import Row
from srlab.training.fit import Fitted, Watcher
from srlab.training.resume import Ended
from srlab.training.trial import Alone, Outcome

COSTS = ("multiply_adds", "num_parameters", "ms_per_megapixel")  # objectives that need no training


@dataclass
class Trial(Alone):
    """Reports every epoch to Optuna, ends when that says so, notes the result.

    Finished trainings are known by their fingerprint (config, data, code): <folder>/finished/<fingerprint>.json. No
    sweep trains one again.
    """

    waits = True

    number: int  # Optuna's
    trial_id: int  # Optuna's
    study: str  # its name, which is that of its folder, too
    values: str  # of the search space, as JSON
    parent: str  # MLflow's run of the sweep
    folder: str  # of all sweeps
    storage: str | None  # URL of Optuna's; None for the sqlite file in the study's folder
    objectives: Mapping[str, str]  # column of a training's history, or one of COSTS -> maximize or minimize
    pruner: optuna.pruners.BasePruner

    def run_name(self, model: str) -> str:
        return f"{model}-{self.number:03}"

    def tags(self) -> dict[str, str]:
        return {
            "mlflow.parentRunId": self.parent,
            "srlab.sweep": self.study,
            "srlab.trial": str(self.number),
            "srlab.values": self.values,
        }

    def known(self, fingerprint: str, module: Any) -> Outcome | None:
        """How a training of this fingerprint went; `module` has the network, untrained, whose costs may be asked for.

        SrlabError if it has no column of an objective's name.
        """
        try:
            found = read_json(self._finished(fingerprint))
        except FileNotFoundError:
            return None
        return {**found, "values": self._measured(found["row"], module.network)}

    def watching(self, watcher: Watcher) -> Watcher:
        """Reports the objective to Optuna, unless that never ends a trial."""
        if isinstance(self.pruner, optuna.pruners.NopPruner):
            return watcher
        study = optuna.load_study(
            study_name=self.study,
            storage=storage_of(self.storage, Path(self.folder, self.study)),
            sampler=optuna.samplers.RandomSampler(),  # nothing is drawn here, and others would think about it
            pruner=self.pruner,
        )
        return _Reporting(watcher, optuna.Trial(study, self.trial_id), next(iter(self.objectives)))

    def finish(self, fingerprint: str, fitted: Fitted, output: Path, tracker: Any) -> Outcome:
        """Note the best epoch's row."""
        row = fitted.rows[fitted.best_epoch]
        outcome: Outcome = {"epoch": fitted.best_epoch, "row": row, "run_id": tracker.run_id, "output": str(output)}
        write_json(self._finished(fingerprint), outcome)
        return {**outcome, "values": self._measured(row, fitted.network)}

    def _finished(self, fingerprint: str) -> Path:
        return Path(self.folder, "finished") / f"{fingerprint}.json"

    def _measured(self, row: Row, network: Any) -> list[float]:
        costs: dict[str, Any] = {}
        if set(self.objectives) & set(COSTS):
            costs = measure(_Method(network), network.scale, torch.device("cpu"))
        values = [costs[name] if name in COSTS else _of(row, name) for name in self.objectives]
        if "ms_per_megapixel" in self.objectives and costs["remark"]:
            raise SrlabError(f"{MACHINE_BUSY}, no ms_per_megapixel: start the sweep again later, or take multiply_adds")
        return [float(value) for value in values]


class _Method:
    """A network as what is measured."""

    label = "of a trial"

    def __init__(self, network: Any) -> None:
        self.upscale = network.cpu().eval().upscale
        self.num_parameters = sum(parameter.numel() for parameter in network.parameters())


@dataclass
class _Reporting:
    watcher: Watcher
    trial: optuna.Trial
    name: str  # of the objective

    def metrics(self, row: Row, step: int) -> None:
        self.watcher.metrics(row, step)
        value = _of(row, self.name)
        if not math.isfinite(value):
            return  # the training says so itself, and better
        self.trial.report(value, step)
        if self.trial.should_prune():
            raise Ended(f"pruned in epoch {step + 1}, at {self.name} {value:.5g}: other trials were better by then")

    def image(self, image: Any, key: str, step: int) -> None:
        self.watcher.image(image, key, step)


def storage_of(url: str | None, folder: Path) -> optuna.storages.RDBStorage:
    """Optuna's storage; without a URL, a sqlite file of the study's own, for which several processes can wait."""
    wait = {"connect_args": {"timeout": 60}} if url is None else {"pool_pre_ping": True}  # seconds
    file = URL.create("sqlite", database=str(folder.resolve() / "study.db"))
    return optuna.storages.RDBStorage(url or file.render_as_string(), engine_kwargs=wait)


def as_json(values: Mapping[str, Any]) -> str:
    """What `Trial` takes as `values`."""
    return json.dumps(dict(values))


def _of(row: Row, name: str) -> float:
    try:
        return float(row[name])
    except KeyError as error:
        there = ", ".join([*sorted(set(row) - {"epoch"}), *COSTS])
        raise SrlabError(f"sweep.objectives has {name}, and a training has {there}") from error
