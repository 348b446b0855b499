"""A test by eye: two crops of one place by two methods, names hidden, and what the answers say of the methods."""

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from srlab.errors import SrlabError
from srlab.files import read_json, replacing

SIDE = 128  # px of a crop
QUANTILE = 1.96  # of the normal distribution, for 95 %
Key = list[list[str]]  # the methods left and right, and the set and the image, of each pair


@dataclass(frozen=True)
class Scored:
    """A method's Bradley-Terry score (log odds against the mean of all, 0) and the half width of its 95 % interval.

    `preferred` of the `shown` pairs that it was in.
    """

    method: str
    preferred: int
    shown: int
    score: float
    margin: float

    def __str__(self) -> str:
        low, high = self.score - self.margin, self.score + self.margin
        return f"{self.method:24} {self.preferred:4} of {self.shown:4}  {self.score:+6.2f}  [{low:+6.2f}, {high:+6.2f}]"


def write_test(samples: Path, methods: Sequence[str], num_pairs: int, seed: int, path: Path) -> int:
    """Write the page of a test of `num_pairs` pairs to `path`, atomically; how many images there were to choose from.

    `samples` is the folder reports/samples; without `methods` all in it take part. Every method meets its neighbours in
    a ring first, so that all can be compared with all, then those two apart, and so on. A pair is shown where it
    differs most: in the image, and there in the square of SIDE px, of the largest mean difference; next time in another
    image. Order and sides are drawn from `seed`. SrlabError if samples are missing or too few.
    """
    from srlab.images.files import read_image
    from srlab.report.offline import page_of, webp  # imports torch

    methods = list(methods) or sorted(one.name for one in samples.glob("*") if one.is_dir())
    files = sorted({file.relative_to(samples / one) for one in methods for file in (samples / one).glob("*/*.png")})
    if len(methods) < 2 or not files:
        raise SrlabError(f"{samples} holds {len(files)} images of {len(methods)} methods: run `dvc repro`, or name two")
    for file in (samples / one / file for one in methods for file in files):
        if not file.exists():
            raise SrlabError(f"{file} is missing: run `dvc repro`, or name other methods with --methods")
    meetings = ring(len(methods))
    most, least = len(meetings) * len(files), len(methods) if len(methods) > 2 else 1
    if not least <= num_pairs <= most:
        raise SrlabError(f"--pairs {num_pairs}: {len(methods)} methods on {len(files)} images allow {least} to {most}")
    places: dict[tuple[int, int], list[Any]] = {pair: [] for pair in meetings}
    for file in files:  # one by one: all of them would fill the memory
        images = [read_image(samples / one / file).astype(np.int64) for one in methods]
        for first, second in meetings:
            places[first, second].append((*_most_different(images[first], images[second]), file))
    for found in places.values():
        found.sort(key=lambda one: -one[0])
    shown = [(pair, places[pair][turn][1:]) for turn in range(len(files)) for pair in meetings][:num_pairs]
    random = np.random.default_rng(seed)
    pairs, key = [], []
    for number in random.permutation(len(shown)):
        pair, (rows, columns, file) = shown[number]
        sides = random.permutation(pair)
        outputs = [read_image(samples / methods[side] / file)[rows, columns] for side in sides]
        pairs.append([webp(pixels, lossless=True) for pixels in outputs])
        key.append([*(methods[side] for side in sides), file.parent.name, file.stem])
    with replacing(path) as temporary:
        temporary.write_text(page_of("blind.html", test={"key": encoded(key), "pairs": pairs}), "utf-8")
    return len(files)


def ring(num: int) -> list[tuple[int, int]]:
    """All pairs of `num` methods: neighbours in a ring first, then those two apart, and so on; each method as often."""
    pairs = [(one, (one + apart) % num) for apart in range(1, num // 2 + 1) for one in range(num)]
    return list(dict.fromkeys((min(pair), max(pair)) for pair in pairs))


def _most_different(first: np.ndarray, second: np.ndarray) -> tuple[float, slice, slice]:
    """Mean absolute difference, rows and columns of the square of SIDE px where two images (H, W, C) differ most."""
    from srlab.report.figures import window_sums

    side = min(SIDE, *first.shape[:2])
    sums = window_sums(np.abs(first - second).sum(axis=2), side)
    row, column = (int(place) for place in np.unravel_index(int(sums.argmax()), sums.shape))
    mean = float(sums[row, column]) / (side * side * first.shape[2])
    return mean, slice(row, row + side), slice(column, column + side)


def encoded(key: Key) -> str:
    """The key as text that nobody reads by accident (it is no secret from somebody who wants to know)."""
    return base64.b64encode(zlib.compress(json.dumps(key).encode(), 9)).decode()


def read_answers(file: Path) -> list[tuple[str, str]]:
    """(preferred method, the other one) of every pair that was answered in a file which the page of a test saved.

    SrlabError, naming the file, if it is none.
    """
    try:
        content = read_json(file)
        key = json.loads(zlib.decompress(base64.b64decode(content["key"], validate=True)))
        if not {*content["answers"]} <= {0, 1, None}:
            raise ValueError
        pairs = [(pair, one) for pair, one in zip(key, content["answers"], strict=True) if one is not None]
        return [(pair[one], pair[1 - one]) for pair, one in pairs]
    except OSError as error:
        raise SrlabError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, IndexError, zlib.error) as error:
        raise SrlabError(
            f"{file} holds no answers of a blind test: save them again from the end of its page"
        ) from error


def scored(answers: Sequence[tuple[str, str]]) -> list[Scored]:
    """Every method of (preferred, other) `answers`, the best first.

    SrlabError if there are none, or methods that no chain of pairs connects, which have no common scale.
    """
    methods = sorted({method for pair in answers for method in pair})
    wins = np.zeros((len(methods), len(methods)))
    for pair in answers:
        wins[methods.index(pair[0]), methods.index(pair[1])] += 1
    laplacian = np.diag((wins + wins.T).sum(axis=0)) - wins - wins.T
    if len(methods) < 2 or np.linalg.matrix_rank(laplacian) < len(methods) - 1:
        raise SrlabError(f"the {len(answers)} answers do not connect {len(methods)} methods: answer more of the pairs")
    scores, errors = bradley_terry(wins)
    won, shown = wins.sum(axis=1).astype(int), (wins + wins.T).sum(axis=1).astype(int)
    found = zip(methods, won.tolist(), shown.tolist(), scores.tolist(), (QUANTILE * errors).tolist(), strict=True)
    return sorted((Scored(*one) for one in found), key=lambda one: -one.score)


def bradley_terry(wins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores (N,) that sum to 0 and their standard errors, where `wins` (N, N) says how often row beat column.

    P(i beats j) = 1 / (1 + exp(score_j - score_i)) (Bradley and Terry 1952), by maximum likelihood with Firth's penalty
    ("Bias reduction of maximum likelihood estimates", Biometrika 1993): half a win more on either side where there are
    two methods, and finite scores also for one that always won. Errors are of the inverse Fisher information.
    """
    pairs = [(i, j) for i, j in combinations(range(len(wins)), 2) if wins[i, j] + wins[j, i]]
    design = np.zeros((len(pairs), len(wins)))
    for row, (i, j) in enumerate(pairs):
        design[row, i], design[row, j] = 1, -1
    won = np.array([wins[i, j] for i, j in pairs])
    num = np.array([wins[i, j] + wins[j, i] for i, j in pairs])
    scores = np.zeros(len(wins))
    while True:
        chance = 1 / (1 + np.exp(-design @ scores))
        weights = num * chance * (1 - chance)
        covariance = np.linalg.pinv(design.T * weights @ design)
        leverage = weights * ((design @ covariance) * design).sum(axis=1)
        step = covariance @ design.T @ (won - num * chance + leverage * (0.5 - chance))
        scores += step.clip(-1, 1)  # Newton's steps overshoot where a method always won
        if np.abs(step).max() < 1e-9:
            return scores - scores.mean(), np.sqrt(np.diag(covariance))
