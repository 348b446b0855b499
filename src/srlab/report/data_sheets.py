"""How a training set came about, for people: what was dropped and why, what was chosen, what it looks like."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont, ImageOps

from srlab.datasets.candidates import Candidates
from srlab.datasets.selection import Selection
from srlab.datasets.selection_criteria import BEYOND, UPPER, VERDICTS, thresholds
from srlab.errors import SrlabError
from srlab.files import replacing
from srlab.images.files import read_image

# what the measures are called in front of people, with the unit, and the number of digits that say something
TITLES = {
    "side": ("shorter side (px)", 0),
    "jpeg_quality": ("JPEG quality of the tables (1 to 100)", 0),
    "blocking": ("blocking score (high: no blocks)", 2),
    "dark": ("share of black pixels", 2),
    "bright": ("share of white pixels", 2),
    "colourfulness": ("colourfulness", 1),
    "sharpness": ("sharpness", 3),
}
PASSED, DROPPED, LIMIT = "#0072b2", "#b0b0b0", "#d55e00"  # Okabe and Ito: told apart by colour-blind readers
TILE, WHOLE_HEIGHT, CROP_HEIGHT, CAPTION, HEADING, GAP = 180, 135, 110, 34, 30, 8  # px
ROW_HEIGHT = WHOLE_HEIGHT + CROP_HEIGHT + CAPTION + GAP
PER_ROW = 8
Picture = tuple[Path, str, str]  # file, its name, what is said below it


def write_data_sheet(selection: Selection | None, name: str, folder: Path) -> None:
    """Write `folder`/selection.md and the pictures that it shows: criteria.png, best_worst.png, dropped.png."""
    if selection is None:
        with replacing(folder / "selection.md") as temporary:
            temporary.write_text(f"# Selection of `{name}`\n\nNone: its pictures are used as they are.\n", "utf-8")
        return
    with replacing(folder / "criteria.png") as temporary:
        # The version of matplotlib is left out, so that equal pictures are equal files.
        criteria_figure(selection).savefig(temporary, format="png", metadata={"Software": None})
    for title, rows in (("best_worst", _best_and_worst(selection)), ("dropped", _dropped(selection))):
        with replacing(folder / f"{title}.png") as temporary:
            contact_sheet(rows).save(temporary, format="PNG")
    with replacing(folder / "selection.md") as temporary:
        temporary.write_text(selection_page(selection, name), "utf-8")


def selection_page(selection: Selection, name: str) -> str:
    """Markdown: how many were wanted and got, a table of what each criterion dropped, links to the pictures."""
    counts, num, fails = selection.candidates.counts(), len(selection.candidates), selection.fails
    got, wanted = len(selection.chosen), selection.wanted
    short = "" if got == wanted else f" **{wanted} were wanted; no more meet the criteria.**"
    rule = "| verdict | limit | dropped here | share | fail it at all |\n|---|---|---:|---:|---:|"
    rows = [
        f"| {key} | {_limit(selection, key)} | {counts[key]} | {counts[key] / num:.1%} | {fails.get(key, '')} |"
        for key in [*VERDICTS[3:], *VERDICTS[2:0:-1], VERDICTS[0]]
    ]
    lines = [
        f"# Selection of `{name}`",
        f"{got} of {num} candidates were chosen (seed {selection.candidates.seed}).{short}",
        "\n".join([rule, *rows]),
        "Each candidate is counted once, at the first criterion that it fails; the last column counts all who fail it. "
        "Twins are looked for among the best only, until enough are found. The criteria: docs/selection.md.",
    ]
    if fails["unreadable"]:
        lines.append("First unreadable candidates:\n\n" + "\n".join(f"- {line}" for line in selection.unreadable))
    lines += [
        "![Histograms of the criteria](criteria.png)",
        "![The best and the last of the chosen](best_worst.png)",
        "![What was dropped](dropped.png)",
    ]
    return "\n\n".join(lines) + "\n"


def criteria_figure(selection: Selection) -> Figure:
    """Histogram of each measure over the readable candidates, its threshold as a line, and of the score.

    Blue are those that meet every criterion, grey the dropped ones, stacked. Axes end at the 0.5th and 99.5th
    percentile (or the threshold): what lies beyond is in the outer bars.
    """
    figure = Figure(figsize=(13, 6), dpi=110, facecolor="white")
    figure.subplots_adjust(left=0.04, right=0.99, top=0.95, bottom=0.1, wspace=0.2, hspace=0.3)
    grid = figure.subplots(2, 4).ravel()
    limits = thresholds(selection.criteria)
    for axes, (key, (title, _)) in zip(grid, TITLES.items(), strict=False):
        _histogram(axes, selection.candidates, key, title, limits[key], logarithmic=key in ("side", "sharpness"))
    _histogram(grid[-1], selection.candidates, "score", "score of those that passed", None, logarithmic=False)
    handles, names = grid[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def contact_sheet(rows: Sequence[tuple[str, Sequence[Picture]]]) -> Image.Image:
    """RGB picture: under each heading its pictures, each as a whole and, below, its middle pixel for pixel.

    The lower half is what a network sees: reduced to a stamp, every photo looks sharp.
    """
    heights = [HEADING + math.ceil(len(pictures) / PER_ROW) * ROW_HEIGHT for _, pictures in rows]
    sheet = Image.new("RGB", (PER_ROW * (TILE + GAP) + GAP, max(sum(heights), HEADING)), "white")
    pen, top = ImageDraw.Draw(sheet), 0
    for (heading, pictures), height in zip(rows, heights, strict=True):
        pen.text((GAP, top + 8), heading, fill="black", font=ImageFont.load_default(15))
        for index, picture in enumerate(pictures):
            row, column = divmod(index, PER_ROW)
            _paste(sheet, pen, GAP + column * (TILE + GAP), top + HEADING + row * ROW_HEIGHT, picture)
        top += height
    return sheet


def _paste(sheet: Image.Image, pen: ImageDraw.ImageDraw, left: int, top: int, picture: Picture) -> None:
    path, name, caption = picture
    try:
        pixels = read_image(path)
        image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
        whole = ImageOps.contain(image, (TILE, WHOLE_HEIGHT))
        middle = ImageOps.fit(image, (TILE, CROP_HEIGHT)) if min(image.size) < 8 else _middle(image)
        sheet.paste(whole, (left + (TILE - whole.width) // 2, top + (WHOLE_HEIGHT - whole.height) // 2))
        sheet.paste(middle, (left + (TILE - middle.width) // 2, top + WHOLE_HEIGHT + 2))
    except SrlabError:
        pen.text((left + 4, top + 50), "unreadable", fill=LIMIT, font=ImageFont.load_default(13))
    below = top + WHOLE_HEIGHT + CROP_HEIGHT + 4
    for line, text in enumerate((name if len(name) <= 28 else f"{name[:27]}…", caption)):
        pen.text((left, below + 14 * line), text, fill="#1a1a1a", font=ImageFont.load_default(11))


def _middle(image: Image.Image) -> Image.Image:
    width, height = min(TILE, image.width), min(CROP_HEIGHT, image.height)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _best_and_worst(selection: Selection, num: int = 2 * PER_ROW) -> list[tuple[str, list[Picture]]]:
    lowest = selection.candidates.ordered("score", BEYOND, slice(0, num), highest=False)
    rows = {
        "Best of the chosen (score)": selection.chosen[:num],
        "Last of the chosen": selection.chosen[num:][-num:],
        "Lowest scores of those that meet every criterion, not chosen": lowest,
    }
    return [(heading, _pictures(selection, places, "score", 3)) for heading, places in rows.items() if places]


def _dropped(selection: Selection) -> list[tuple[str, list[Picture]]]:
    """For each criterion eight of the dropped: the four nearest to its threshold, then the four farthest."""
    rows, half = [], PER_ROW // 2
    for verdict, (key, num) in enumerate(selection.candidates.counts().items()):
        if verdict > BEYOND and num:
            shown = [slice(0, num)] if num <= PER_ROW else [slice(0, half), slice(num - half, num)]
            column = key if key in TITLES else "place"
            highest = key in TITLES and key not in UPPER
            places = [p for part in shown for p in selection.candidates.ordered(column, verdict, part, highest=highest)]
            heading = f"{key} {_limit(selection, key)}".strip() + f": {num} dropped, the nearest and the farthest"
            rows.append((heading, _pictures(selection, places, key, TITLES[key][1] if key in TITLES else None)))
    return rows


def _pictures(selection: Selection, places: Sequence[int], column: str, decimals: int | None) -> list[Picture]:
    """What to show of `places`, with the value of `column` below; None: nothing below."""
    pictures = []
    for place in places:
        name, path = selection.candidates[place]
        value = "" if decimals is None else f"{selection.candidates.column(column)[place]:.{decimals}f}"
        pictures.append((path, name, value))
    return pictures


def _limit(selection: Selection, key: str) -> str:
    if key == "near-duplicate":
        return f"at most {selection.criteria.duplicate_bits} of 64 bits apart"
    limits = thresholds(selection.criteria)
    return f"{'>' if key in UPPER else '<'} {limits[key]:g}" if key in limits else ""


def _histogram(
    axes: Axes, candidates: Candidates, key: str, title: str, limit: float | None, *, logarithmic: bool
) -> None:
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    # Of the score those that passed are shown, of a measure all that could be read: there is one at least.
    shown = candidates.verdicts <= BEYOND if limit is None else candidates.measures["side"] > 0
    values = np.nan_to_num(candidates.column(key)[shown].astype(np.float64))
    low, high = np.percentile(values, [0.5, 99.5])
    if limit is not None:
        low, high = min(low, limit), max(high, limit)
    if logarithmic:
        low = max(low, high * 1e-4)
        axes.set_xscale("log")
    edges = np.geomspace(low, high, 41) if logarithmic and high > low else np.linspace(low, max(high, low + 1e-9), 41)
    values, passed = values.clip(edges[0], edges[-1]), candidates.verdicts[shown] <= BEYOND
    parts = {"passed": (values[passed], PASSED)} | ({} if limit is None else {"dropped": (values[~passed], DROPPED)})
    series, colours = zip(*parts.values(), strict=True)
    axes.hist(series, edges.tolist(), stacked=True, color=colours, label=list(parts))
    if limit is not None and (limit > 0 or not logarithmic):  # 0 drops none, and is nowhere on a logarithmic axis
        axes.axvline(limit, color=LIMIT, linewidth=1.5, label="threshold")
        style = {"fontsize": 8, "color": LIMIT}
        axes.annotate(f"{limit:g}", (limit, 1), (3, -10), ("data", "axes fraction"), "offset points", **style)
