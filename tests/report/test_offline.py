"""The page that needs no network: what it holds, and what it does in a browser."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Parsed, needs_chromium, said_by
from matplotlib.figure import Figure
from PIL import Image
from stores import packed

from srlab.errors import SrlabError
from srlab.evaluation.metrics.catalogue import METRICS
from srlab.images.files import write_png
from srlab.report.offline import (
    BUDGET,
    PER_PIXEL,
    about,
    crop_side,
    difference_map,
    gallery,
    write_offline_page,
)
from srlab.report.page import write_page

LABELS = ["Bicubic", "A+ <b>", "SRGAN (4 blocks)"]  # nothing in a label is HTML
READING = {"psnr": 20.5, "ssim": 0.7, "known": {"set": "zone plate", "protocol": "modern", "method": "bicubic"}}
READING["known"] |= {"psnr": 20.5, "ssim": 0.7, "by": "computed", "source": "elsewhere"}
TABLE = """# Super-resolution x2: results

| Method | PSNR (dB) | ms |
| --- | ---: | ---: |
| Bicubic | 28.42 | 2.1 |
| A+ <b> | **30.28** | 1,310 |
| SRGAN | 9.50 | – |

## Notes

- a note
"""


def image(seed: int, height: int = 60, width: int = 70) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Three methods on two images of the set `mine`, of whose outputs a sample was kept."""
    folder = tmp_path_factory.mktemp("inputs")
    store = packed(folder, {"bird": image(0), "cat": image(1)}, "test")
    store.folder.parent.joinpath("stores").mkdir()
    store.folder.rename(folder / "stores/mine")
    metrics = []
    for index, label in enumerate(LABELS):
        scores = {name: dict.fromkeys(METRICS, 0.0) | {"psnr": 20.0 + index, "ssim": 0.5} for name in ("bird", "cat")}
        metrics.append({"method": f"m{index}", "label": label, "datasets": {"mine": {"images": scores}}})
        for number, name in enumerate(scores):
            output = np.clip(image(number).astype(int) + 5 * index, 0, 255).astype(np.uint8)
            write_png(folder / f"samples/m{index}/mine/{name}.png", output)
    metrics[0]["readings"] = [READING]
    (folder / "sheets/mine").mkdir(parents=True)
    write_png(folder / "sheets/mine/criteria.png", image(2))
    sheet = "# Selection of `mine`\n\n![Histograms](criteria.png)\n"
    (folder / "sheets/mine/selection.md").write_text(sheet, encoding="utf-8")
    return {"folder": folder, "metrics": metrics, "page": written(folder, metrics, folder / "one")}


def shown(folder: Path, metrics: list[Any]) -> dict[str, Any]:
    return gallery(metrics, folder / "stores", folder / "samples", 16)


def written(folder: Path, metrics: list[Any], output: Path) -> Path:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2])
    write_page(output, TABLE, {"family_tree": figure})
    manifests = {
        "mine": {"source": "Folder(<x>)", "got": 2, "images": {"bird": {"sha256": "0"}, "cat": {"sha256": "1"}}}
    }
    write_offline_page(
        output, shown(folder, metrics), about(metrics, manifests, folder / "sheets", {"models": {"espcn": {"lr": 0.5}}})
    )
    return output / "index.html"


@pytest.fixture(scope="module")
def parsed(inputs: dict[str, Any]) -> Parsed:
    return Parsed(inputs["page"].read_text(encoding="utf-8"))


def test_the_page_is_whole_and_loads_nothing(parsed: Parsed) -> None:
    assert parsed.title == "Super-resolution x2: results"
    assert parsed.loads() == []
    policy = [one["content"] for tag, one in parsed.elements if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy[0] is not None
    assert policy[0].startswith("default-src 'none'; img-src data:;")


def test_every_picture_has_a_text_and_every_field_a_name(parsed: Parsed) -> None:
    pictures = [one for tag, one in parsed.elements if tag == "img"]
    assert all("alt" in one for one in pictures)
    assert [one["alt"] for one in pictures if one.get("src")] == [
        "The paper's taxonomy, and what each method reaches",
        "Histograms",
    ]
    assert [one["type"] for tag, one in parsed.elements if tag == "input" and one.get("aria-label")] == ["range"]


def test_it_holds_summary_figures_sheets_the_ruler_and_the_way_back(parsed: Parsed) -> None:
    words = "".join(parsed.words)
    for text in ("a note", "Selection of mine", "zone plate", "Folder(<x>)", "make repro", "A+ <b>", "lr: 0.5"):
        assert text in words


def test_the_same_inputs_give_the_same_bytes(inputs: dict[str, Any], tmp_path: Path) -> None:
    again = written(inputs["folder"], inputs["metrics"], tmp_path)
    assert again.read_bytes() == inputs["page"].read_bytes()


def decoded(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def test_the_gallery_has_the_same_crop_of_all_and_their_scores(inputs: dict[str, Any]) -> None:
    found = shown(inputs["folder"], inputs["metrics"])
    assert found["names"] == ["Original", *LABELS]
    assert [one["title"] for one in found["images"]] == ["mine: bird", "mine: cat"]
    for one in found["images"]:
        assert [decoded(crop).shape for crop in one["crops"]] == [(60, 60, 3)] * 4
        assert [decoded(crop).shape[:2] for crop in one["maps"]] == [(30, 30)] * 4
        assert one["scores"][0] == ""
        for index, text in enumerate(one["scores"][1:]):
            assert text.startswith(f"PSNR {20 + index}.00 dB, SSIM 0.5000")
            assert [metric.label in text for metric in METRICS.values()] == [True] * len(METRICS)
        assert all(0 <= corner <= 1 - one["detail"][2] for corner in one["detail"][:2])
        assert one["detail"][2] == 16 / 60


def test_a_difference_map_is_four_times_the_mean_difference() -> None:
    hr = np.full((40, 41, 3), 100, np.uint8)
    sr = hr.copy()
    sr[:, 20:] += 15
    found = decoded(difference_map(sr, hr))[..., 0].astype(int)
    assert found.shape == (20, 20)
    assert abs(found[:, :8]).max() <= 3  # WebP is not exact
    assert abs(found[:, 12:] - 60).max() <= 3


@pytest.mark.parametrize(("num", "side"), [(0, 400), (10, 400), (312, 265), (10_000, 46)])
def test_more_crops_are_smaller_crops(num: int, side: int) -> None:
    assert crop_side(num) == side
    assert num * side**2 * PER_PIXEL <= BUDGET


def test_a_missing_sample_is_named(inputs: dict[str, Any]) -> None:
    stranger = inputs["metrics"][0] | {"method": "stranger"}
    with pytest.raises(SrlabError, match=r"stranger/mine/bird\.png is missing: raise evaluate\.num_samples"):
        shown(inputs["folder"], [*inputs["metrics"], stranger])


# --- In a browser


@needs_chromium
def test_in_a_browser(inputs: dict[str, Any], tmp_path: Path) -> None:
    script = """
        const column = (index) => [...document.querySelectorAll("tbody")][0].rows[0].cells[index].textContent;
        const headings = [...document.querySelectorAll("thead")][0].rows[0].cells;
        const sorted = [];
        for (const index of [1, 1, 2, 2, 0]) {
            headings[index].firstChild.click();
            sorted.push([headings[index].getAttribute("aria-sort"), column(0)]);
        }
        const range = document.getElementById("share");
        range.value = 20;
        range.dispatchEvent(new Event("input"));
        const clip = document.getElementById("over").style.clipPath;
        const over = document.getElementById("over");
        const before = over.src;
        document.getElementById("difference").click();
        const tiles = document.querySelectorAll("#tiles button");
        tiles[2].click();
        const main = document.querySelector("main");
        main.style.width = "328px";  // of a phone, 360 px wide; Chromium's windows are 500 px wide at least
        return {
            sorted, clip, alt: over.alt, changed: before !== over.src, tiles: tiles.length,
            left: document.getElementById("left-scores").textContent,
            right: document.getElementById("right-scores").textContent,
            pressed: [...document.querySelectorAll("#tiles button")].map((one) => one.getAttribute("aria-pressed")),
            focused: document.activeElement.textContent,
            fetched: performance.getEntriesByType("resource").filter((one) => !one.name.startsWith("data:")).length,
            width: main.scrollWidth,
        };
    """
    found = said_by(inputs["page"], script, tmp_path)
    assert found["sorted"] == [
        ["descending", "A+ <b>"],
        ["ascending", "SRGAN"],
        ["descending", "A+ <b>"],  # 1,310 is a number, and what has none stands last
        ["ascending", "Bicubic"],
        ["descending", "SRGAN"],
    ]
    assert found["clip"] == "inset(0px 80% 0px 0px)"
    assert found["alt"] == "difference of the original and Bicubic, mine: bird"
    assert found["changed"]
    assert found["tiles"] == 4
    assert found["left"].startswith("Bicubic: PSNR 20.00 dB, SSIM 0.5000")
    assert found["right"] == found["focused"]
    assert found["right"].startswith("A+ <b>: PSNR 21.00 dB, SSIM 0.5000")
    assert found["pressed"] == ["false", "false", "true", "false"]
    assert found["fetched"] == 0
    assert found["width"] == 328  # what is wider scrolls by itself
