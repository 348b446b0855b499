"""The report's parts put together: reports/summary.md with its pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from srlab.data.images import read_image
from srlab.data.pairs import PairStore
from srlab.errors import SrlabError
from srlab.files import replacing
from srlab.report.figures import comparison_figure, detail_window, training_curves
from srlab.training.curves import read_history

Metrics = Mapping[str, Any]

CAPTIONS = {
    "comparison": "One test image, and one crop of it under every method",
    "training_curves": "Validation PSNR and training loss over the epochs",
}


def comparison(metrics: Sequence[Metrics], store: PairStore, samples: Path, figure: Mapping[str, Any]) -> Figure:
    """The paper's Fig. 4 for test image `figure_image` of set `figure_set`; the crop is where most is to be seen.

    SrlabError if the image is not among the samples that the evaluation kept.
    """
    set_name, image = figure["figure_set"], figure["figure_image"]
    if image not in store.test:
        raise SrlabError(f"report.figure_image {image} is not in {set_name}: choose one of {', '.join(store.test)}")
    hr = store.hr(image)
    outputs, scores = {}, {}
    for one in metrics:
        file = samples / one["method"] / set_name / f"{image}.png"
        if not file.exists():
            raise SrlabError(
                f"{file} is missing: raise evaluate.num_samples in params.yaml, or choose an earlier image"
            )
        found = one["datasets"][set_name]["images"][image]
        outputs[one["label"]], scores[one["label"]] = read_image(file), (found["psnr"], found["ssim"])
    return comparison_figure(hr, outputs, scores, detail_window(hr, int(figure["crop_size"])))


def curves(metrics: Sequence[Metrics], folder: Path, trained: Sequence[str]) -> Figure:
    """Training curves of the methods `trained`, from `folder`/<method>/history.csv."""
    labels = {one["method"]: one["label"] for one in metrics}
    return training_curves({labels[name]: read_history(folder / name / "history.csv") for name in trained})


def training_set_note(name: str, manifest: Mapping[str, Any]) -> str:
    """How many images the models learned from, and how many were wanted."""
    got, wanted = manifest["got"], manifest["wanted"]
    missing = f"; {wanted} were wanted, {manifest['source']} has no more" if wanted and got < wanted else ""
    return f"Trained on `{name}`: {got} images (validation images among them){missing}."


def write_page(folder: Path, table: str, figures: Mapping[str, Figure]) -> None:
    """Write `folder`/figures/<name>.png and, with links to them, `folder`/summary.md; each atomically."""
    for name, figure in figures.items():
        with replacing(folder / "figures" / f"{name}.png") as temporary:
            # The version of matplotlib is left out, so that equal pictures are equal files.
            figure.savefig(temporary, format="png", metadata={"Software": None})
    pictures = [f"![{CAPTIONS[name]}](figures/{name}.png)" for name in figures]
    with replacing(folder / "summary.md") as temporary:
        temporary.write_text("\n\n".join([table.rstrip(), "## Pictures", *pictures]) + "\n")
