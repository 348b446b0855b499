"""What several LR frames are worth: the table and the picture of the stage `frames`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from srlab.evaluation.metrics.catalogue import METRICS
from srlab.images.files import read_image
from srlab.report.figures import comparison_figure, detail_window
from srlab.report.table import markdown

Scores = Mapping[str, Any]  # what `evaluation.frames.compare` returns


def section(scores: Scores) -> str:
    """Markdown: how the frames came about, and a line per method and number of frames."""
    burst = scores["burst"]
    sets = scores["results"][0]["datasets"]
    headings = ["Method", "Frames"]
    headings += [f"{name}: {metric.heading}" for name in sets for metric in METRICS.values()]
    lines = []
    for one in scores["results"]:
        figures = [metric.text(one["datasets"][name][key]) for name in sets for key, metric in METRICS.items()]
        lines.append([one["label"], str(one["frames"]), *figures])
    text = (
        f"{burst['num']} LR frames of every test image, each moved by another fraction of an LR pixel, blurred by a "
        f"Gaussian (sigma {burst['sigma']:g} HR px), reduced x{scores['scale']}, with noise (sigma {burst['noise']:g} "
        f"grey levels) and rounded to 8 bit; {scores['registration']}."
    )
    return "\n\n".join(["## Several LR frames", text, markdown(headings, lines, num_text=1)])


def picture(scores: Scores, folder: Path, set_name: str, crop_size: int) -> Figure:
    """The image of `set_name` that the stage kept in `folder`: the original, and every result."""
    (kept,) = (folder / set_name).iterdir()
    hr = read_image(kept / "original.png")
    outputs, figures = {}, {}
    for one in scores["results"]:
        label = f"{one['label']} ({one['frames']} frame{'s' if one['frames'] > 1 else ''})"
        outputs[label] = read_image(kept / f"{one['method']}_{one['frames']}.png")
        figures[label] = one["datasets"][set_name]["images"][kept.name]
    return comparison_figure(hr, outputs, figures, detail_window(hr, crop_size))
