"""What the pictures of a sweep have in common: paper, a legend below, a sentence in place of a picture."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from srlab.report.figures import FAINT


def sheet(width: float, height: float) -> Figure:
    """A white figure, sides in inches, without pyplot: no global state, no window, no leak."""
    return Figure(figsize=(width, height), dpi=150, facecolor="white", layout="constrained")


def words(text: str) -> Figure:
    """A figure that says why there is no picture."""
    figure = sheet(9, 1.6)
    figure.text(0.5, 0.5, text, ha="center", va="center", color=FAINT, fontsize=12)
    return figure


def legend_below(figure: Figure, axes: Axes) -> None:
    """The labels of `axes`, in one row below everything."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
