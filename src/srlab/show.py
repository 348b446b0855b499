"""`python -m srlab.show`: the comparison table in the terminal, and where to look next."""

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

SUMMARY = Path("reports/summary.md")


def table_of(markdown: str) -> Table:
    """The first pipe table of a Markdown page, best cells in bold."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    heading, rule, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    table = Table()
    for name, dashes in zip(heading, rule, strict=True):
        table.add_column(name, justify="right" if dashes.endswith(":") else "left", overflow="fold")
    for row in rows:
        if row == heading or set(row[0]) == {"-"} or len(row) != len(heading):
            break  # the next table of the page
        table.add_row(*(f"[bold]{cell.strip('*')}[/bold]" if cell.startswith("**") else cell for cell in row))
    return table


def main() -> None:
    """Print the table of reports/summary.md; exit with 1 if there is none."""
    if not SUMMARY.exists():
        sys.exit("error: reports/summary.md is missing: run `make repro`")
    console = Console()
    console.print(table_of(SUMMARY.read_text()))
    console.print("The whole page     reports/summary.md")
    console.print("The pictures       reports/figures/")
    console.print("Every run, curves  make ui")


if __name__ == "__main__":
    main()
