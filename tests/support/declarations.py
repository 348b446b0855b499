"""What a DVC stage reads, found without running it, and what it says that it reads.

A stage's config is composed by Hydra from the stage's own command; its script's syntax tree says which nodes of the
config it uses; raw interpolations lead from there to keys of params.yaml; imports and `_target_`s lead to modules.
"""

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from dvc.dependency import ParamsDependency
from dvc.repo import Repo
from hydra import compose
from omegaconf import OmegaConf

from srlab.imports import closure, imported

# Modules that cannot change a number, so that no stage needs to declare them.
PLUMBING = {
    "srlab.errors": "an exception class",
    "srlab.imports": "says which code a training is made of",
    "srlab.files": "writes whole files, whatever their content",
    "srlab.inputs": "compares what a stage read with what DVC is going to record",
    "srlab.progress": "draws a bar",
    "srlab.kinds": "says which settings a kind has",
    "srlab.settings": "refuses a params.yaml that does not fit together",
    "srlab.tracking.registry": "tells MLflow of a trained network, whose file is on disk",
    "srlab.tracking.answers": "says what an error of MLflow means",
    "srlab.tracking.delivery": "sends MLflow what is on disk",
    "srlab.tracking.journal": "keeps on disk what is told to MLflow",
    "srlab.tracking.sender": "starts the process that sends it",
    "srlab.start": "runs the code of the own folder",
    "srlab.moved": "lets MLflow's store find its files",
    "srlab.stage": "hands the composed config to main() and prints errors",
    "srlab.tracking.tracker": "mirrors results that are on disk",
}
# Files of conf/ that Hydra opens with a stage's for sweeps and for MLflow: no result depends on them.
FOR_MULTIRUN = ("conf/base/sweep.yaml", "conf/sweep/", "conf/hydra/", "conf/trial/", "conf/tracking/")
INNERMOST = re.compile(r"\$\{([^${}]*)\}")
Keys = tuple[str, ...]  # of a config node, as in ("model", "net", "scale")


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml: its address, its command's script and overrides, and what it declares."""

    name: str
    script: str
    overrides: tuple[str, ...]
    params: frozenset[str]  # keys of params.yaml
    conf: frozenset[str]  # files that Hydra merges
    code: frozenset[str]  # files or folders of Python source


@dataclass
class Reads:
    """What a stage reads: leaves of params.yaml and Python files; and what nobody can follow."""

    params: set[str] = field(default_factory=set)
    code: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


def stages(repo: Repo) -> list[Stage]:
    """Every stage of the dvc.yaml of `repo`, as DVC itself resolves it."""
    return [_stage(stage, Path(repo.root_dir)) for stage in repo.index.stages]


def _stage(stage: Any, root: Path) -> Stage:
    script, *overrides = shlex.split(stage.cmd)[1:]
    files = {Path(dep.fs_path).relative_to(root).as_posix(): dep for dep in stage.deps}
    params = {key for dep in files.values() if isinstance(dep, ParamsDependency) for key in dep.params}
    conf = {name for name in files if name.startswith("conf/") and name != "conf/dataset/digests"}  # Hydra's alone
    code = {name for name in files if name.startswith(("pipelines/", "src/"))}
    own = tuple(word for word in overrides if not word.startswith("hydra."))
    return Stage(stage.addressing, script, own, frozenset(params), frozenset(conf), frozenset(code))


def composed(stage: Stage) -> tuple[dict[str, Any], set[str]]:
    """The stage's config, not resolved, and the files under conf/ that Hydra opened; hydra must be initialized."""
    with mock.patch("builtins.open", wraps=open) as opened:
        cfg = compose(Path(stage.script).stem, list(stage.overrides))
    names = (str(call.args[0]) for call in opened.call_args_list)
    files = {f"conf/{name.split('/conf/')[1]}" for name in names if "/conf/" in name and "/hydra/conf/" not in name}
    return OmegaConf.to_container(cfg, resolve=False), files  # pyright: ignore[reportReturnType]


def reads(stage: Stage, config: dict[str, Any], params: dict[str, Any], root: Path) -> Reads:
    """What `stage` reads of params.yaml and code, given its unresolved config and the content of params.yaml."""
    found = Reads()
    tree = ast.parse((root / stage.script).read_text())
    used, instantiated = _chains(tree, found.problems)
    modules = set(imported(root / stage.script))
    nodes = Nodes({**config, **params})
    for path in sorted(used):
        try:
            found.params |= {".".join(leaf) for leaf in nodes.leaves(path) if leaf[0] in params}
        except KeyError as error:
            found.problems.append(f"{stage.script} reads cfg.{'.'.join(path)}, but the config has no {error}")
    for path in instantiated:
        modules |= nodes.targets(path)
    needed = closure(modules, root / "src", PLUMBING)
    found.code = {stage.script} | {f"src/{name.replace('.', '/')}.py" for name in needed}
    return found


def undeclared(stage: Stage, found: Reads, conf: set[str]) -> list[str]:
    """What the stage reads without saying so, one line each; `conf` are the files that Hydra opened for it."""
    lines = [f"params: {leaf}" for leaf in sorted(found.params) if not covered(leaf, stage.params, ".")]
    conf = {file for file in conf if not file.startswith(FOR_MULTIRUN)}
    lines += [f"conf: {file}" for file in sorted(conf) if not covered(file, stage.conf, "/")]
    lines += [f"code: {file}" for file in sorted(found.code) if not covered(file, stage.code, "/")]
    return lines + found.problems


def covered(name: str, declared: frozenset[str], separator: str) -> bool:
    """Whether `declared` holds `name` or something that contains it."""
    return any(name == one or name.startswith(one + separator) for one in declared)


def _chains(tree: ast.Module, problems: list[str]) -> tuple[set[Keys], set[Keys]]:
    """The paths a.b.c of all `cfg.a.b.c`, and of those in `instantiate(cfg.a.b.c, ...)`; a bare `cfg` is a problem.

    `cfg.a.b[name]` counts as all of a.b.
    """
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    used, instantiated = set(), set()
    for name in ast.walk(tree):
        if not (isinstance(name, ast.Name) and name.id == "cfg"):
            continue
        node, path = name, ()
        while isinstance(parent := parents[node], ast.Attribute):
            node, path = parent, (*path, parent.attr)
        if isinstance(parent, ast.Call) and parent.func is node and path[-1:] in [("items",), ("keys",), ("values",)]:
            path = path[:-1]
        if isinstance(parent, ast.Call) and getattr(parent.func, "id", "") == "named":
            continue  # what a line and its choices hold, by their names in params.yaml: all are read otherwise, too
        if not path:
            problems.append(f"line {name.lineno}: cfg is passed on whole, so that nobody sees which keys are read")
            continue
        used.add(path)
        if isinstance(parent, ast.Subscript) and parent.value is node:  # any of the things in it
            node, parent = parent, parents[parent]
        if isinstance(parent, ast.Call) and getattr(parent.func, "id", "") == "instantiate" and node in parent.args[:1]:
            instantiated.add(path)
    return used, instantiated


class Nodes:
    """The nodes of a config with their interpolations, and where those lead."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw, self.cfg = raw, OmegaConf.create(raw)

    def leaves(self, path: Keys) -> Iterator[Keys]:
        """Where the value of the node at `path` comes from: the leaves without interpolation that it leads to."""
        node: Any = self.raw
        for depth, part in enumerate(path):
            index: Any = int(part) if isinstance(node, list) else part
            node = node[index]
            if isinstance(node, str) and "${" in node:
                yield from self._follow(node, path[:depth], path[depth + 1 :])
                return
        if isinstance(node, dict | list):
            for key in node if isinstance(node, dict) else range(len(node)):
                yield from self.leaves((*path, str(key)))
        else:
            yield path

    def targets(self, path: Keys) -> set[str]:
        """Every `_target_` in the resolved node at `path`."""

        def walk(node: Any) -> Iterator[str]:
            if isinstance(node, dict):
                yield from [str(node["_target_"])] if "_target_" in node else []
            for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
                yield from walk(child)

        node = OmegaConf.select(self.cfg, ".".join(path))
        return set(walk(OmegaConf.to_container(node, resolve=True))) if OmegaConf.is_config(node) else set()

    def _follow(self, text: str, parent: Keys, rest: Keys) -> Iterator[Keys]:
        """The leaves behind every ${...} in `text`, which stands in the container `parent`; `rest` leads on from there.

        ${a.b} counts from the root, ${.b} from `parent`, each further dot from one level up; ${a:b} is a resolver.
        """
        while match := INNERMOST.search(text):
            key, value = match[1], ""
            is_optional = key.startswith("oc.select:")  # of a setting that a line may lack
            key = key.removeprefix("oc.select:").partition(",")[0] if is_optional else key
            if ":" not in key:
                dots = len(key) - len(key.lstrip("."))
                start = parent[: len(parent) - dots + 1] if dots else ()
                target = (*start, *key[dots:].split("."))
                is_whole = match[0] == text
                if is_optional and OmegaConf.select(self.cfg, ".".join(target)) is None:
                    text = text[: match.start()] + text[match.end() :]
                    continue
                yield from self.leaves((*target, *rest) if is_whole else target)
                value = "" if is_whole else str(OmegaConf.select(self.cfg, ".".join(target)))
            text = text[: match.start()] + value + text[match.end() :]
