"""The rows of a training survive their file."""

import csv
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from srlab.training.curves import read_history, write_history

rows = st.lists(
    st.fixed_dictionaries({"epoch": st.integers(0, 300), "val/psnr": st.floats(allow_nan=False)}), min_size=1
)


@given(rows)
def test_rows_survive_to_the_last_digit(tmp_path_factory, rows: list[dict[str, float]]) -> None:
    path = tmp_path_factory.mktemp("rows") / "history.csv"
    write_history(path, rows)
    assert read_history(path) == rows


def test_the_file_is_plain_csv(tmp_path: Path) -> None:
    write_history(tmp_path / "new" / "history.csv", [{"epoch": 0, "val/psnr": 28.5}])
    with (tmp_path / "new" / "history.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["epoch", "val/psnr"], ["0", "28.5"]]
