"""`python -m srlab.moved`: after `mv` or `cp -r` of a project, what names its old folder names the new one.

That are the scripts of its environment and the artifacts in MLflow's sqlite file. `make setup` calls it.
"""

import sqlite3
import sys
from contextlib import closing
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


def renew_scripts(folder: Path) -> None:
    """Write the commands of all installed packages to `folder` again, with this Python in their first line."""
    from pip._vendor.distlib.scripts import ScriptMaker  # by which pip writes them

    maker: Any = ScriptMaker(None, str(folder))  # its stubs know no plain commands
    maker.clobber, maker.variants = True, {""}
    commands = (entry for one in distributions() for entry in one.entry_points if entry.group == "console_scripts")
    maker.make_multiple([f"{entry.name} = {entry.value}" for entry in commands])


def renew_store(database: Path, artifacts: Path) -> None:
    """Let the runs of MLflow's sqlite file find their artifacts in `artifacts`, a folder beside it.

    MLflow keeps absolute places. Only those are changed that experiments have under the same name elsewhere; a store
    that projects share is no part of any of them, and stays as it is.
    """
    if database.parent != artifacts.parent or not database.exists() or not artifacts.is_dir():
        return
    with closing(sqlite3.connect(database, timeout=60)) as store, store:
        is_made = store.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone()
        places = store.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall() if is_made else []
        for (old,) in places:
            path, new = Path(unquote(urlsplit(str(old)).path)), artifacts.as_uri()
            if path.name != artifacts.name or old == new:
                continue
            for table, column in _texts(store):
                store.execute(
                    f'UPDATE "{table}" SET "{column}" = ? || substr("{column}", ?) '
                    f'WHERE "{column}" = ? OR substr("{column}", 1, ?) = ?',
                    (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
                )


def _texts(store: sqlite3.Connection) -> list[tuple[str, str]]:
    """(table, column) of all that may hold a place."""
    tables = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = ((table, row) for table in tables for row in store.execute(f'PRAGMA table_info("{table}")'))
    return [(table, name) for table, (_, name, kind, *_) in columns if "CHAR" in kind.upper() or kind.upper() == "TEXT"]


if __name__ == "__main__":
    renew_scripts(Path(sys.executable).parent)
    renew_store(Path("mlflow.db").absolute(), Path("mlartifacts").absolute())
