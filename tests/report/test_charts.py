"""Quality against time, and the family tree: checked on the artists they hold."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from srlab.evaluation.metrics.metric import Metric
from srlab.report.charts import _dark, family_tree, pareto_front, perception_distortion, quality_and_time
from srlab.report.figures import COLOURS

METHODS = {  # branch, PSNR in dB, ms per megapixel
    "Bicubic": ("Interpolation", 28.42, 5.0),
    "Zeyde": ("Learning / Sparse representation", 29.69, 3000.0),
    "Slow": ("Interpolation", 28.0, 9000.0),
    "A+": ("Learning / Anchored regression", 30.28, 1000.0),
}


def one(label: str, branch: str, psnr: float) -> dict:
    return {"method": label.lower(), "label": label, "branch": branch, "datasets": {"Set5": {"psnr": psnr}}}


METRICS = [one(label, branch, psnr) for label, (branch, psnr, _) in METHODS.items()]
TWINS = [one(f"Twin {number}", "Interpolation", 28.0) for number in range(4)]
TWIN_COSTS = {twin["method"]: {"ms_per_megapixel": 7.0, "remark": ""} for twin in TWINS}
COSTS = {label.lower(): {"ms_per_megapixel": time, "remark": ""} for label, (_, _, time) in METHODS.items()}


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=20))
def test_every_point_off_the_front_is_beaten_by_one_on_it(points: list[tuple[int, int]]) -> None:
    front = pareto_front(*zip(*points, strict=True))
    for index, (time, value) in enumerate(points):
        beaten = any(points[i][0] <= time and points[i][1] >= value and points[i] != points[index] for i in front)
        assert beaten == (index not in front)


def test_every_method_is_a_labelled_point_and_the_front_is_drawn_with_bold_labels() -> None:
    figure = quality_and_time(METRICS, COSTS, "Set5")
    (axes,) = figure.axes
    points = {tuple(point) for group in axes.collections for point in group.get_offsets().tolist()}
    assert points == {(time, psnr) for label, (_, psnr, time) in METHODS.items() if label != "Slow"}
    assert sorted(texts(figure)) == ["A+", "Bicubic", "Zeyde"]
    assert axes.get_xscale() == "log"
    assert axes.lines[0].get_xydata().tolist() == [[5.0, 28.42], [1000.0, 30.28]]
    assert {text.get_text() for text in axes.texts if text.get_weight() == "bold"} == {"Bicubic", "A+"}


def test_what_is_worse_than_bicubic_is_named_and_not_drawn() -> None:
    (axes,) = quality_and_time(METRICS, COSTS, "Set5").axes
    assert "Worse than bicubic (28.42 dB): Slow 28.00." in axes.get_xlabel()
    assert 28.3 < axes.get_ylim()[0] < 28.42  # room for half a dot
    (alone,) = quality_and_time(METRICS[:1], COSTS, "Set5").axes
    assert "Worse" not in alone.get_xlabel()


def test_without_bicubic_every_method_is_drawn() -> None:
    figure = quality_and_time(METRICS[1:], COSTS, "Set5")
    assert sorted(texts(figure)) == ["A+", "Slow", "Zeyde"]
    assert figure.axes[0].get_title("left") == "PSNR on Set5 (dB)"


def test_a_label_has_its_familys_colour_and_can_be_read_on_white() -> None:
    for colour in COLOURS:
        linear = np.array(
            [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(_dark(colour))]
        )
        assert 1.05 / (linear @ (0.2126, 0.7152, 0.0722) + 0.05) >= 4.5  # WCAG 2.2, 1.4.3
    labels = {text.get_text(): text.get_color() for text in quality_and_time(METRICS, COSTS, "Set5").axes[0].texts}
    assert labels["Zeyde"] == labels["A+"] != labels["Bicubic"]


def test_a_line_leads_from_a_far_label_to_its_dot_also_when_the_figure_is_drawn_anew() -> None:
    figure = quality_and_time(TWINS, TWIN_COSTS, "Set5")
    figure.savefig(io.BytesIO())
    notes = [note for note in figure.axes[0].texts if isinstance(note, Annotation) and note.arrow_patch]
    assert len(notes) == 2
    for note in notes:
        assert note.arrow_patch is not None
        end = figure.axes[0].transData.transform(note.xy)
        np.testing.assert_allclose(note.arrow_patch.get_path().vertices[-1], end, atol=0.5)  # px


def test_methods_that_were_slowed_down_are_named() -> None:
    costs = COSTS | {label.lower(): {"ms_per_megapixel": 9.0, "remark": "machine busy"} for label in ("A+", "Zeyde")}
    figure = quality_and_time(METRICS, costs, "Set5")
    assert {"A+", "Zeyde"} <= set(texts(figure))
    assert "Slowed down by other programs: Zeyde, A+." in figure.axes[0].get_xlabel()


INDEX = Metric("index", "Index", "", 2, False, "rgb", lambda sr, hr, border: sr)
PLANE = {"Bicubic": (28.4, 0.33), "A+": (30.3, 0.2), "SRGAN": (29.0, 0.1), "Slow": (28.9, 0.15)}


def perceived(label: str, psnr: float, index: float) -> dict:
    return {"method": label, "label": label, "branch": "Any", "datasets": {"Set5": {"psnr": psnr, "index": index}}}


def test_the_front_of_the_plane_is_what_no_method_beats_in_both() -> None:
    figure = perception_distortion([perceived(label, *point) for label, point in PLANE.items()], "Set5", INDEX)
    (axes,) = figure.axes
    points = {tuple(point) for group in axes.collections for point in group.get_offsets().tolist()}
    assert points == set(PLANE.values())
    assert axes.lines[0].get_xydata().tolist() == [[29.0, 0.1], [30.3, 0.2]]
    assert {text.get_text() for text in axes.texts if text.get_weight() == "bold"} == {"SRGAN", "A+"}


CROWD = [
    perceived(f"Method {n}", *point)
    for n, point in enumerate(np.random.default_rng(0).normal((30, 0.2), (0.1, 0.01), (12, 2)))
]


@pytest.mark.parametrize(
    ("draw", "num"),
    [
        (lambda: perception_distortion([*CROWD, perceived("Far", 26, 0.4)], "Set5", INDEX), 13),
        (lambda: quality_and_time(TWINS, TWIN_COSTS, "Set5"), 4),
    ],
    ids=["a crowd", "equal points"],
)
def test_labels_cover_no_label_and_no_point(draw: Callable[[], Figure], num: int) -> None:
    figure = draw()
    figure.savefig(io.BytesIO())  # annotations have no place before
    (axes,) = figure.axes
    boxes = [Text.get_window_extent(text) for text in axes.texts]  # without their lines
    points = [axes.transData.transform(point) for group in axes.collections for point in group.get_offsets()]
    assert len(boxes) == len(points) == num
    assert not any(box.overlaps(other) for i, box in enumerate(boxes) for other in boxes[:i])
    assert not any(box.contains(*point) for box in boxes for point in points)


def test_points_have_short_names_that_tell_them_apart() -> None:
    labels = ["SRGAN (MSE content, 4 blocks)", "SRGAN (alpha 0.5, MSE content, 4 blocks)", "VDSR (8 layers)", "A+"]
    labels += ["ESPCN (pretrained)", "ESPCN (pretrained, 20,000 updates)"]
    methods = [one(label, "Learning", 28.0 + index) for index, label in enumerate(labels)]
    figure = quality_and_time(
        methods, {each["method"]: {"ms_per_megapixel": 7.0, "remark": ""} for each in methods}, "Set5"
    )
    assert sorted(texts(figure)) == ["A+", "ESPCN", "ESPCN (20,000 updates)", "SRGAN", "SRGAN (alpha 0.5)", "VDSR"]


def test_the_tree_groups_methods_by_branch_in_their_order() -> None:
    found = [text for text in texts(family_tree(METRICS, "Set5"))[1:] if not text[0].isdigit()]
    assert found == [
        "Interpolation",
        "Bicubic",
        "Slow",
        "Learning",
        "Sparse representation",
        "Zeyde",
        "Anchored regression",
        "A+",
    ]


@pytest.mark.parametrize("metrics", [METRICS, METRICS[:1]], ids=["several", "one alone"])
def test_the_tree_gives_each_figure_and_the_best_in_bold(metrics: list) -> None:
    texts = family_tree(metrics, "Set5").axes[0].texts
    psnrs = [one["datasets"]["Set5"]["psnr"] for one in metrics]
    assert {text.get_text(): text.get_weight() for text in texts if text.get_text()[0].isdigit()} == {
        f"{psnr:.2f}": "bold" if psnr == max(psnrs) else "normal" for psnr in psnrs
    }


def test_better_methods_have_dots_further_right() -> None:
    dots = [line.get_xdata()[0] for line in family_tree(METRICS, "Set5").axes[0].lines if line.get_marker() == "o"]
    assert [dots[i] for i in (1, 0, 2, 3)] == sorted(dots)  # Slow, Bicubic, Zeyde, A+
