"""The N best pictures of a pool of any size: measured one by one, judged by thresholds, ranked, twins left out.

Memory does not grow with the pool: what is known of the candidates lies in a temporary database (`candidates`),
pictures are seen a few hundred at a time, and only the winners are ever copied (by the stage fetch).
"""

import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from srlab.datasets.candidates import Candidates
from srlab.datasets.selection_criteria import (
    CHOSEN,
    DUPLICATE,
    MEASURES,
    VERDICTS,
    Criteria,
    Weights,
    failures,
    hash_distance,
    judge,
    measure_file,
    shares,
)
from srlab.datasets.sources import Source
from srlab.datasets.verification import PixelCheck
from srlab.errors import SrlabError
from srlab.files import read_json, replacing, write_json
from srlab.progress import track

ROUND = 256  # files that are under way at a time: seconds of work, a few kB of results
NAMED = 10  # unreadable candidates that are named; all are counted


@dataclass(frozen=True)
class Selection:
    """Result of `select`: `chosen` are places among the `candidates`, best first; `fails` says how many candidates fail
    each criterion, dropped by an earlier one or not."""

    candidates: Candidates
    chosen: list[int]
    wanted: int
    unreadable: list[str]
    fails: dict[str, int]
    criteria: Criteria

    def counts(self) -> dict[str, int]:
        """Candidates by verdict; they add up to the pool."""
        found = self.candidates.counts()
        return {name: found.get(place, 0) for place, name in enumerate(VERDICTS)}


@dataclass(frozen=True)
class WholeSet:
    """A set of which nothing was asked: all its pictures are used."""

    wanted: int | None


class Selected:
    """Those pictures of `source` that the stage select_images wrote into `path` (selection.json), best first."""

    def __init__(self, source: Source, path: str) -> None:
        self.source, self.path = source, Path(path)
        self.record = read_json(self.path)
        self.wanted: int | None = self.record["wanted"]

    def __str__(self) -> str:
        return str(self.source) if self.record["chosen"] is None else f"{self.source}, selected"

    @property
    def verify(self) -> PixelCheck | None:
        """That of the source."""
        return self.source.verify

    @property
    def set_name(self) -> str:
        """That of the source."""
        return self.source.set_name

    def files(self) -> list[tuple[str, Path]]:
        """(name, file) of the chosen, best first; SrlabError if the source no longer has one of them."""
        if self.record["chosen"] is None:
            return self.source.files()
        places = {name: place for place, name in enumerate(self.record["chosen"])}
        found = sorted((places[name], name, path) for name, path in listed(self.source) if name in places)
        if len(found) < len(places):
            missing = min(places.keys() - {name for _, name, _ in found})
            raise SrlabError(
                f"{self.path} chose {missing}, which {self.source} does not have: bring the picture back, or run "
                "`dvc repro -f` for its stage select_images"
            )
        return [(name, path) for _, name, path in found]


def keep_all(source: Source) -> WholeSet:
    """The selection of a set that is used as it is: no picture is looked at."""
    return WholeSet(source.wanted)


def best_of(
    source: Source, num_images: int, criteria: Criteria, weights: Weights, seed: int, n_jobs: int = -1
) -> Selection:
    """`select` on all that a source has."""
    # Listing twice costs seconds per million files; that buys an ETA for the hours that measuring them takes.
    total = sum(1 for _ in listed(source))
    return select(listed(source), num_images, criteria, weights, seed, n_jobs, total)


def listed(source: Source) -> Iterable[tuple[str, Path]]:
    """(unique name, file) of a source; one by one where it can (`candidates`), so that no long list is held."""
    return getattr(source, "candidates", source.files)()


def select(
    files: Iterable[tuple[str, Path]],
    num_images: int,
    criteria: Criteria,
    weights: Weights,
    seed: int,
    n_jobs: int = -1,
    total: int | None = None,
) -> Selection:
    """The `num_images` best of (unique name, file), `total` of them if known; where fewer will do it says so.

    The same pool and seed give the same choice, whatever the order of the pool and the number of `n_jobs` (joblib's
    count: -1 = all cores). Pictures that cannot be read are counted, the first few named. SrlabError if there is no
    candidate or no good one, if `num_images` is below 1 or if a chosen name is not unique.
    """
    if num_images < 1:
        raise SrlabError(f"num_images is {num_images}: a selection needs a number of at least 1 in params.yaml")
    parts, candidates = shares(weights), Candidates(seed)
    unreadable, fails = _measure(files, candidates, criteria, n_jobs, total)
    if not len(candidates):
        raise SrlabError("the selection has no candidates: correct the source of the data set in conf/dataset/")
    candidates.rank(parts)
    chosen = _without_twins(candidates, num_images, criteria.duplicate_bits)
    if not chosen:
        dropped = ", ".join(f"{VERDICTS[place]} {num}" for place, num in sorted(candidates.counts().items()))
        raise SrlabError(
            f"none of {len(candidates)} candidates meets the criteria ({dropped}): loosen conf/selection/ or "
            "correct the source of the data set"
        )
    names = [candidates[place][0] for place in chosen]
    if len(set(names)) < len(names):
        raise SrlabError(f"two candidates are named {max(names, key=names.count)}: a source has to give unique names")
    if len(chosen) < num_images:
        print(f"note: {num_images} pictures were wanted, only {len(chosen)} of {len(candidates)} meet the criteria")
    return Selection(candidates, chosen, num_images, unreadable, fails, criteria)


def write_selection(selection: Selection | WholeSet, source: str, folder: Path) -> None:
    """Write `folder`/selection.json (what was chosen, and how) and candidates.csv.gz (every candidate's measures).

    selection.json: {"source", "wanted", "chosen": [name, best first], "got", "candidates", "seed", "criteria",
    "dropped": {verdict: number}, "unreadable": the first few}; only the first three, "chosen" null, where all are
    used. Equal selections are equal bytes.
    """
    content: dict[str, Any] = {"source": source, "wanted": selection.wanted, "chosen": None}
    if isinstance(selection, Selection):
        content |= {
            "got": len(selection.chosen),
            "candidates": len(selection.candidates),
            "seed": selection.candidates.seed,
            "criteria": asdict(selection.criteria),
            "dropped": {name: number for name, number in selection.counts().items() if name != VERDICTS[CHOSEN]},
            "unreadable": selection.unreadable,
            "chosen": [selection.candidates[place][0] for place in selection.chosen],
        }
    write_json(folder / "selection.json", content)
    if isinstance(selection, Selection):
        with replacing(folder / "candidates.csv.gz") as temporary:
            _write_candidates(selection.candidates, temporary)


def _measure(
    files: Iterable[tuple[str, Path]], candidates: Candidates, criteria: Criteria, n_jobs: int, total: int | None
) -> tuple[list[str], dict[str, int]]:
    """Fill `candidates`; the first unreadable ones, and how many fail each criterion. `files` is consumed once."""
    unreadable, fails = [], Counter()
    rows = track(_rounds(files, n_jobs), "measuring candidates", total)
    while part := list(islice(rows, ROUND)):
        broken = [row for _, row in part if isinstance(row, str)]
        unreadable += broken[: NAMED - len(unreadable)]
        measures = np.concatenate([np.zeros(1, MEASURES) if isinstance(row, str) else row for _, row in part])
        fails.update({name: int(mask.sum()) for name, mask in failures(measures, criteria).items()})
        candidates.add([file for file, _ in part], measures, judge(measures, criteria))
    return unreadable, dict(fails)


def _rounds(files: Iterable[tuple[str, Path]], n_jobs: int) -> Iterator[tuple[tuple[str, Path], np.ndarray | str]]:
    waiting = iter(files)
    with Parallel(n_jobs=n_jobs) as parallel:
        # Rounds instead of one endless call: what is under way is bounded, and an error of `files` comes out here.
        while part := list(islice(waiting, ROUND)):
            yield from zip(part, parallel(delayed(_row)(path) for _, path in part), strict=True)  # type: ignore[misc]


def _write_candidates(candidates: Candidates, path: Path) -> None:
    numbers = [name for name in MEASURES.names or () if name != "hash"]
    # No time stamp and no file name in the header of gzip: DVC's digest of equal lists is the same.
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as packed,
        io.TextIOWrapper(packed, "utf-8", newline="") as text,
    ):
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["name", *numbers, "hash", "score", "verdict"])
        for row in candidates.table():
            values = [f"{row[name]:.6g}" for name in numbers]
            end = [f"{row['hash']:016x}", f"{row['score']:.6f}", VERDICTS[row["verdict"]]]
            table.writerow([row["name"], *values, *end])


def _row(path: Path) -> np.ndarray | str:
    try:
        return measure_file(path)
    except SrlabError as error:
        return str(error)


def _without_twins(candidates: Candidates, wanted: int, bits: int) -> list[int]:
    """The first `wanted` places whose hash is more than `bits` from all better ones; writes their verdicts.

    Compared with the kept ones only, all at once: 3000 of them take 2 us a candidate, so that no index is needed.
    """
    kept, places = np.zeros(min(wanted, len(candidates)), np.uint64), []
    with closing(candidates.best_first()) as ranked:
        for place, picture in ranked:
            if len(places) == wanted:
                break
            if (hash_distance(kept[: len(places)], picture) <= bits).any():
                candidates.set_verdict(place, DUPLICATE)
                continue
            kept[len(places)] = picture
            places.append(place)
            candidates.set_verdict(place, CHOSEN)
    return places
