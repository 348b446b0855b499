"""What `srlab promote` writes: the values of a sweep's best trial, or of a run in MLflow."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srlab.errors import SrlabError
from srlab.files import read_json


@dataclass(frozen=True)
class Winner:
    """Values of the search space by key, where they come from, and what else its sweep had changed."""

    values: dict[str, Any]
    where: str
    others: list[str]


def winner(what: str, trial: int | None, folder: Path, tags_of_run: Callable[[str], dict[str, str] | None]) -> Winner:
    """The winner of the sweep `what` (its name, or that of its folder), or the values of the MLflow run `what`.

    `trial` is a number, where another than the best is wanted, or several are; `folder` that of all sweeps;
    `tags_of_run` gives None if there is no run of that id. SrlabError if there is no such sweep, run or best trial.
    """
    files = [*folder.glob(f"{what}/sweep.json"), *folder.glob(f"{what}-*/sweep.json")]
    if files:
        return _of_sweep(max(files, key=lambda file: file.stat().st_mtime), trial)
    tags = tags_of_run(what)
    known = ", ".join(sorted({file.parent.name for file in folder.glob("*/sweep.json")})) or "none"
    if tags is None:
        raise SrlabError(f"{what} is no sweep in {folder} (there: {known}) and no run in MLflow")
    if "srlab.values" not in tags:
        raise SrlabError(f"run {what} in MLflow is no trial, and no sweep with a single best one")
    return Winner(json.loads(tags["srlab.values"]), f"run {what} of {tags.get('srlab.sweep', 'a sweep')}", [])


def _of_sweep(file: Path, trial: int | None) -> Winner:
    found = read_json(file)
    name = file.parent.name
    if trial is None:
        rows = found["best"]
        if len(rows) > 1:
            numbers = ", ".join(str(row["trial"]) for row in rows)
            raise SrlabError(f"trials {numbers} of {name} are a Pareto front: choose one with --trial")
    else:
        rows = [row for row in found["trials"] if row["trial"] == trial and row["state"] == "complete"]
    if not rows:
        raise SrlabError(f"{name} has no finished trial{'' if trial is None else f' {trial}'}")
    values = {key: rows[0][key] for key in found["keys"]}
    others = [word for word in found["words"] if "." in word.partition("=")[0] and not word.startswith("sweep")]
    kept = [word for word in others if word.partition("=")[0] not in values]
    figures = ", ".join(f"{key} {rows[0][key]:.6g}" for key in found["objectives"])
    return Winner(values, f"trial {rows[0]['trial']} of {name} ({figures})", kept)
