"""The N best pictures of a pool: measured one by one, judged by thresholds, ranked, near-duplicates left out.

The pool may be large: what is kept of a candidate is a row of numbers, and only the chosen are copied (by the stage
fetch).
"""

import csv
import gzip
import io
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from srlab.datasets.candidates import Candidates
from srlab.datasets.selection_criteria import (
    BEYOND,
    CHOSEN,
    MEASURES,
    VERDICTS,
    Criteria,
    Weights,
    failures,
    judge,
    measure_file,
    shares,
)
from srlab.datasets.sources import Source
from srlab.errors import SrlabError
from srlab.files import read_json, replacing, write_json
from srlab.progress import track

NAMED = 10  # unreadable candidates that are named; all are counted


@dataclass(frozen=True)
class Selection:
    """Result of `best_of`."""

    candidates: Candidates
    chosen: list[int]  # places among the candidates, best first
    wanted: int
    unreadable: list[str]  # what is wrong with the first of those
    fails: dict[str, int]  # how many fail each criterion, dropped by an earlier one or not
    criteria: Criteria


class Selected(Source):
    """Those pictures of `source` that the stage fetch wrote into `path` (selection.json), best first."""

    def __init__(self, source: Source, path: str) -> None:
        self.source, self.path = source, Path(path)
        record = read_json(self.path)
        self.wanted: int | None = record["wanted"]
        self.chosen: list[str] | None = record["chosen"]
        self.verify, self.set_name = source.verify, source.set_name

    def __str__(self) -> str:
        return str(self.source) if self.chosen is None else f"{self.source}, selected"

    def files(self) -> list[tuple[str, Path]]:
        """(name, file) of the chosen, best first; SrlabError if the source no longer has one of them."""
        files = self.source.files()
        if self.chosen is None:
            return files
        paths = dict(files)
        if missing := sorted(set(self.chosen) - set(paths)):
            raise SrlabError(
                f"{self.path} chose {missing[0]}, which {self.source} does not have any more: bring the picture "
                "back, or run the stage again"
            )
        return [(name, paths[name]) for name in self.chosen]


def keep_all(source: Source) -> None:
    """No selection: the set is used as it is, and no picture is looked at."""


def best_of(
    source: Source, num_images: int, criteria: Criteria, weights: Weights, seed: int, n_jobs: int = -1
) -> Selection:
    """The `num_images` best of all that a source has; a line says how many were passed over, by criterion.

    The same pool and seed give the same choice, whatever the order of the pool and the number of `n_jobs` (joblib's
    count: -1 = all cores). Pictures that cannot be read are counted, the first few named. SrlabError if there is no
    candidate or no good one, if `num_images` is below 1 or if a chosen name is not unique.
    """
    if num_images < 1:
        raise SrlabError(f"num_images is {num_images}: a selection needs a number of at least 1 in params.yaml")
    files = source.files()
    if not files:
        raise SrlabError("the selection has no candidates: correct the source of the data set in conf/dataset/")
    parts = shares(weights)
    measures, unreadable = _measured(files, n_jobs)
    fails = {name: int(mask.sum()) for name, mask in failures(measures, criteria).items()}
    candidates = Candidates(files, measures, judge(measures, criteria), seed)
    candidates.rank(parts)
    chosen = candidates.choose(num_images, criteria.duplicate_bits)
    dropped = ", ".join(f"{name} {num}" for name, num in list(candidates.counts().items())[BEYOND + 1 :] if num)
    if not chosen:
        raise SrlabError(
            f"none of {len(candidates)} candidates meets the criteria ({dropped}): loosen "
            "conf/selection/quality.yaml or correct the source of the data set"
        )
    names = [candidates[place][0] for place in chosen]
    if len(set(names)) < len(names):
        raise SrlabError(f"two candidates are named {max(names, key=names.count)}: a source has to give unique names")
    if dropped:
        print(f"note: of {len(candidates)} candidates were passed over: {dropped}")
    return Selection(candidates, chosen, num_images, unreadable, fails, criteria)


def write_selection(selection: Selection | None, source: Source, folder: Path) -> None:
    """Write `folder`/selection.json (what was chosen, and how) and candidates.csv.gz (every candidate's measures).

    selection.json: {"source", "wanted", "chosen": [name, best first], "got", "candidates", "seed", "criteria",
    "dropped": {verdict: number}, "unreadable": the first few}; only the first three, "chosen" null, where all are
    used (no selection). Equal selections are equal bytes.
    """
    content: dict[str, Any] = {"source": str(source), "wanted": source.wanted, "chosen": None}
    if selection:
        content |= {
            "wanted": selection.wanted,
            "got": len(selection.chosen),
            "candidates": len(selection.candidates),
            "seed": selection.candidates.seed,
            "criteria": asdict(selection.criteria),
            "dropped": {name: num for name, num in selection.candidates.counts().items() if name != VERDICTS[CHOSEN]},
            "unreadable": selection.unreadable,
            "chosen": [selection.candidates[place][0] for place in selection.chosen],
        }
    write_json(folder / "selection.json", content)
    if selection:
        with replacing(folder / "candidates.csv.gz") as temporary:
            _write_candidates(selection.candidates, temporary)


def _measured(files: Sequence[tuple[str, Path]], n_jobs: int) -> tuple[np.ndarray, list[str]]:
    """MEASURES (n,) of the files, zeros where one cannot be read; and what is wrong with the first of those."""
    measures, unreadable = np.zeros(len(files), MEASURES), []
    rows: Any = Parallel(n_jobs=n_jobs, return_as="generator")(delayed(_row)(path) for _, path in files)
    with closing(rows):
        for place, row in enumerate(track(rows, "measuring candidates", len(files))):
            if not isinstance(row, str):
                measures[place] = row[0]
            elif len(unreadable) < NAMED:
                unreadable.append(row)
    return measures, unreadable


def _write_candidates(candidates: Candidates, path: Path) -> None:
    columns = [name for name in MEASURES.names or () if name != "hash"]
    # No time stamp and no file name in the header of gzip: DVC's digest of equal lists is the same.
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as packed,
        io.TextIOWrapper(packed, "utf-8", newline="") as text,
    ):
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["name", *columns, "hash", "score", "verdict"])
        rows = zip(candidates.files, candidates.measures, candidates.scores, candidates.verdicts, strict=True)
        for (name, _), row, score, verdict in rows:
            values = [f"{row[column]:.6g}" for column in columns]
            table.writerow([name, *values, f"{row['hash']:016x}", f"{score:.6f}", VERDICTS[verdict]])


def _row(path: Path) -> np.ndarray | str:
    try:
        return measure_file(path)
    except SrlabError as error:
        return str(error)
