"""The N best pictures of a pool of any size: measured one by one, judged by thresholds, ranked, twins left out.

Memory does not grow with the pool but for 36 bytes of measures and 16 of order per candidate: names wait in a
temporary file, pictures are seen a few hundred at a time, and only the winners are ever copied (by the stage fetch).
"""

import csv
import gzip
import hashlib
import io
import json
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from srlab.data.selection_criteria import (
    BEYOND,
    CHOSEN,
    DUPLICATE,
    MEASURES,
    VERDICTS,
    Criteria,
    Weights,
    hash_distance,
    judge,
    measure_file,
    score,
)
from srlab.data.sources import Source
from srlab.data.verification import PixelCheck
from srlab.errors import SrlabError
from srlab.files import read_json, replacing, write_json
from srlab.progress import track

ROUND = 256  # files that are under way at a time: seconds of work, a few kB of results
NAMED = 10  # unreadable candidates that are named; all are counted


@dataclass
class Roster:
    """Names and paths of the candidates in a temporary file; in memory 16 bytes each: place and tie-break."""

    seed: int
    places: array = field(default_factory=lambda: array("Q"))
    ties: array = field(default_factory=lambda: array("Q"))

    def __post_init__(self) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the roster)

    def add(self, name: str, path: Path) -> None:
        """Append a candidate; its tie-break depends on the seed and its name, not on its place."""
        self.places.append(self.file.seek(0, 2))
        self.ties.append(int.from_bytes(hashlib.blake2b(f"{self.seed}:{name}".encode(), digest_size=8).digest(), "big"))
        self.file.write(json.dumps([name, str(path)]).encode() + b"\n")

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> tuple[str, Path]:
        self.file.seek(self.places[index])
        name, path = json.loads(self.file.readline())
        return name, Path(path)


@dataclass(frozen=True)
class Selection:
    """Result of `select`: `measures` (MEASURES), `verdicts` (uint8, places in VERDICTS) and `scores` (float64, NaN
    where a candidate was dropped), each (n,) in the order of the pool; `chosen`: places, best first."""

    roster: Roster
    measures: np.ndarray
    verdicts: np.ndarray
    scores: np.ndarray
    chosen: list[int]
    wanted: int
    unreadable: list[str]
    criteria: Criteria

    def counts(self) -> dict[str, int]:
        """Candidates by verdict; they add up to the pool."""
        return {name: int((self.verdicts == place).sum()) for place, name in enumerate(VERDICTS)}


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
        found = sorted((places[name], name, path) for name, path in candidates(self.source) if name in places)
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
    total = sum(1 for _ in candidates(source))
    return select(candidates(source), num_images, criteria, weights, seed, n_jobs, total)


def candidates(source: Source) -> Iterable[tuple[str, Path]]:
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
    candidate, if `num_images` is below 1 or if a chosen name is not unique.
    """
    if num_images < 1:
        raise SrlabError(f"num_images is {num_images}: a selection needs a number of at least 1 in params.yaml")
    roster, unreadable = Roster(seed), []
    measures = _measure(files, roster, unreadable, n_jobs, total)
    if not len(roster):
        raise SrlabError("the selection has no candidates: correct the source of the data set in conf/dataset/")
    verdicts = judge(measures, criteria)
    good = np.flatnonzero(verdicts == CHOSEN)
    scores = np.full(len(roster), np.nan)
    scores[good] = score(measures[good], weights)
    best_first = good[np.lexsort((np.frombuffer(roster.ties, np.uint64)[good], -scores[good]))]
    verdicts[good] = BEYOND
    chosen = _without_twins(best_first, measures["hash"], num_images, criteria.duplicate_bits, verdicts)
    names = [roster[place][0] for place in chosen]
    if len(set(names)) < len(names):
        raise SrlabError(f"two candidates are named {max(names, key=names.count)}: a source has to give unique names")
    if len(chosen) < num_images:
        print(f"note: {num_images} pictures were wanted, only {len(chosen)} of {len(roster)} meet the criteria")
    return Selection(roster, measures, verdicts, scores, chosen, num_images, unreadable, criteria)


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
            "candidates": len(selection.roster),
            "seed": selection.roster.seed,
            "criteria": asdict(selection.criteria),
            "dropped": {name: number for name, number in selection.counts().items() if name != VERDICTS[CHOSEN]},
            "unreadable": selection.unreadable,
            "chosen": [selection.roster[place][0] for place in selection.chosen],
        }
    write_json(folder / "selection.json", content)
    if isinstance(selection, Selection):
        with replacing(folder / "candidates.csv.gz") as temporary:
            _write_candidates(selection, temporary)


def _measure(
    files: Iterable[tuple[str, Path]], roster: Roster, unreadable: list[str], n_jobs: int, total: int | None
) -> np.ndarray:
    """MEASURES (n,) in the order of `files`, which is consumed once and never held."""
    parts = [np.zeros(0, MEASURES)]
    rows = track(_rounds(files, roster, n_jobs), "measuring candidates", total)
    while part := list(islice(rows, ROUND)):
        for row in part:
            if isinstance(row, str) and len(unreadable) < NAMED:
                unreadable.append(row)
        parts.append(np.concatenate([np.zeros(1, MEASURES) if isinstance(row, str) else row for row in part]))
    return np.concatenate(parts)


def _rounds(files: Iterable[tuple[str, Path]], roster: Roster, n_jobs: int) -> Iterator[np.ndarray | str]:
    candidates = iter(files)
    with Parallel(n_jobs=n_jobs) as parallel:
        # Rounds instead of one endless call: what is under way is bounded, and an error of `files` comes out here.
        while part := list(islice(candidates, ROUND)):
            for name, path in part:
                roster.add(name, path)
            yield from parallel(delayed(_row)(path) for _, path in part)  # type: ignore[misc]


def _write_candidates(selection: Selection, path: Path) -> None:
    numbers = [name for name in MEASURES.names or () if name != "hash"]
    # No time stamp and no file name in the header of gzip: DVC's digest of equal lists is the same.
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as packed,
        io.TextIOWrapper(packed, "utf-8", newline="") as text,
    ):
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["name", *numbers, "hash", "score", "verdict"])
        for place, row in enumerate(selection.measures):
            values = [f"{row[name]:.6g}" for name in numbers]
            score = selection.scores[place]
            end = [f"{row['hash']:016x}", f"{score:.6f}", VERDICTS[selection.verdicts[place]]]
            table.writerow([selection.roster[place][0], *values, *end])


def _row(path: Path) -> np.ndarray | str:
    try:
        return measure_file(path)
    except SrlabError as error:
        return str(error)


def _without_twins(
    best_first: np.ndarray, hashes: np.ndarray, wanted: int, bits: int, verdicts: np.ndarray
) -> list[int]:
    """The first `wanted` places whose hash is more than `bits` from all better ones; writes their verdicts.

    Compared with the kept ones only, all at once: 3000 of them take 2 us a candidate, so that no index is needed.
    """
    kept, places = np.zeros(min(wanted, len(best_first)), np.uint64), []
    for place in best_first:
        if len(places) == wanted:
            break
        if (hash_distance(kept[: len(places)], hashes[place]) <= bits).any():
            verdicts[place] = DUPLICATE
            continue
        kept[len(places)] = hashes[place]
        places.append(int(place))
        verdicts[place] = CHOSEN
    return places
