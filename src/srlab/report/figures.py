"""The comparison as pictures. Figures are built without pyplot: no global state, no window, no leak."""

import textwrap
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from srlab.errors import SrlabError
from srlab.evaluation.metrics.catalogue import METRICS

CAPTIONED = ("psnr", "ssim")  # the metrics below a picture
WORDS = " / ".join(METRICS[key].label for key in CAPTIONED)

Crop = tuple[int, int, int]  # top row, left column, side, in pixels
History = Sequence[Mapping[str, Any]]  # one mapping per epoch

WIDTH, LINE = 25, 11.5  # characters of a caption's line, points from one to the next
ACCENT, HALO = "#ffd400", "#202020"  # frame of the crop: the pair shows on every photo
INK, FAINT = "#1a1a1a", "#6b6b6b"
# Okabe and Ito's eight colours, told apart by colour-blind readers; yellow darkened to show on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#b8a900")


def detail_window(image: np.ndarray, size: int) -> Crop:
    """(row, column, size) of the square of `size` px with the most visible structure in a uint8 image (H, W, C).

    Structure is gradient energy after a 3x3 box: edges and lettering rather than grain, fur or grass, in which every
    method looks alike. A frame of half a window stays out where the image has room for it: no score counts borders.
    The first of equals in reading order is taken, and sums are integers: one image gives one crop on every machine.
    SrlabError if the window does not fit.
    """
    height, width = image.shape[:2]
    if not 1 <= size <= min(height, width):
        raise SrlabError(f"a crop of {size} px does not fit in an image of {width}x{height} px: choose a smaller one")
    grey = window_sums(np.pad(image.astype(np.int64).sum(axis=2), 1, mode="edge"), 3)
    energy = np.zeros_like(grey)
    energy[:-1] += np.diff(grey, axis=0) ** 2
    energy[:, :-1] += np.diff(grey, axis=1) ** 2
    sums = window_sums(energy, size)
    top, left = (min(size // 2, (side - size) // 2) for side in (height, width))
    inner = sums[top : sums.shape[0] - top, left : sums.shape[1] - left]
    row, column = np.unravel_index(int(inner.argmax()), inner.shape)
    return int(row) + top, int(column) + left, size


def comparison_figure(
    hr: np.ndarray,
    samples: Mapping[str, np.ndarray],
    scores: Mapping[str, Mapping[str, float]],
    crop: Crop,
) -> Figure:
    """One image under every method, like the paper's Fig. 4: the original, and one crop of it and of each output.

    `hr` and the `samples` (by label) are uint8 (H, W, C) of one size, `scores` {metric: value} by the same labels;
    `crop` is a `detail_window`. Crops are enlarged by pixel replication: smoothing would hide what is compared.
    SrlabError if sizes differ.
    """
    for label, sample in samples.items():
        if sample.shape != hr.shape:
            raise SrlabError(f"{label}: the sample is {sample.shape}, the original {hr.shape}: run `dvc repro`")
    row, column, size = crop
    psnrs = {label: METRICS["psnr"].text(scores[label]["psnr"]) for label in samples}
    best = max(psnrs.values(), key=float, default="")
    tiles = [("Original", hr, WORDS, False)]
    for label, sample in samples.items():
        tiles.append((label, sample, scores_text(scores[label]), psnrs[label] == best))
    num_lines = max(len(_label_lines(label)) for label, *_ in tiles)
    figure, overview, places = _overview_and_tiles(len(tiles), hr.shape[1] / hr.shape[0], num_lines)
    _show(overview, hr, frame=False)
    overview.add_patch(Rectangle((column - 0.5, row - 0.5), size, size, fill=False, edgecolor=HALO, linewidth=3.8))
    overview.add_patch(Rectangle((column - 0.5, row - 0.5), size, size, fill=False, edgecolor=ACCENT, linewidth=2))
    for axes, (label, pixels, caption, is_best) in zip(places, tiles, strict=True):
        _show(axes, pixels[row : row + size, column : column + size], frame=axes is places[0])
        _caption(axes, label, caption, is_best)
    return figure


def scores_text(scores: Mapping[str, float]) -> str:
    """As in "28.42 dB / 0.8102"."""
    return " / ".join(f"{METRICS[key].text(scores[key])} {METRICS[key].unit}".strip() for key in CAPTIONED)


def visual_figure(rows: Mapping[str, Mapping[str, tuple[np.ndarray, str]]]) -> Figure:
    """Several images as in the paper's Fig. 4: {image: {label: (uint8 crop (h, w, C), caption)}}, labels alike.

    A row per image, a column per label. Crops are enlarged by pixel replication.
    """
    side, gap, caption, left_margin = 1.75, 0.1, 0.22, 0.3  # inches
    labels = list(next(iter(rows.values())))
    top_margin = (LINE * max(len(_label_lines(label)) for label in labels) + 8) / 72
    width, height = left_margin + len(labels) * (side + gap), top_margin + len(rows) * (side + caption)
    figure = Figure(figsize=(width, height), dpi=150, facecolor="white")
    for down, (image, crops) in enumerate(rows.items()):
        for right, label in enumerate(labels):
            left, top = left_margin + right * (side + gap), top_margin + down * (side + caption)
            axes = figure.add_axes((left / width, 1 - (top + side) / height, side / width, side / height))
            _show(axes, crops[label][0], frame=False)
            axes.set_xlabel(crops[label][1], fontsize=7.5, color=FAINT, labelpad=2)
            axes.set_title("\n".join(_label_lines(label)) if down == 0 else "", fontsize=8.5, color=INK, pad=4)
            axes.set_ylabel(image if right == 0 else "", fontsize=8.5, color=INK, labelpad=3)
    return figure


def training_curves(histories: Mapping[str, History]) -> Figure:
    """Validation PSNR in dB and training loss over epochs, one colour per model, the epoch of best PSNR marked.

    Losses are of different units (MSE, sums over a patch, a GAN's): each is drawn as a share of its first value. That
    axis is logarithmic where the shares span a factor of ten or more.

    Rows are mappings with "epoch", "train/loss" and "val/psnr"; an epoch without validation may leave the latter out.
    Without any history the figure says so: a profile may hold classical methods only.
    """
    figure = Figure(figsize=(10, 3.9), dpi=150, facecolor="white", layout="constrained")
    if not any(histories.values()):
        figure.text(0.5, 0.5, "no model was trained", ha="center", va="center", color=FAINT, fontsize=12)
        return figure
    quality, loss = figure.subplots(1, 2)
    for index, (label, history) in enumerate(histories.items()):
        style: dict[str, Any] = {
            "color": COLOURS[index % len(COLOURS)],
            "linestyle": "--" if index >= len(COLOURS) else "-",
            "linewidth": 1.6,
            "marker": "o" if len(history) < 3 else None,
            "markersize": 3,
        }
        epochs, values = _series(history, "val/psnr")
        name = label
        if values:
            best = int(np.argmax(values))
            name = f"{label}: {values[best]:.2f} dB at epoch {epochs[best]}"
            dot = {"color": style["color"], "markersize": 6, "markeredgecolor": "white", "zorder": 3}
            quality.plot(epochs[best], values[best], "o", **dot)
        quality.plot(epochs, values, label=name, **style)
        epochs, losses = _series(history, "train/loss")
        loss.plot(epochs, [value / losses[0] for value in losses], **style)
    shares = [value for line in loss.lines for value in np.asarray(line.get_ydata()).tolist()]
    if shares and min(shares) > 0 and max(shares) / min(shares) >= 10:  # below a decade log ticks cannot be read
        loss.set_yscale("log")
    for axes, title in ((quality, "Validation PSNR (dB)"), (loss, "Training loss, as a share of that of epoch 0")):
        _tidy(axes, title)
    _legend_below(figure, quality)
    return figure


def _overview_and_tiles(num_tiles: int, aspect: float, num_lines: int) -> tuple[Figure, Axes, list[Axes]]:
    """An overview on the left, beside it a grid of square tiles of the same total height, captions below."""
    side, gap, margin = 1.75, 0.14, 0.12  # inches, as all that follows
    caption = (12 + LINE * num_lines + 5) / 72  # lines of a label, then the scores
    # Two rows up to 8 tiles keep the picture wide and low; 9 tiles (8 methods) fill three rows of three.
    num_rows = 1 if num_tiles <= 2 else 2 if num_tiles <= 8 else 3 if num_tiles <= 15 else 4
    num_columns = ceil(num_tiles / num_rows)
    # Beside four rows the overview takes two: as high as them all it would be most of the picture.
    overview_height = (2 if num_rows > 3 else num_rows) * (side + caption) - caption
    overview_width = overview_height * aspect
    across = overview_width + num_columns * (side + gap) + 2 * margin
    down = num_rows * (side + caption) + margin
    figure = Figure(figsize=(across, down), dpi=150, facecolor="white")

    def axes(left: float, top: float, width: float, height: float) -> Axes:
        return figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))

    overview = axes(margin, margin, overview_width, overview_height)
    left = margin + overview_width + gap
    places = [divmod(index, num_columns) for index in range(num_tiles)]
    tiles = [axes(left + column * (side + gap), margin + row * (side + caption), side, side) for row, column in places]
    return figure, overview, tiles


def window_sums(values: np.ndarray, size: int) -> np.ndarray:
    """Sums over all size x size windows inside an integer array, by a summed-area table (Crow 1984)."""
    table = np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    return table[size:, size:] - table[:-size, size:] - table[size:, :-size] + table[:-size, :-size]


def _show(axes: Axes, pixels: np.ndarray, frame: bool) -> None:
    image = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    axes.imshow(image, cmap="grey", vmin=0, vmax=255, interpolation="nearest", aspect="equal")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=frame, edgecolor=ACCENT, linewidth=2)


def _caption(axes: Axes, label: str, text: str, is_best: bool) -> None:
    weight = "bold" if is_best else "normal"
    faint = INK if is_best else FAINT
    lines = [(line, 8.5, INK) for line in _label_lines(label)] + [(text, 8, faint)]
    for index, (line, size, colour) in enumerate(lines):
        below = -12 - LINE * index  # points from the tile to the line's baseline
        style = {"ha": "center", "va": "baseline", "fontsize": size, "color": colour, "weight": weight}
        axes.annotate(line, (0.5, 0), (0, below), "axes fraction", "offset points", **style)


def _label_lines(label: str) -> list[str]:
    """Lines that fit below a tile; remarks in brackets go below the name, whole ones where they fit."""
    if len(label) <= WIDTH:
        return [label]
    name, bracket, remarks = label.partition(" (")
    whole = ", ".join(remark.replace(" ", "\N{NO-BREAK SPACE}") for remark in f"{bracket[1:]}{remarks}".split(", "))
    lines = [line for text in (name, whole) for line in textwrap.wrap(text, WIDTH)]
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _series(history: History, key: str) -> tuple[list[int], list[float]]:
    """Epochs and values of the rows that hold `key` (validation may not run at every epoch)."""
    held = [row for row in history if key in row and row[key] is not None]
    return [int(row["epoch"]) for row in held], [float(row[key]) for row in held]


def _legend_below(figure: Figure, axes: Axes) -> None:
    handles, names = axes.get_legend_handles_labels()
    num_columns = max(1, min(3, 130 // max(len(name) + 8 for name in names)))  # 130 characters fill the width
    figure.legend(handles, names, loc="outside lower center", ncols=num_columns, frameon=False, fontsize=9)


def _tidy(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10.5, color=INK)
    axes.set_xlabel("epoch", fontsize=9, color=FAINT)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(which="both", labelsize=8.5, colors=FAINT, length=3)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b0b0b0")
