"""Fills docs/methods/: on each page our figures beside the published ones, from a run on the public test sets.

    python -m srlab.report.method_pages reports/metrics docs/methods

remembers the figures of that run in docs/methods/measured.csv and writes the block between the marks of every page.
Methods that the run does not have keep the figures that they have. An entry without a page of its own, as
espcn_released, belongs on that of its kind.
"""

import csv
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from srlab.errors import SrlabError
from srlab.evaluation.metrics.catalogue import METRICS
from srlab.files import read_json, replacing
from srlab.report.literature import Published, published
from srlab.report.table import markdown

MEASURED = "measured.csv"
SCALE, SETS = 4, ("Set5", "Set14", "BSD100")  # what the paper reports
BLOCK = re.compile(r"(<!-- figures:(\w+) -->\n).*?(<!-- /figures -->)", re.DOTALL)


@dataclass(frozen=True)
class Measured:
    """Our figures of one method on one set under one protocol, as printed: PSNR in dB, SSIM."""

    method: str
    label: str
    protocol: str
    scale: int
    set: str
    psnr: str
    ssim: str


def measured_of(metrics: Mapping[str, Any], method: str) -> list[Measured]:
    """The rows of what `evaluation.benchmark.evaluate` returned, for the page `method`; only of SETS."""
    about, scale = (method, metrics["label"]), metrics["scale"]
    return [
        Measured(*about, protocol, scale, name, *(METRICS[key].text(found[key]) for key in ("psnr", "ssim")))
        for protocol, scored in metrics["protocols"].items()
        for name, found in scored["datasets"].items()
        if name in SETS
    ]


def read_measured(folder: Path) -> list[Measured]:
    """All rows of measured.csv."""
    with (folder / MEASURED).open(newline="", encoding="utf-8") as file:
        return [Measured(**{**row, "scale": int(row["scale"])}) for row in csv.DictReader(file)]  # pyright: ignore[reportArgumentType]: strings but for the scale


def block(method: str, measured: Iterable[Measured], literature: Iterable[Published]) -> str:
    """Markdown table of `method` at SCALE on SETS, a line per figure: ours first, then what papers print."""
    ours: dict[str, list[Measured]] = {}
    for row in measured:
        if (row.method, row.scale) == (method, SCALE):
            ours.setdefault(f"srlab: {row.label} ({row.protocol})", []).append(row)
    lines = [[title, *(_cell(rows, name) for name in SETS)] for title, rows in ours.items()]
    if not ours:
        lines.append(["srlab: not measured yet", *[""] * len(SETS)])
    theirs: dict[tuple[str, str, str, str], list[Published]] = {}
    for row in literature:
        if (row.method, row.scale) == (method, SCALE) and row.set in SETS:
            theirs.setdefault((row.label, row.training, row.ssim_kind, row.protocol), []).append(row)
    for (label, training, kind, protocol), rows in theirs.items():
        remark = f"; {protocol}" if protocol else ""
        remark += "; another kind of SSIM" if kind == "daala" else ""
        lines.append([f"{label} (trained on {training}{remark})", *(_cell(rows, name) for name in SETS)])
    table = markdown(["", *(f"{name}: PSNR (dB) / SSIM" for name in SETS)], lines, num_text=1) + "\n"
    return table if theirs else table + "\nNo figure under this protocol was found in print.\n"


def _page_of(metrics: Mapping[str, Any], folder: Path) -> str:
    method = metrics["method"]
    return method if (folder / f"{method}.md").exists() else metrics.get("kind") or method


def _cell(rows: Iterable[Measured] | Iterable[Published], name: str) -> str:
    found = [f"{row.psnr} / {row.ssim}" if row.ssim else row.psnr for row in rows if row.set == name]
    return found[0] if found else ""


def fill(text: str, measured: Iterable[Measured], literature: Iterable[Published]) -> str:
    """A page with its block renewed. SrlabError if it has none."""
    measured, literature = list(measured), list(literature)
    if not BLOCK.search(text):
        raise SrlabError("a page of docs/methods has no `<!-- figures:NAME -->` block: give it one")
    return BLOCK.sub(lambda found: found[1] + block(found[2], measured, literature) + found[3], text)


def fill_pages(metrics: Path, folder: Path) -> None:
    """Take over the figures of the run and fill every page."""
    known = read_measured(folder) if (folder / MEASURED).exists() else []
    files = sorted(metrics.glob("*.json"), key=lambda file: (not file.stem.endswith("_released"), file.stem))
    found = [read_json(file) for file in files]
    fresh = [row for one in found for row in measured_of(one, _page_of(one, folder))]
    known = [row for row in known if row.method not in {one.method for one in fresh}] + fresh
    known.sort(key=lambda row: (row.method, row.protocol, row.set))  # stable: shipped weights before other recipes
    with replacing(folder / MEASURED) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [field.name for field in fields(Measured)], lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(row) for row in known)
    for page in sorted(folder.glob("*.md")):
        if page.name != "README.md":
            page.write_text(fill(page.read_text("utf-8"), known, published()), "utf-8")


if __name__ == "__main__":
    fill_pages(*map(Path, sys.argv[1:]))
