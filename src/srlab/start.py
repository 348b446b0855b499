"""How a command begins: with the code of its own folder, and able to print any name."""

import io
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def begin(project: Path) -> None:
    """Start again with the library in `project`/src where Python found another one, and let `print` escape.

    Python finds another one in a copy of a project whose environment is still the original's, and in the copies that
    `dvc exp run --temp` and `--queue` make. Names of files may hold what the terminal's encoding has no sign for.
    """
    own, path = project.resolve() / "src", os.environ.get("PYTHONPATH", "")
    if own != ROOT / "src" and (own / "srlab").is_dir():
        if path.split(os.pathsep)[0] == str(own):
            sys.exit(f"error: {project} would run the code of {ROOT}: run `make setup` in {project}")
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(own), path]))}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], env)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
