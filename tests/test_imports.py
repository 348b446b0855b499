"""What a module of srlab imports of it, read from files."""

import subprocess
import sys
from pathlib import Path

import pytest

from srlab.imports import closure

SOURCE = Path(__file__).parents[1] / "src"
SOURCES = {
    "a": "import torch\nfrom srlab.b import thing",
    "b": "from srlab.deep import c, d",
    "deep/__init__": "",
    "deep/c": "def late():\n    import srlab.e",
    "deep/d": "import srlab.a",
    "e": "",
    "beside": "import srlab.a",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, source in SOURCES.items():
        (tmp_path / f"srlab/{name}.py").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"srlab/{name}.py").write_text(source)
    return tmp_path


@pytest.mark.parametrize(
    ("modules", "skip", "expected"),
    [
        ({"srlab.a"}, (), "a b deep.c deep.d e"),  # in circles, late, and no package
        ({"srlab.deep.c.late", "torch.nn"}, (), "deep.c e"),
        ({"srlab.a"}, {"srlab.deep.c"}, "a b deep.d"),
        ({"srlab.nonesuch", "srlab"}, (), ""),
    ],
)
def test_the_closure_of_imports(modules: set[str], skip: set[str], expected: str, root: Path) -> None:
    assert closure(modules, root, skip) == {f"srlab.{name}" for name in expected.split()}


def test_all_that_a_process_loads_is_in_the_closure() -> None:
    """Against Python itself."""
    code = "import sys, srlab.training.fit; print(*(name for name in sys.modules if name.startswith('srlab.')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    modules = {name for name in loaded if (SOURCE / (name.replace(".", "/") + ".py")).is_file()}
    assert len(modules) > 5
    assert modules <= closure({"srlab.training.fit"}, SOURCE)


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("srlab", {"torch", "numpy", "hydra", "PIL"}),
        ("srlab.cli", {"torch", "mlflow", "pytorch_lightning", "hydra"}),
        ("srlab.tracking.tracker", {"mlflow", "torch"}),  # a training does not wait for it: another process has it
        ("srlab.planning.plan", {"torch", "pytorch_lightning"}),  # their memory is not there for what is probed
    ],
)
def test_what_starts_at_once_imports_nothing_heavy(module: str, heavy: set[str]) -> None:
    code = f"import sys, {module}; print(sorted({heavy!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
