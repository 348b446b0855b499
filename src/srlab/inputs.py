"""Whether a stage ran on what DVC is going to record.

DVC hashes parameters and code when a command has ended, not when it begins. Whoever edits them meanwhile would find the
new value in dvc.lock beside a result of the old one, and `dvc status` would call that up to date.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from srlab.errors import SrlabError

PARAMS = "params.yaml"
FOLDERS = ("conf", "pipelines", "src")


@contextmanager
def recorded_as_run() -> Iterator[None]:
    """SrlabError at the end if something that the stage of this process declares was edited meanwhile.

    Without DVC, which names the stage in $DVC_STAGE, nothing is looked at.
    """
    stage, project = os.environ.get("DVC_STAGE"), Path.cwd()
    if not stage:
        yield
        return
    before, params = _digests(project), _params(project)
    yield
    after = _digests(project)
    edited = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if edited and (changed := _declared(project, stage, edited, params)):
        raise SrlabError(
            f"{', '.join(changed)} changed while {stage} ran, and DVC would record the new state for a result of the "
            f"old one: undo the edit and run `dvc commit {stage}` to keep the result, or `dvc repro` for a new one"
        )


def _digests(project: Path) -> dict[str, str]:
    files = [project / PARAMS, *(file for folder in FOLDERS for file in (project / folder).rglob("*"))]
    return {
        file.relative_to(project).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file() and "__pycache__" not in file.parts
    }


def _params(project: Path) -> Any:
    return yaml.safe_load((project / PARAMS).read_text(encoding="utf-8"))


def _declared(project: Path, stage: str, edited: list[str], params: Any) -> list[str]:
    """What of `edited` the stage depends on, parameters by their keys; everything if DVC does not know it any more."""
    from dvc.exceptions import DvcException  # takes a second, and is rarely wanted
    from dvc.repo import Repo

    try:
        with Repo(str(project)) as repo:
            (found,) = [one for one in repo.index.stages if one.addressing == stage]
            now = _params(project)
            dependencies: list[Any] = list(found.deps)
            keys = [key for dep in dependencies if Path(dep.fs_path).name == PARAMS for key in dep.params]
            files = [Path(dep.fs_path).relative_to(project).as_posix() for dep in dependencies]
    except (DvcException, ValueError, OSError, yaml.YAMLError):
        return edited
    changed = [f"{key} of {PARAMS}" for key in keys if _value(params, key) != _value(now, key)]
    return changed + [name for name in edited if name != PARAMS and _covered(name, files)]


def _covered(name: str, files: list[str]) -> bool:
    return any(name == file or name.startswith(f"{file}/") for file in files)


def _value(params: Any, key: str) -> Any:
    for part in key.split("."):
        params = params.get(part) if isinstance(params, dict) else None
    return params
