"""Every stage of dvc.yaml declares what it reads, no less and no more, in every profile."""

import ast
import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from declarations import PLUMBING, Reads, Stage, composed, covered, reads, stages, undeclared
from dvc.repo import Repo
from hydra import initialize_config_dir
from profiles import TEXTS

ROOT = Path(__file__).parents[1]
PROFILES = dict(TEXTS)
# Choices that no profile makes read other keys.
PROFILES["quick, all degradations"] = PROFILES["quick"].replace("kind: bicubic", "kind: full")
PROFILES["quick, a mixed loss"] = PROFILES["quick"].replace("loss: own", "loss: mixed")
EXTERNAL = "method: external, weights: networks, file: x, channels: rgb, value_range: 1, mean: 0, tile: 0, overlap: 0"
PROFILES["quick, networks of others"] = PROFILES["quick"].replace(
    "\npretrained:",
    "\npretrained:\n"
    f"  one: {{format: onnx, {EXTERNAL}}}\n"
    f"  two: {{format: torchscript, {EXTERNAL}}}\n"
    f"  three: {{format: python, target: x.X, arguments: {{depth: 6}}, state: null, {EXTERNAL}}} #",
)
# Two lines of one kind, with a label, a seed and a training set of their own.
PROFILES["quick, entries"] = PROFILES["quick"].replace(
    "  espcn: {net: espcn, ", "  espcn_2: {net: espcn, seed: 2, label: X, "
)
# Maps that DVC fans out over. An entry of one may be declared whole although not all of it is read: entries differ in
# their keys (only a folder has a path, only SRResNet has blocks), and DVC refuses a key that is not there.
WHOLE = {("evaluate_pretrained", "models"), ("evaluate_pretrained", "gans")}  # of which interpolations read a line
FANNED_OUT = {"datasets", "classical", "examples", "models", "gans", "pretrained"}


@dataclass
class Checked:
    """A stage with what it reads in one profile."""

    stage: Stage
    params: dict[str, Any]  # content of params.yaml
    conf: set[str]
    found: Reads


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Checked]]:
    """Every stage of every profile; in a folder of its own, since DVC resolves dvc.yaml against the params.yaml in it.

    Hydra composes each command once, beside an empty params.yaml: commands repeat from profile to profile, and
    test_config.py shows that a root config and params.yaml share no key.
    """
    bench = tmp_path_factory.mktemp("bench")
    shutil.copy(ROOT / "dvc.yaml", bench)
    (bench / "params.yaml").write_text("{}\n")
    known, result = {}, {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(bench)  # where `hydra.searchpath: [file://.]` looks for params.yaml
        Repo.init(".", no_scm=True).close()
        listed = {name: _stages(bench, name) for name in PROFILES}
        (bench / "params.yaml").write_text("{}\n")
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            for name, text in PROFILES.items():
                params = yaml.safe_load(text)
                result[name] = []
                for stage in listed[name]:
                    command = (stage.script, stage.overrides)
                    config, conf = known[command] = known.get(command) or composed(stage)
                    result[name].append(Checked(stage, params, conf, reads(stage, config, params, ROOT)))
    return result


def _stages(bench: Path, profile: str) -> list[Stage]:
    (bench / "params.yaml").write_text(PROFILES[profile])
    with Repo(str(bench)) as repo:
        return stages(repo)


@pytest.fixture(scope="module")
def every(profiles: dict[str, list[Checked]]) -> list[Checked]:
    return [checked for listed in profiles.values() for checked in listed]


def general(name: str, key: str) -> tuple[str, str]:
    """(train, models.*.lr) for the stage train@espcn and its key models.espcn.lr: the line in dvc.yaml."""
    first, *rest = key.split(".")
    return name.partition("@")[0], ".".join([first, "*", *rest[1:]] if rest and first in FANNED_OUT else [first, *rest])


def leaves(node: Any, path: str) -> list[str]:
    if not isinstance(node, dict):
        return [path]
    return [leaf for key, value in node.items() for leaf in leaves(value, f"{path}.{key}".lstrip("."))]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_stage_declares_what_it_reads(profiles: dict[str, list[Checked]], profile: str) -> None:
    missing: dict[str, list[str]] = {}  # what -> for which stages, since one line of dvc.yaml fixes many of them
    for one in profiles[profile]:
        for problem in undeclared(one.stage, one.found, one.conf):
            missing.setdefault(problem, []).append(one.stage.name)
    assert not missing, "\n".join(f"{problem}  ({', '.join(names)})" for problem, names in sorted(missing.items()))


def test_every_script_of_the_pipeline_has_stages(every: list[Checked]) -> None:
    scripts = {path.relative_to(ROOT).as_posix() for path in (ROOT / "pipelines").glob("*.py")}
    assert {one.stage.script for one in every} == scripts


def test_no_params_key_is_declared_in_vain(every: list[Checked]) -> None:
    """Judged by the line of dvc.yaml: in some profile, some stage made from it reads each leaf below the key."""
    read = {general(one.stage.name, leaf) for one in every for leaf in one.found.params}
    vain = set()
    for one in every:
        for key in one.stage.params:
            template, line = general(one.stage.name, key)
            if (template, key) in WHOLE:
                continue
            if line.endswith(".*"):  # a whole entry: at least something in it
                unread = {line} if not any(t == template and r.startswith(line[:-1]) for t, r in read) else set()
            else:
                below = (leaf for leaf in leaves(one.params, "") if covered(leaf, frozenset([key]), "."))
                unread = {leaf for leaf in below if general(one.stage.name, leaf) not in read}
            vain |= {f"{template}: {leaf}" for leaf in unread}
    assert vain == set()


def test_no_file_is_declared_in_vain(every: list[Checked]) -> None:
    """Judged by the line of dvc.yaml, too: data sets come from different places by different modules."""
    read: dict[str, set[str]] = {}
    for one in every:
        read.setdefault(one.stage.name.partition("@")[0], set()).update(one.found.code, one.conf)
    vain = {
        f"{template}: {file}"
        for one in every
        for template in [one.stage.name.partition("@")[0]]
        for file in one.stage.code | one.stage.conf
        if not any(covered(name, frozenset([file]), "/") for name in read[template])
    }
    assert not vain, "\n".join(sorted(vain))


@pytest.mark.parametrize("kind", ["params", "conf", "code"])
@pytest.mark.parametrize(
    "name",
    [
        "fetch@photos",
        "degrade@photos",
        "train@srcnn",
        "train_gan@srgan",
        "evaluate_gan@srgan",
        "evaluate_pretrained@srgan_half",
        "report",
    ],
)
def test_the_checker_notices_every_removed_declaration(
    profiles: dict[str, list[Checked]], name: str, kind: str
) -> None:
    one = next(one for one in profiles["quick"] if one.stage.name == name)
    read = one.conf if kind == "conf" else getattr(one.found, kind)
    separator = "." if kind == "params" else "/"
    declared = {
        line for line in getattr(one.stage, kind) if any(covered(r, frozenset([line]), separator) for r in read)
    }
    assert declared
    for line in declared:
        stage = dataclasses.replace(one.stage, **{kind: getattr(one.stage, kind) - {line}})
        assert any(problem.startswith(f"{kind}: {line}") for problem in undeclared(stage, one.found, one.conf)), line


# The checker itself, on a pipeline of three files.

MODULES = {
    "src/srlab/__init__.py": "",
    "src/srlab/net.py": "import torch\nfrom srlab import layers\nclass Net: ...",
    "src/srlab/layers.py": "def f():\n    from srlab.errors import SrlabError",
    "src/srlab/errors.py": "",
    "src/srlab/unused.py": "",
}
PARAMS = {"chosen": "a", "models": {"a": {"lr": 1, "size": 2}, "b": {"lr": 3, "size": 4}}, "seed": 5}
CONFIG = {
    "name": "${chosen}",
    "picked": "${models.${.name}}",
    "outer": {"lr": "${..picked.lr}", "inner": {"text": "size ${...picked.size} of ${oc.env:HOME,none}"}},
    "net": {"_target_": "srlab.net.Net", "seed": "${seed}"},
    "nets": {"first": "${net}"},
}


def checked(folder: Path, body: str) -> Reads:
    for name, text in {**MODULES, "pipelines/x.py": f"def main(cfg):\n    {body}\n"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    stage = Stage("x", "pipelines/x.py", (), frozenset(), frozenset(), frozenset())
    return reads(stage, CONFIG, PARAMS, folder)


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        ("cfg.seed", {"seed"}),
        ("cfg.models.b.lr", {"models.b.lr"}),
        ("cfg.models.items()", {"models.a.lr", "models.a.size", "models.b.lr", "models.b.size"}),
        ("cfg.name", {"chosen"}),
        ("cfg.picked.size", {"chosen", "models.a.size"}),
        ("cfg.picked", {"chosen", "models.a.lr", "models.a.size"}),
        ("cfg.outer.lr", {"chosen", "models.a.lr"}),
        ("f(*cfg.outer.inner)", {"chosen", "models.a.size"}),
        ("f(cfg.net)", {"seed"}),
        ("pass", set()),
    ],
)
def test_the_checker_follows_interpolations(tmp_path: Path, body: str, keys: set[str]) -> None:
    assert checked(tmp_path, body).params == keys


@pytest.mark.parametrize(
    ("body", "files"),
    [
        ("pass", set()),
        ("f(cfg.net)", set()),  # a name that nobody imports
        ("instantiate(cfg.nets[name])", {"src/srlab/net.py", "src/srlab/layers.py"}),
        ("instantiate(cfg.net)", {"src/srlab/net.py", "src/srlab/layers.py"}),
        ("import srlab.unused", {"src/srlab/unused.py"}),
        ("from srlab.net import Net", {"src/srlab/net.py", "src/srlab/layers.py"}),
    ],
)
def test_the_checker_follows_imports_and_targets(tmp_path: Path, body: str, files: set[str]) -> None:
    assert checked(tmp_path, body).code == {"pipelines/x.py", *files}


@pytest.mark.parametrize("body", ["f(cfg)", "c = cfg", "cfg['seed']", "getattr(cfg, 'seed')", "cfg.items()"])
def test_the_checker_refuses_a_config_that_is_passed_on_whole(tmp_path: Path, body: str) -> None:
    assert "passed on whole" in checked(tmp_path, body).problems[0]


def test_the_checker_names_a_key_that_is_not_there(tmp_path: Path) -> None:
    assert checked(tmp_path, "cfg.outer.typo").problems == [
        "pipelines/x.py reads cfg.outer.typo, but the config has no 'typo'"
    ]


# What the checker passes over must have nothing to declare.


@pytest.mark.parametrize("module", PLUMBING)
def test_plumbing_imports_nothing_but_plumbing(module: str) -> None:
    tree = ast.parse((ROOT / "src" / f"{module.replace('.', '/')}.py").read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {name for name in imported if name and name.startswith("srlab")} <= set(PLUMBING)


@pytest.mark.parametrize(
    "file", sorted((ROOT / "src/srlab").glob("**/*/__init__.py")), ids=lambda path: path.parent.name
)
def test_packages_hold_nothing_but_a_docstring(file: Path) -> None:
    body = ast.parse(file.read_text()).body
    assert [type(node) for node in body] == [ast.Expr]
