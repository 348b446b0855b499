"""What several LR frames are worth: the table and the picture of the methods that were scored on a burst."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from srlab.evaluation.metrics.catalogue import of_table
from srlab.images.files import read_image
from srlab.models.base.network import counted
from srlab.report.figures import comparison_figure, detail_window
from srlab.report.table import markdown


def section(metrics: Sequence[dict[str, Any]], protocol: str) -> str:
    """Markdown: how the frames came about, and a line per method and number of frames; "" if nothing was scored."""
    scored = [one for one in metrics if "frames" in one]
    if not scored:
        return ""
    found = scored[0]["frames"]
    burst, sets = found["burst"], next(iter(found["protocols"][protocol].values()))
    shown = of_table("fidelity")
    headings = ["Method", "Frames"]
    headings += [f"{name}: {metric.heading}" for name in sets for metric in shown.values()]
    lines = [
        [one["label"], count, *(metric.text(of[name][key]) for name in sets for key, metric in shown.items())]
        for one in scored
        for count, of in one["frames"]["protocols"][protocol].items()
    ]
    text = (
        f"{burst['num']} LR frames of every test image, each moved by another fraction of an LR pixel, blurred by a "
        f"Gaussian (sigma {burst['sigma']:g} HR px), reduced, with noise (sigma {burst['noise']:g} grey levels) and "
        f"rounded to 8 bit; {found['registration']}."
    )
    return "\n\n".join(["## Several LR frames", text, markdown(headings, lines, num_text=1)])


def picture(metrics: Sequence[dict[str, Any]], protocol: str, folder: Path, set_name: str, crop_size: int) -> Figure:
    """The image of `set_name` that `folder`/<method> holds: the original, and every method's result."""
    outputs, figures, hr = {}, {}, None
    for one in metrics:
        if "frames" not in one:
            continue
        (kept,) = (folder / one["method"] / set_name).iterdir()
        hr = read_image(kept / "original.png")
        for count, sets in one["frames"]["protocols"][protocol].items():
            label = f"{one['label']} ({counted(frame=int(count))})"
            outputs[label] = read_image(kept / f"{count}.png")
            figures[label] = sets[set_name]["images"][kept.name]
    assert hr is not None  # there is always an interpolation
    return comparison_figure(hr, outputs, figures, detail_window(hr, crop_size))
