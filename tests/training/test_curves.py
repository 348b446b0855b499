"""The rows of a training survive their file."""

import csv
from pathlib import Path

from srlab.training.curves import read_history, write_history


def test_rows_are_plain_csv_and_survive_to_the_last_digit(tmp_path: Path) -> None:
    rows = [{"epoch": 0.0, "val/psnr": 0.1 + 0.2}, {"epoch": 1.0, "val/psnr": float("inf")}]
    write_history(tmp_path / "new" / "history.csv", rows)
    with (tmp_path / "new" / "history.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["epoch", "val/psnr"], ["0.0", "0.30000000000000004"], ["1.0", "inf"]]
    assert read_history(tmp_path / "new" / "history.csv") == rows
