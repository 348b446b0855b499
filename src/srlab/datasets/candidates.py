"""The candidates of a selection, in a temporary database on disk: memory does not grow with their number."""

import hashlib
import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from srlab.datasets.selection_criteria import BEYOND, CHOSEN, MEASURES, exposure

CACHE = 256  # KiB of the database in memory: more is no faster, the system has the file in its cache anyway (measured)
CHUNK = 1024  # rows that are taken out at a time
MEASURED = MEASURES.names or ()
COLUMNS = ("place", "name", "path", *MEASURED, "exposure", "tie", "verdict", "score")


class Candidates:
    """Name, path, MEASURES, verdict and score of each candidate, by its place in the pool (0, 1, ...).

    `score` is None until `rank`, and of dropped candidates. The database lies where the system keeps temporary files
    (TMPDIR), about 0.2 kB per candidate and as much again while ranking, and goes with the object.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._database = sqlite3.connect("", isolation_level=None)  # "": a file without a name, gone when it is closed
        self._database.execute(f"PRAGMA cache_size = -{CACHE}")
        self._database.execute("PRAGMA journal_mode = OFF")  # no one needs half a selection back
        self._database.execute(f"CREATE TABLE candidates (place INTEGER PRIMARY KEY, {', '.join(COLUMNS[1:])})")
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: int) -> tuple[str, Path]:
        ((name, path),) = self._rows("SELECT name, path FROM candidates WHERE place = ?", place)
        return _text(name), Path(_text(path))

    def add(self, files: Sequence[tuple[str, Path]], measures: np.ndarray, verdicts: np.ndarray) -> None:
        """Append (name, file) with MEASURES (n,) and verdicts (n,) of `judge`: CHOSEN for all that it does not drop."""
        numbers = {name: measures[name].tolist() for name in MEASURED}
        numbers["hash"] = measures["hash"].view(np.int64).tolist()  # SQLite's whole numbers have a sign
        numbers["exposure"] = exposure(measures).tolist()
        names, paths = zip(*((_bytes(name), _bytes(str(path))) for name, path in files), strict=True)
        places = range(self._length, self._length + len(files))
        ties = [self._tie(name) for name, _ in files]
        good = [BEYOND if verdict == CHOSEN else int(verdict) for verdict in verdicts]
        rows = zip(places, names, paths, *numbers.values(), ties, good, [None] * len(files), strict=True)
        self._database.execute("BEGIN")
        self._database.executemany(f"INSERT INTO candidates VALUES ({', '.join('?' * len(COLUMNS))})", rows)
        self._database.execute("COMMIT")
        self._length += len(files)

    def rank(self, shares: Mapping[str, float]) -> None:
        """Score those that no criterion dropped: the sum of their ranks by each column, times its share.

        A rank, in (0, 1), is the share of candidates below, half of the equal ones (itself among them) added.
        """
        ((num,),) = self._rows(f"SELECT COUNT(*) FROM candidates WHERE verdict = {BEYOND}")
        self._database.execute(f"UPDATE candidates SET score = 0.0 WHERE verdict = {BEYOND}")
        for column, share in shares.items():
            self._database.execute("CREATE TABLE ranks (value PRIMARY KEY, rank) WITHOUT ROWID")
            self._database.execute(
                f"INSERT INTO ranks SELECT {column}, (SUM(COUNT(*)) OVER (ORDER BY {column}) - COUNT(*) / 2.0) / ? "
                f"FROM candidates WHERE verdict = {BEYOND} GROUP BY {column}",
                (num,),
            )
            self._database.execute(
                f"UPDATE candidates SET score = score + ? * (SELECT rank FROM ranks WHERE value = {column}) "
                f"WHERE verdict = {BEYOND}",
                (share,),
            )
            self._database.execute("DROP TABLE ranks")

    def best_first(self) -> Generator[tuple[int, int], None, None]:
        """(place, hash) of the ranked by falling score; of equal ones the tie-break decides."""
        order = f"SELECT place, hash FROM candidates WHERE verdict = {BEYOND} ORDER BY score DESC, tie"
        for place, signed in self._rows(order):
            yield place, signed % 2**64

    def set_verdict(self, place: int, verdict: int) -> None:
        """Change the verdict of one candidate."""
        self._database.execute("UPDATE candidates SET verdict = ? WHERE place = ?", (verdict, place))

    def counts(self) -> dict[int, int]:
        """Candidates by verdict, where there are any."""
        return dict(self._rows("SELECT verdict, COUNT(*) FROM candidates GROUP BY verdict"))

    def table(self) -> Iterator[dict[str, Any]]:
        """Name, measures, score and verdict of each in the order of the pool; NaN where there is no number."""
        columns = (*MEASURED, "score", "verdict")
        for name, *values in self._rows(f"SELECT name, {', '.join(columns)} FROM candidates ORDER BY place"):
            row = {key: float("nan") if value is None else value for key, value in zip(columns, values, strict=True)}
            yield row | {"name": _text(name), "hash": row["hash"] % 2**64}

    def ordered(self, column: str, verdict: int, which: slice, *, highest: bool) -> list[int]:
        """Places `which` of the candidates of a verdict, those with the lowest or highest value first, without last."""
        order = f"{column} {'DESC' if highest else 'ASC'} NULLS LAST, place"
        query = f"SELECT place FROM candidates WHERE verdict = ? ORDER BY {order} LIMIT ? OFFSET ?"
        return [place for (place,) in self._rows(query, verdict, which.stop - which.start, which.start)]

    def value(self, column: str, place: int) -> float:
        """One measure or the score of a candidate; NaN if it has none."""
        ((value,),) = self._rows(f"SELECT {column} FROM candidates WHERE place = ?", place)
        return float("nan") if value is None else value

    def percentiles(self, column: str, shares: Sequence[float]) -> list[float]:
        """Linear percentiles (0..100, as numpy's) of a column over `_usable`; empty where nobody has it."""
        condition = _usable(column)
        ((num,),) = self._rows(f"SELECT COUNT(*) FROM candidates WHERE {condition}")
        order = (
            f"SELECT COALESCE({column}, 0) AS value FROM candidates WHERE {condition} ORDER BY value LIMIT 2 OFFSET ?"
        )
        found = []
        for position in ((num - 1) * share / 100 for share in shares if num):
            neighbours = [value for (value,) in self._rows(order, int(position))]
            found.append(float(np.interp(position % 1, range(len(neighbours)), neighbours)))
        return found

    def histogram(self, column: str, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many of `_usable` lie between the `edges`, which take in what is beyond: of the passed, of the others."""
        counts = np.zeros((2, len(edges) - 1), np.int64)
        rows = self._rows(f"SELECT COALESCE({column}, 0), verdict FROM candidates WHERE {_usable(column)}")
        while part := list(islice(rows, CHUNK)):
            values, verdicts = np.array(part, np.float64).T
            values = np.clip(values, edges[0], edges[-1])
            for index, those in enumerate((verdicts <= BEYOND, verdicts > BEYOND)):
                counts[index] += np.histogram(values[those], edges)[0]
        return counts[0], counts[1]

    def _tie(self, name: str) -> int:
        """Depends on the seed and the name, not on the place in the pool."""
        digest = hashlib.blake2b(_bytes(f"{self.seed}:{name}"), digest_size=8).digest()
        return int.from_bytes(digest, "big") - 2**63

    def _rows(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        return iter(self._database.execute(query, values))


def _usable(column: str) -> str:
    """Who has a value worth showing: of the score those that passed, of a measure all that could be read."""
    return f"verdict <= {BEYOND}" if column == "score" else "side > 0"


def _bytes(text: str) -> bytes:
    """Of any str: a file's name may hold bytes that are no text, which Python keeps as lone surrogates."""
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
