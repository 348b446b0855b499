"""The test by eye: which pairs it shows, what it hides, and the scores of its answers."""

import base64
import io
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from browser import Parsed, needs_chromium, said_by
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from srlab.cli import main
from srlab.errors import SrlabError
from srlab.images.files import write_png
from srlab.report.blind import SIDE, bradley_terry, encoded, read_answers, ring, scored, write_test

METHODS = ("bicubic", "espcn", "srgan")
IMAGES = ("baby", "bird")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two grey images of three methods: espcn differs from bicubic at the lower right, srgan from both at the top."""
    folder = tmp_path_factory.mktemp("samples")
    for image, change in zip(IMAGES, (40, 80), strict=True):
        for method in METHODS:
            pixels = np.full((200, 240, 3), 100, np.uint8)
            if method == "espcn":
                pixels[150:200, 180:240] += change
            if method == "srgan":
                pixels[0:60, 0:80] += change
            write_png(folder / method / "Set5" / f"{image}.png", pixels)
    return folder


def written(samples: Path, path: Path, num: int = 6, seed: int = 0, methods: tuple[str, ...] = ()) -> dict[str, Any]:
    """The content of the test that is written to `path`."""
    write_test(samples, methods, num, seed, path)
    found = re.search(r'id="test">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def key_of(test: dict[str, Any], folder: Path) -> list[tuple[str, str]]:
    """(left, right) of all pairs, as `read_answers` finds them where the left one was always chosen."""
    (folder / "left.json").write_text(json.dumps({"key": test["key"], "answers": [0] * len(test["pairs"])}))
    return read_answers(folder / "left.json")


def pixels_of(pair: list[str]) -> list[np.ndarray]:
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))).astype(int) for one in pair]


def test_each_crop_is_where_its_two_methods_differ_most(samples: Path, tmp_path: Path) -> None:
    test = written(samples, tmp_path / "blind.html")
    seen = []
    for pair, methods in zip(test["pairs"], key_of(test, tmp_path), strict=True):
        crops = pixels_of(pair)
        assert [crop.shape for crop in crops] == [(SIDE, SIDE, 3)] * 2
        difference = np.abs(crops[0] - crops[1])
        # The whole of a changed region, and of the two that espcn and srgan have the larger one.
        area = 60 * 80 if "srgan" in methods else 50 * 60
        assert np.count_nonzero(difference.any(axis=2)) == area
        seen.append((frozenset(methods), difference.max()))
    pairs = [frozenset(pair) for pair in (("bicubic", "espcn"), ("espcn", "srgan"), ("bicubic", "srgan"))]
    assert Counter(seen) == Counter((pair, change) for pair in pairs for change in (40, 80))


def test_the_image_that_tells_most_comes_first(samples: Path, tmp_path: Path) -> None:
    test = written(samples, tmp_path / "blind.html", num=3)
    crops = [pixels_of(pair) for pair in test["pairs"]]
    assert [int(np.abs(first - second).max()) for first, second in crops] == [80, 80, 80]


def test_no_name_can_be_read_in_the_page(samples: Path, tmp_path: Path) -> None:
    written(samples, tmp_path / "blind.html")
    text = (tmp_path / "blind.html").read_text(encoding="utf-8")
    assert not [name for name in (*METHODS, *IMAGES, "Set5") if name in text]
    parsed = Parsed(text)
    assert parsed.loads() == []
    assert all("alt" in one for tag, one in parsed.elements if tag == "img")


def test_order_and_sides_are_those_of_the_seed(samples: Path, tmp_path: Path) -> None:
    keys = [key_of(written(samples, tmp_path / "blind.html", seed=seed), tmp_path) for seed in (0, 0, 1)]
    assert keys[0] == keys[1] != keys[2]


@given(st.integers(2, 30))
def test_a_ring_has_every_pair_once_and_its_first_connect_all(num: int) -> None:
    pairs = ring(num)
    assert len(set(pairs)) == len(pairs) == num * (num - 1) // 2
    assert {one for pair in pairs[: max(num, 1)] for one in pair} == set(range(num))
    wins = np.zeros((num, num))
    for first, second in pairs[:num]:
        wins[first, second] += 1
    assert np.linalg.matrix_rank(np.diag((wins + wins.T).sum(0)) - wins - wins.T) == num - 1


@pytest.mark.parametrize(
    ("methods", "num", "message"),
    [
        ((), 7, "--pairs 7: 3 methods on 2 images allow 3 to 6"),
        ((), 2, "allow 3 to 6"),
        (("bicubic", "espcn"), 0, "allow 1 to 2"),
        (("bicubic",), 6, "of 1 methods"),
        (("bicubic", "vdsr"), 2, r"vdsr/Set5/baby\.png is missing: run `dvc repro`, or name other methods"),
    ],
)
def test_what_cannot_be_shown_is_refused(samples: Path, tmp_path: Path, methods: Any, num: int, message: str) -> None:
    with pytest.raises(SrlabError, match=message):
        write_test(samples, methods, num, 0, tmp_path / "blind.html")
    assert not (tmp_path / "blind.html").exists()


@pytest.mark.parametrize(("first", "second"), [(3, 1), (7, 7), (5, 0), (1, 400)])
def test_two_methods_score_the_log_odds_with_half_an_answer_more_on_either_side(first: int, second: int) -> None:
    scores, errors = bradley_terry(np.array([[0.0, first], [second, 0.0]]))
    odds = np.log((first + 0.5) / (second + 0.5))  # of Jeffreys' prior on a binomial share, in closed form
    np.testing.assert_allclose(scores, [odds / 2, -odds / 2], atol=1e-8)
    share = (first + 0.5) / (first + second + 1)
    information = (first + second) * share * (1 - share)
    np.testing.assert_allclose(errors, 0.5 / np.sqrt(information), rtol=1e-6)  # half of that of the difference


def test_a_published_example_is_reproduced() -> None:
    # Citations among Biometrika, Communications in Statistics, JASA and JRSS-B (Stigler 1994; Agresti 2002, p.
    # 448), scores relative to Biometrika and errors as in the vignette of R's BradleyTerry2.
    wins = np.array([[0, 730, 498, 221], [33, 0, 68, 17], [320, 813, 0, 142], [284, 276, 325, 0]], float)
    scores, errors = bradley_terry(wins)
    # There without a penalty: half an answer among hundreds shifts a score by less than a tenth of its error.
    np.testing.assert_allclose(scores[1:] - scores[0], [-2.9491, -0.4796, 0.2690], atol=0.01)
    assert scores.sum() == pytest.approx(0)
    assert (errors > 0).all()
    assert (errors < 0.10255).all()  # the largest of theirs, which are of differences


def test_a_method_that_always_won_has_a_finite_score_above_the_others() -> None:
    found = scored([("a", "b")] * 9 + [("b", "c"), ("c", "b")])
    assert found[0].method == "a"
    assert np.isfinite([number for one in found for number in (one.score, one.margin)]).all()
    assert [(one.preferred, one.shown) for one in found if one.method == "b"] == [(1, 11)]


@pytest.mark.parametrize("answers", [[], [("a", "b"), ("c", "d")]], ids=["none", "two islands"])
def test_methods_that_no_chain_of_pairs_connects_are_refused(answers: list[tuple[str, str]]) -> None:
    with pytest.raises(SrlabError, match="answers do not connect"):
        scored(answers)


KEY = encoded([["a", "b", "Set5", "baby"], ["b", "a", "Set5", "bird"]])
DAMAGED = ["", "[]", "{}", json.dumps({"key": "x", "answers": []}), json.dumps({"key": KEY, "answers": [1]})]
DAMAGED += [json.dumps({"key": KEY, "answers": [0, 2]}), json.dumps({"key": KEY, "answers": [0, [1]]})]


@pytest.mark.parametrize("content", DAMAGED)
def test_what_holds_no_answers_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(SrlabError, match=r"a\.json holds no answers of a blind test"):
        read_answers(tmp_path / "a.json")


def test_the_command_writes_a_test_and_scores_the_answers_of_several(
    samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["blind", "--samples", str(samples), "--pairs", "6", "-o", str(tmp_path / "t.html")])
    assert capsys.readouterr().out == f"{tmp_path}/t.html: 6 pairs from 2 images; then srlab blind score answers.json\n"
    for name, answers in (("one", [0, 1]), ("two", [0, None])):
        (tmp_path / f"{name}.json").write_text(json.dumps({"key": KEY, "answers": answers}))
    main(["blind", "score", str(tmp_path / "one.json"), str(tmp_path / "two.json")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:4] for line in lines[1:]] == [["a", "3", "of", "3"], ["b", "0", "of", "3"]]
    with pytest.raises(SystemExit, match=r"error: .*nowhere\.json cannot be read: No such file"):
        main(["blind", "score", str(tmp_path / "nowhere.json")])


@needs_chromium
def test_in_a_browser_keys_and_presses_answer_and_the_answers_can_be_scored(samples: Path, tmp_path: Path) -> None:
    test = written(samples, tmp_path / "blind.html")
    script = """
        const sides = document.querySelectorAll("#pair button");
        const key = (name) => document.dispatchEvent(new KeyboardEvent("keydown", { key: name }));
        sides[1].click(); key("ArrowLeft"); sides[0].click();
        document.getElementById("back").click();
        for (const name of ["ArrowRight", "ArrowRight", "Enter", "ArrowLeft", "ArrowLeft", "ArrowLeft"]) key(name);
        return { file: document.getElementById("save").href, said: document.getElementById("count").textContent };
    """
    found = said_by(tmp_path / "blind.html", script, tmp_path)
    assert found["said"].startswith("That was the last pair")
    (tmp_path / "answers.json").write_text(unquote(found["file"]).removeprefix("data:application/json,"))
    chosen = zip(key_of(test, tmp_path), [1, 0, 1, 1, 0, 0], strict=True)
    assert read_answers(tmp_path / "answers.json") == [(pair[one], pair[1 - one]) for pair, one in chosen]
