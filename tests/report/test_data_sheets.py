"""The data sheet: its numbers are those of the selection, its pictures show what they say."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srlab.datasets.selection import Selection, best_of
from srlab.datasets.selection_criteria import Criteria, Weights
from srlab.datasets.sources import Folder
from srlab.report.data_sheets import contact_sheet, criteria_figure, selection_page, write_data_sheet


@pytest.fixture(scope="module")
def selection(tmp_path_factory: pytest.TempPathFactory) -> Selection:
    """Ten coloured pictures, two grey, one small, one broken; six wanted."""
    folder = tmp_path_factory.mktemp("pool")
    for seed in range(12):
        blobs = np.random.default_rng(seed).integers(0, 256, (6, 6, 3 if seed < 10 else 1)).astype(np.uint8)
        picture = Image.fromarray(blobs if seed < 10 else blobs[..., 0])
        picture.resize((64, 64), Image.Resampling.BICUBIC).save(folder / f"p{seed}.png")
    Image.new("RGB", (20, 20), "red").save(folder / "small.png")
    (folder / "broken.png").write_bytes(b"x")
    criteria = Criteria(32, 0, -999, 1, 1, 5, 0.001, 6)
    return best_of(Folder(str(folder), None), 6, criteria, Weights(1, 1, 0, 1, 1, 1), 0, 1)


def test_the_page_counts_each_candidate_once(selection: Selection) -> None:
    lines = [line for line in selection_page(selection, "pool").splitlines() if line.startswith("|")]
    rows = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines[2:]]  # without heading and rule
    found = {name: int(count) for name, _, count, *_ in rows}
    assert sum(found.values()) == 14
    assert (found["unreadable"], found["grey"], found["side"], found["chosen"]) == (1, 2, 1, 6)


def test_the_page_names_the_unreadable_and_says_when_too_few_qualify(selection: Selection) -> None:
    page, short = selection_page(selection, "pool"), Selection(**{**vars(selection), "wanted": 3000})
    assert "broken.png" in page
    assert "were wanted" not in page
    assert "3000 were wanted" in selection_page(short, "pool")


def test_every_measure_has_a_histogram_of_all_readable_candidates_with_its_threshold(selection: Selection) -> None:
    *measures, score = criteria_figure(selection).axes
    lines = {axes.get_title(loc="left"): np.asarray(axes.lines[0].get_xdata())[0] for axes in measures}
    assert (lines["shorter side (px)"], lines["colourfulness"]) == (32, 5)
    assert (len(lines), len(score.lines)) == (7, 0)
    for axes in measures:
        passed, dropped = ([bar.get_height() for bar in bars] for bars in axes.containers)
        assert (sum(passed), sum(dropped)) == (10, 3)  # what lies beyond an end is in the outer bars
    assert sum(bar.get_height() for bar in score.containers[0]) == 10


def test_the_contact_sheet_shows_the_middle_pixel_for_pixel(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    sheet = np.asarray(contact_sheet([("Heading", [(tmp_path / "x.png", "x", "0.5")])]))
    middle = pixels[95:205, 110:290]
    windows = np.lib.stride_tricks.sliding_window_view(sheet, middle.shape)[..., 0, :, :, :]
    assert (windows[:, :20] == middle).all(axis=(-3, -2, -1)).any()


def test_a_sheet_shows_files_that_cannot_be_read_as_words(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"x")
    sheet = contact_sheet([("Heading", [(tmp_path / "x.png", "x", "")])])
    assert np.asarray(sheet).min() < 255


def test_a_sheet_links_to_pictures_that_exist_and_is_the_same_bytes_again(selection: Selection, tmp_path: Path) -> None:
    for folder in (tmp_path / "one", tmp_path / "other"):
        write_data_sheet(selection, "pool", folder)
    files = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "other").iterdir()}
    linked = [part.split(")")[0] for part in files["selection.md"].decode().split("](")[1:]]
    assert (
        {*linked, "selection.md"} == files.keys() == {"best_worst.png", "criteria.png", "dropped.png", "selection.md"}
    )


@pytest.mark.filterwarnings("error")
def test_a_threshold_of_zero_is_not_drawn_on_a_logarithmic_axis(selection: Selection) -> None:
    lenient = Selection(**{**vars(selection), "criteria": Criteria(0, 0, 0, 1, 1, 0, 0, 6)})
    figure = criteria_figure(lenient)
    figure.draw_without_rendering()
    bare = [axes.get_title(loc="left") for axes in figure.axes[:-1] if not axes.lines]
    assert bare == ["shorter side (px)", "sharpness"]


def test_a_set_used_as_it_is_says_so(tmp_path: Path) -> None:
    write_data_sheet(None, "pool", tmp_path / "out")
    assert "used as they are" in (tmp_path / "out" / "selection.md").read_text()
