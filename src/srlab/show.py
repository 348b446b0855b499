"""`python -m srlab.show`: the comparison table in the terminal, and where to look next."""

import sys
from itertools import dropwhile, takewhile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from srlab.start import begin

SUMMARY = Path("reports/summary.md")
LEFT_OUT = ("Parameters", "Multiply-adds (G)", "Peak memory (MB)")  # of the columns: a terminal is narrow


def table_of(markdown: str) -> Table:
    """The first table of the summary, a method a row, without the columns LEFT_OUT."""
    lines = takewhile(is_row, dropwhile(lambda line: not is_row(line), markdown.splitlines()))
    heading, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    shown = [column for column, name in enumerate(heading) if name not in LEFT_OUT]
    table = Table(heading[0])
    for column in shown[1:]:
        table.add_column(heading[column].replace(" (", "\n(").replace(": ", "\n"), justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(_bold(row[column]) for column in shown))
    return table


def is_row(line: str) -> bool:
    """Whether a line of Markdown belongs to a table."""
    return line.startswith("|")


def _bold(cell: str) -> str:
    return f"[bold]{cell.strip('*')}[/bold]" if cell.startswith("**") else cell


def main() -> None:
    """Print the table of reports/summary.md; exit with 1 if there is none."""
    begin(Path())
    if not SUMMARY.exists():
        sys.exit("error: reports/summary.md is missing: run `make repro`")
    console = Console()
    console.print(table_of(SUMMARY.read_text("utf-8")))
    console.print("The whole page     reports/summary.md")
    console.print("To look at, alone  reports/index.html")
    console.print("The pictures       reports/figures/")
    console.print("Every run, curves  make ui")


if __name__ == "__main__":
    main()
