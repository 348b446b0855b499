"""A table of somebody's figures as a list of claims, read from CSV or Markdown."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from srlab.errors import SrlabError
from srlab.report.literature import data_lines, published

SETS = {
    "set5": "Set5",
    "set14": "Set14",
    "bsd100": "BSD100",
    "bsds100": "BSD100",
    "b100": "BSD100",
    "urban100": "Urban100",
}
LAYOUTS = "set,metric,METHOD,... or method,set,psnr,ssim or method,SET,... with cells PSNR/SSIM"
ALIASES = {"selfex": "selfexsr", "cscn": "scn", "kimkwon": "kk", "kimandkwon": "kk", "esrganpsnr": "rrdb"}
NUMBER = re.compile(r"\d*\.\d+")


@dataclass(frozen=True)
class Claim:
    """One cell: `metric` ("psnr" in dB or "ssim") of `method` (a key such as "srcnn") on `set`, with its digits."""

    set: str
    method: str
    label: str
    metric: str
    printed: str

    @property
    def value(self) -> Decimal:
        """The figure."""
        return Decimal(self.printed)


def read_claims(path: Path) -> list[Claim]:
    """The figures of a CSV file or of the first table of a Markdown file that has a known layout.

    Layouts: set,metric,METHOD,...; method,set,psnr,ssim; method,SET,... with cells "PSNR/SSIM". SrlabError where there
    is no such table, or a cell is no figure.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SrlabError(f"{path} cannot be read as text ({error}): name a CSV or Markdown file") from error
    tables = _markdown_tables(text) if path.suffix.lower() in (".md", ".markdown") else [_csv_table(text)]
    for heading, *lines in tables:
        claims = list(_claims(path, heading, lines))
        if claims:
            return claims
    raise SrlabError(f"{path} holds no table of figures: use the columns {LAYOUTS}")


def method_key(label: str) -> str:
    """The key of a method as tables spell it: "SRCNN (ours)" is srcnn, "A+" aplus, an unknown one its own letters."""
    plain = re.sub(r"[^a-z0-9]", "", label.lower().replace("+", "plus"))
    known = {row.method: row.method for row in published()} | ALIASES
    return next((known[name] for name in sorted(known, key=len, reverse=True) if plain.startswith(name)), plain)


def set_name(text: str) -> str | None:
    """Set5, Set14, BSD100 or Urban100 in any usual spelling, "Set5 (5 images)" too; None for other text."""
    return SETS.get(re.sub(r"[^a-z0-9]", "", text.partition("(")[0].lower()))


def claim(set_text: str, method: str, metric: str, printed: str) -> Claim:
    """One figure given by hand; SrlabError for an unknown set or a figure that cannot be one."""
    name = set_name(set_text)
    if name is None:
        raise SrlabError(f"set {set_text!r} is unknown: use one of {', '.join(dict.fromkeys(SETS.values()))}")
    try:
        value = Decimal(printed)
    except InvalidOperation:
        raise SrlabError(f"{metric} {printed!r} is no number: write it as printed, such as 29.26") from None
    if not (0 < value < 1 if metric == "ssim" else 0 < value < 100):
        raise SrlabError(f"{metric} {printed} is out of range: PSNR is in dB, SSIM between 0 and 1")
    return Claim(name, method_key(method), method, metric, printed)


def _claims(path: Path, heading: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[Claim]:
    for name, method, metric, printed in _cells(heading, lines):
        if printed and set_name(name):
            try:
                yield claim(name, method, metric, printed)
            except SrlabError as error:
                raise SrlabError(f"{path}: {method} on {name}: {error}") from None


def _cells(heading: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[tuple[str, str, str, str]]:
    """(set, method, metric, digits) as the cells of one of LAYOUTS say; nothing for a table of another layout."""
    names = [cell.lower() for cell in heading]
    if names[:2] == ["set", "metric"]:
        name = ""
        for cells in lines:
            name = cells[0] or name  # merged cells: the set stands in its first line only
            metric = cells[1].lower()[:4]
            if metric in ("psnr", "ssim"):
                yield from ((name, label, metric, cell) for label, cell in zip(heading[2:], cells[2:], strict=False))
    elif {"method", "set", "psnr"} <= set(names):
        for cells in lines:
            row = dict(zip(names, cells, strict=False))
            yield from ((row["set"], row["method"], metric, row.get(metric, "")) for metric in ("psnr", "ssim"))
    elif names[:1] == ["method"]:
        for cells in lines:
            for name, cell in zip(heading[1:], cells[1:], strict=False):
                for metric, printed in zip(("psnr", "ssim"), NUMBER.findall(cell), strict=False):
                    yield name, cells[0], metric, printed


def _csv_table(text: str) -> list[list[str]]:
    return [[_plain(cell) for cell in row] for row in csv.reader(data_lines(text))] or [[]]


def _markdown_tables(text: str) -> list[list[list[str]]]:
    tables: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if not line.strip().startswith("|"):
            tables.append([])
        elif not re.fullmatch(r"[\s|:-]+", line):
            tables[-1].append([_plain(cell) for cell in line.strip().removeprefix("|").removesuffix("|").split("|")])
    return [table for table in tables if table]


def _plain(cell: str) -> str:
    """Without the marks of bold, italics, code and underlining."""
    return re.sub(r"</?[a-z]+>|[*`_]", "", cell).strip()
