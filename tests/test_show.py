"""The first table of the summary appears in the terminal."""

from pathlib import Path

import pytest
from rich.console import Console

from srlab import show

PAGE = """# Super-resolution x4: results

| Method  | photos: PSNR (dB) | photos: SSIM | Parameters |
|:--------|------------------:|-------------:|-----------:|
| Bicubic |             27.42 |       0.8104 |          – |
| ESPCN   |         **28.51** |   **0.8300** |     24,752 |

## The paper's own figures beside ours

| Set  | Bicubic |
|:-----|--------:|
| Set5 |   28.42 |
"""


def cells(page: str) -> list[list[str]]:
    """What a person reads, row by row, without the frame."""
    console = Console(width=100, no_color=True)
    with console.capture() as capture:
        console.print(show.table_of(page))
    lines = [line for line in capture.get().splitlines() if any(letter.isalnum() for letter in line)]
    return [[cell.strip() for cell in line.strip("┃│|").replace("┃", "│").split("│")] for line in lines]


def test_the_first_table_is_shown_and_no_other() -> None:
    assert cells(PAGE) == [
        ["", "photos", ""],
        ["", "PSNR", "photos"],
        ["Method", "(dB)", "SSIM"],
        ["Bicubic", "27.42", "0.8104"],
        ["ESPCN", "28.51", "0.8300"],
    ]


def test_tables_of_equal_width_are_kept_apart() -> None:
    second = PAGE.partition("## ")[0]
    assert cells(second + "\n## Again\n\n" + second) == cells(PAGE)


def test_the_best_is_bold_and_numbers_stand_right() -> None:
    columns = show.table_of(PAGE).columns
    assert list(columns[1].cells) == ["27.42", "[bold]28.51[/bold]"]
    assert [column.justify for column in columns] == ["left", "right", "right"]


def test_it_ends_with_where_to_look_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/summary.md").write_text(PAGE)
    monkeypatch.chdir(tmp_path)
    show.main()
    assert capsys.readouterr().out.splitlines()[-1].endswith("make ui")


def test_without_a_summary_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        show.main()
    assert end.value.code == "error: reports/summary.md is missing: run `make repro`"
