"""Which modules of srlab a piece of its source needs, read from the files: nothing is imported to find out."""

import ast
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path

PACKAGE = "srlab"


def closure(modules: Iterable[str], root: Path, skip: Collection[str] = ()) -> set[str]:
    """Those of `modules` that are srlab's, and every module of srlab that they import, directly or not.

    An import counts wherever it stands in a file, in a function too. A package itself is left out: its `__init__.py`
    holds only a docstring, and srlab's own imports nothing before it is asked to.

    Args:
        modules: dotted names of modules or of things in them; names of other packages are ignored.
        root: the folder that holds the folder `srlab`.
        skip: modules to leave out, together with what they alone import.
    """
    found: set[str] = set()
    waiting = {module_of(name, root) for name in modules}
    while waiting:
        module = waiting.pop()
        if module in found or module in skip or not source_of(module, root).is_file():
            continue
        found.add(module)
        waiting |= {module_of(name, root) for name in imported(source_of(module, root))}
    return found


def imported(file: Path) -> frozenset[str]:
    """Dotted names that a Python file imports: of modules, and of things in them ("srlab.files.replacing")."""
    return _imported(file.read_text(encoding="utf-8"))


def module_of(name: str, root: Path) -> str:
    """The module that a dotted name leads to, as srlab.files for srlab.files.replacing; "" if none of srlab."""
    parts = name.split(".") if name.startswith(f"{PACKAGE}.") else []
    options = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((option for option in options if source_of(option, root).is_file()), "")


def source_of(module: str, root: Path) -> Path:
    """Where the file of a module is, if it is a module and no package."""
    return root / (module.replace(".", "/") + ".py")


@cache
def _imported(source: str) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):  # `from srlab.patches import pairs` may name a module or a thing in one
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)
