"""The report's parts put together: reports/summary.md with its pictures."""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from srlab.degradation.pairs import PairStore
from srlab.errors import SrlabError
from srlab.files import replacing
from srlab.images.files import read_image
from srlab.report.figures import (
    WORDS,
    comparison_figure,
    detail_window,
    scores_text,
    training_curves,
    visual_figure,
)
from srlab.report.table import by_kind
from srlab.training.curves import read_history

Metrics = Mapping[str, Any]  # what `evaluation.scores.under` returns

CAPTIONS = {
    "quality_and_time": "PSNR from bicubic on, against time per output megapixel; the line is the Pareto front",
    "perception_distortion": "A perceptual index against PSNR; the line is the front",
    "family_tree": "The paper's taxonomy, and what each method reaches",
    "comparison": "One test image, and one crop of it under every method",
    "visual": "Several test images: the crop of each in which most is to be seen",
    "frames": "One test image from a single LR frame and from several",
    "training_curves": "Validation PSNR, and training loss as a share of its first value, over the epochs",
}
COLUMNS = ("bicubic", "srcnn", "espcn", "srresnet", "srgan")  # of `visual`: kinds, as `table.by_kind` knows them
NUM_ROWS = 6


def shown_image(datasets: Mapping[str, Any], pairs: Path, set_name: str | None, image: str | None) -> tuple[str, str]:
    """The test set and image of the figures: `report.figure_set` and `figure_image`, null for the first there is.

    SrlabError, with a choice, if one is not there.
    """
    sets = [name for name, one in datasets.items() if one["role"] == "test"]
    chosen = set_name or sets[0]
    if chosen not in sets:
        raise SrlabError(f"report.figure_set {chosen} is no test set: choose one of {', '.join(sets)} or null")
    images = PairStore(pairs / chosen).test
    if image and image not in images:
        raise SrlabError(f"report.figure_image {image} is not in {chosen}: choose one of {', '.join(images)} or null")
    return chosen, image or images[0]


def comparison(
    metrics: Sequence[Metrics], hr: np.ndarray, samples: Path, set_name: str, image: str, crop_size: int
) -> Figure:
    """The paper's Fig. 4 for `image` of `set_name`, uint8 (H, W, C) `hr`; the crop is where most is to be seen.

    SrlabError if the image is not among the samples that the evaluation kept.
    """
    outputs, scores = {}, {}
    for one in metrics:
        file = sample_file(samples, one["method"], set_name, image)
        outputs[one["label"]], scores[one["label"]] = read_image(file), one["datasets"][set_name]["images"][image]
    return comparison_figure(hr, outputs, scores, detail_window(hr, crop_size))


def sample_file(samples: Path, method: str, set_name: str, image: str) -> Path:
    """Where the evaluation kept a method's output for a test image; SrlabError if it did not."""
    file = samples / method / set_name / f"{image}.png"
    if not file.exists():
        raise SrlabError(f"{file} is missing: raise evaluate.num_samples in params.yaml, or choose an earlier image")
    return file


def visual(
    metrics: Sequence[Metrics], stores: Mapping[str, PairStore], samples: Path, crop_size: int
) -> dict[str, Figure]:
    """{"visual": the paper's Fig. 4 for NUM_ROWS images, the first of every set of which the evaluation kept samples}.

    Of a kind whose released weights (lines *_released) are in the run, those are shown. {} if there is no method of
    COLUMNS.
    """
    released = [one for one in metrics if one["method"].endswith("_released")]
    found = by_kind(metrics) | by_kind(released)
    shown = [found[name] for name in COLUMNS if name in found]
    of_each = ceil(NUM_ROWS / len(stores))
    listed = [(name, image) for name, store in stores.items() for image in store.test[:of_each]]
    rows = {}
    for set_name, image in listed[:NUM_ROWS]:
        files = {one["method"]: samples / one["method"] / set_name / f"{image}.png" for one in shown}
        if not all(file.exists() for file in files.values()):
            continue  # samples are kept of the first images
        hr = stores[set_name].hr(image)
        row, column, size = detail_window(hr, min(crop_size, *hr.shape[:2]))
        window = (slice(row, row + size), slice(column, column + size))
        rows[f"{set_name}: {image}"] = {"Original": (hr[window], WORDS)} | {
            one["label"]: (
                read_image(files[one["method"]])[window],
                scores_text(one["datasets"][set_name]["images"][image]),
            )
            for one in shown
        }
    return {"visual": visual_figure(rows)} if shown and rows else {}


def curves(metrics: Sequence[Metrics], folder: Path, trained: Sequence[str]) -> Figure:
    """Training curves of the methods `trained`, from `folder`/<method>/history.csv."""
    labels = {one["method"]: one["label"] for one in metrics}
    return training_curves({labels[name]: read_history(folder / name / "history.csv") for name in trained})


def training_set_note(name: str, manifest: Mapping[str, Any]) -> str:
    """How many images a training set has, how many were wanted, and which of them a test set shows."""
    got, wanted = manifest["got"], manifest["wanted"]
    missing = f"; {wanted} were wanted, {manifest['source']} has no more" if wanted and got < wanted else ""
    note = f"Training set `{name}`: {got} images (validation images among them){missing}."
    if leaks := manifest.get("leaks"):
        shown = "; ".join(f"{image} is {what}" for image, what in leaks["images"].items())
        note += f" It holds test images, allowed in words ({leaks['allowed']}): {shown}."
    return note


def set_titles(manifests: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """{set: what a heading calls it} of the sets that are known by their pixels: "Set14 mod4 (9 of 14 images)"."""
    titles = {}
    for name, manifest in manifests.items():
        if verified := manifest.get("verified"):
            complete = verified["given"] == verified["images"]
            titles[name] = f"{verified['title']} ({verified['given']} images)" if complete else verified["title"]
    return titles


def write_page(folder: Path, table: str, figures: Mapping[str, Figure]) -> None:
    """Write `folder`/figures/<name>.png and, with links to them, `folder`/summary.md; each atomically."""
    for name, figure in figures.items():
        with replacing(folder / "figures" / f"{name}.png") as temporary:
            # The version of matplotlib is left out, so that equal pictures are equal files.
            figure.savefig(temporary, format="png", metadata={"Software": None})
    pictures = [f"![{CAPTIONS[name]}](figures/{name}.png)" for name in figures]
    with replacing(folder / "summary.md") as temporary:
        temporary.write_text("\n\n".join([table.rstrip(), "## Pictures", *pictures]) + "\n", "utf-8")
