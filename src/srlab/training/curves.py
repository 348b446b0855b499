"""The rows of metrics that a training leaves behind, one per epoch. Without Lightning: the report reads them too."""

import csv
from pathlib import Path

from srlab.files import replacing

Row = dict[str, float]


def write_history(path: Path, rows: list[Row]) -> None:
    """Rows as CSV, atomically; the columns are those of the first row."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read_history(path: Path) -> list[Row]:
    """Rows of a CSV made by `write_history`."""
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
