"""Published figures that the report shows beside ours."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

PROTOCOLS = {
    "classic": "luma rounded to 8 bit, grey images as they are",
    "modern": "luma not rounded, grey images turned into RGB first",
    "other": "a protocol of the source's own",
    "unknown": "not stated",
}
PAPER_SCALE = 4  # of An, Dai and An 2022


@dataclass(frozen=True)
class Published:
    """One published result, as printed: `psnr` in dB and `ssim` are the digits on the page, "" where none are given.

    `method` is the key under which this project runs the method, `label` the variant meant, `kind` interpolation,
    learning, cnn, gan or transformer; `ssim_kind` gauss, daala or "" (not stated); `protocol` a key of PROTOCOLS.
    """

    method: str
    label: str
    year: str
    kind: str
    training: str
    scale: int
    set: str
    psnr: str
    ssim: str
    ssim_kind: str
    protocol: str
    source: str

    def printed(self, metric: str) -> str:
        """The digits of "psnr" or "ssim"."""
        return {"psnr": self.psnr, "ssim": self.ssim}[metric]


@lru_cache
def published() -> tuple[Published, ...]:
    """All of literature.csv, methods in order of age."""
    return tuple(Published(**{**row, "scale": int(row["scale"])}) for row in rows_of("literature.csv"))  # pyright: ignore[reportArgumentType]: strings but for the scale


@lru_cache
def errata() -> dict[tuple[str, int, str, str, str], tuple[str, str]]:
    """Misprints that tables hand on: {(method, scale, set, metric, digits): (where they stand, the original's)}."""
    return {
        (row["method"], int(row["scale"]), row["set"], row["metric"], row["printed"]): (row["where"], row["correct"])
        for row in rows_of("errata.csv")
    }


def paper_table() -> dict[str, dict[str, dict[str, float]]]:
    """{set: {method: {"psnr": dB, "ssim": 0 to 1}}}, methods bicubic, srcnn, espcn, srgan at PAPER_SCALE.

    Source: An, Dai and An 2022, Table 2, as printed.
    """
    table: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows_of("an2022_table2.csv"):
        set_name, metric = row.pop("set"), row.pop("metric")
        for method, value in row.items():
            table.setdefault(set_name, {}).setdefault(method, {})[metric] = float(value)
    return table


def rows_of(name: str) -> Iterable[dict[str, str]]:
    """The lines of a CSV file of this package, by their headings."""
    return csv.DictReader(data_lines(files("srlab.report").joinpath(name).read_text(encoding="utf-8")))


def data_lines(text: str) -> list[str]:
    """The lines of a CSV file without comments and empty ones."""
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
