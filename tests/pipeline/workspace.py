"""A clone of this repository with a store of its own, in which commands run as a user types them."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:  # importing it takes seconds
    from mlflow import MlflowClient

ROOT = Path(__file__).parents[2]
OFFLINE = Path(__file__).parent / "offline"
FOREIGN = ("DVC_", "GIT_", "MLFLOW_", "PYTHON", "SRLAB_")  # settings of whoever runs the tests
GIVE_UP = 1800  # seconds for one command, so that a hang ends; no claim about speed


@dataclass(frozen=True)
class Workspace:
    """The folder `root` of a clone; `connections` is the file in which refused ways to the network are noted."""

    root: Path
    connections: Path

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command in the clone, in a process group of its own, standard error merged into its output."""
        out = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=self.root, env=self.environment(), stdout=out, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip

    def run(self, *command: str) -> str:
        """What a command prints; an assertion if it fails."""
        process = self.start(*command)
        output, _ = process.communicate(timeout=GIVE_UP)
        assert process.returncode == 0, f"{command} ended with {process.returncode}:\n{output}"
        return output

    def fail(self, *command: str) -> str:
        """What a command prints that has to fail."""
        process = self.start(*command)
        output, _ = process.communicate(timeout=GIVE_UP)
        assert process.returncode > 0, f"{command} ended with {process.returncode}:\n{output}"
        return output

    def environment(self) -> dict[str, str]:
        """The caller's environment without his settings, with this interpreter first and without a network.

        PYTHONPATH stands for the editable installation that a clone's `make setup` makes.
        """
        own = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
        names = {f"GIT_{who}_{what}": "tests" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        return own | names | {
            "PATH": f"{Path(sys.executable).absolute().parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{OFFLINE}{os.pathsep}{self.root / 'src'}",
            "SRLAB_CONNECTIONS": str(self.connections),
            "DVC_SITE_CACHE_DIR": str(self.connections.parent / "dvc"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "COLUMNS": "200",  # so that a table keeps its rows in one line each
        }  # fmt: skip

    def copy(self, root: Path) -> "Workspace":
        """A copy of everything, DVC's cache and MLflow's store included."""
        shutil.copytree(self.root, root, symlinks=True)
        return Workspace(root, self.connections)

    def status(self) -> dict[str, Any]:
        """What `dvc status` says has changed, by stage; nothing if everything is up to date."""
        output = self.run("dvc", "status", "--json")
        return json.loads(output.splitlines()[-1])

    def commit(self) -> None:
        """Commit everything that Git does not ignore."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", "test")

    def params(self) -> dict[str, Any]:
        """Content of params.yaml."""
        return yaml.safe_load((self.root / "params.yaml").read_text())

    def write_params(self, params: dict[str, Any]) -> None:
        """Write params.yaml."""
        (self.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    def set_param(self, key: str, value: object) -> None:
        """Set a key like `models.espcn.lr` of params.yaml."""
        params = node = self.params()
        *path, last = key.split(".")
        for name in path:
            node = node[name]
        node[last] = value
        self.write_params(params)

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace `old` in a file by `new`; an empty `old` is the end, of a new file too."""
        path = self.root / name
        text = path.read_text() if path.exists() else ""
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new) if old else text + new)

    @contextmanager
    def edited(self, *edits: tuple[str, str, str]) -> Iterator[None]:
        """With these replacements for the time of the block."""
        paths = {self.root / name for name, _, _ in edits}
        before = {path: path.read_bytes() for path in paths if path.exists()}
        try:
            for edit in edits:
                self.replace(*edit)
            yield
        finally:
            for path in paths:
                path.write_bytes(before[path]) if path in before else path.unlink()

    def read_json(self, name: str) -> Any:
        """Content of a JSON file of the clone."""
        return json.loads((self.root / name).read_text())

    def mlflow(self) -> "MlflowClient":
        """A client of the clone's own MLflow store."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient

        return MlflowClient(f"sqlite:///{self.root}/mlflow.db")

    def bytes_of(self, *names: str) -> dict[str, bytes]:
        """Content of files of the clone."""
        return {name: (self.root / name).read_bytes() for name in names}


@dataclass(frozen=True)
class Finished:
    """A workspace after a `dvc repro`, and what that printed."""

    workspace: Workspace
    output: str


@dataclass(frozen=True)
class Killed:
    """What a SIGKILL amid the training of ESPCN left: results, and a copy of all; the same command once more."""

    results: list[str]
    left: Workspace
    resumed: Finished


def clone(root: Path) -> Workspace:
    """A commit of the files that Git would take."""
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():  # and not deleted, though still in the index
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    workspace = Workspace(root, root.parent / f"{root.name}-connections.txt")
    workspace.run("git", "init", "--quiet")
    workspace.commit()
    return workspace


def stages_run(output: str) -> list[str]:
    """Names of the stages that `dvc repro` ran, in its order."""
    return re.findall(r"^Running stage '(.+)':$", output, re.MULTILINE)
