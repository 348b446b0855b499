"""What the figures show: checked on the artists they hold and the pixels they draw."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from skimage import data

from srlab.errors import SrlabError
from srlab.report.figures import Crop, comparison_figure, detail_window, training_curves


def textured(height: int, width: int, row: int, column: int, size: int) -> np.ndarray:
    """A flat grey image with a square of 4-px checks at (row, column)."""
    image = np.full((height, width, 3), 120, np.uint8)
    y, x = np.mgrid[:size, :size]
    image[row : row + size, column : column + size] = np.where((y // 4 + x // 4) % 2, 30, 220)[..., None]
    return image


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


HR = data.astronaut()[:96, :128]
CROP = (8, 16, 32)


def compared(num: int, hr: np.ndarray = HR, crop: Crop = CROP) -> Figure:
    """The comparison of `num` methods, each of which gives the original."""
    labels = [f"Method {index} (4 blocks, 32 channels)" for index in range(num)]
    scores = {label: {"psnr": 25 + index, "ssim": 0.7} for index, label in enumerate(labels)}
    return comparison_figure(hr, dict.fromkeys(labels, hr), scores, crop)


@settings(deadline=None)  # no timing in tests: the machine may be busy
@given(st.integers(12, 60), st.integers(12, 60))
def test_the_crop_lies_on_the_textured_region(row: int, column: int) -> None:
    y, x, size = detail_window(textured(100, 100, row, column, 24), 24)
    assert size == 24
    assert max(abs(y - row), abs(x - column)) <= 2  # the 3x3 box spreads an edge by a pixel, the gradient by another


def test_the_crop_keeps_off_the_border() -> None:
    image = np.maximum(textured(90, 90, 0, 0, 20), textured(90, 90, 50, 50, 12))
    y, x, _ = detail_window(image, 20)
    assert min(y, x) >= 10


def test_the_crop_of_a_flat_image_is_the_first_inside_the_border() -> None:
    assert detail_window(np.zeros((60, 60, 1), np.uint8), 20) == (10, 10, 20)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_any_window_that_fits_lies_inside(height: int, width: int, draw) -> None:
    size = draw.draw(st.integers(1, min(height, width)))
    image = np.random.default_rng(height * 41 + width).integers(0, 256, (height, width, 3)).astype(np.uint8)
    y, x, _ = detail_window(image, size)
    assert (0 <= y <= height - size) and (0 <= x <= width - size)


def test_a_window_that_does_not_fit_is_refused() -> None:
    with pytest.raises(SrlabError, match="crop of 30 px does not fit"):
        detail_window(np.zeros((20, 40, 3), np.uint8), 30)


def test_every_method_has_a_tile_with_the_crop_and_its_scores() -> None:
    figure = compared(4)
    assert len(figure.axes) == 1 + 1 + 4  # the whole image, and the crop of the original and of each output
    for axes in figure.axes[1:]:
        np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()), HR[8:40, 16:48])
        assert axes.images[0].get_interpolation() == "nearest"  # smoothing would hide what is compared
    assert [text for text in texts(figure) if "dB" in text] == [f"{25 + i:.2f} dB / 0.7000" for i in range(4)]
    assert figure.axes[0].patches[-1].get_bbox().bounds == (15.5, 7.5, 32, 32)  # pixel centres are whole numbers


@pytest.mark.parametrize(("num", "shape"), [(1, (40, 160)), (4, (128, 96)), (8, (96, 128)), (20, (96, 128))])
def test_no_text_leaves_the_figure_or_meets_another(num: int, shape: tuple[int, int]) -> None:
    figure = compared(num, data.astronaut()[: shape[0], : shape[1]])
    figure.savefig(io.BytesIO())
    boxes = [text.get_window_extent() for axes in figure.axes for text in axes.texts]
    boxes += [axes.get_window_extent() for axes in figure.axes]
    for index, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1
        for other in boxes[index + 1 :]:
            assert not box.padded(-1.5).overlaps(other)  # lines of one caption may touch by a descender's pixel


def test_a_long_label_is_written_whole() -> None:
    label = "SRGAN (alpha 0.5, MSE content, 4 blocks, 16 channels)"
    figure = comparison_figure(HR, {label: HR}, {label: {"psnr": 25.0, "ssim": 0.7}}, CROP)
    assert texts(figure)[2:] == ["SRGAN", "(alpha 0.5, MSE content,", "4 blocks, 16 channels)", "25.00 dB / 0.7000"]


def test_the_best_psnr_is_bold() -> None:
    bold = [text.get_text() for axes in compared(2).axes for text in axes.texts if text.get_weight() == "bold"]
    assert bold == ["Method 1", "(4 blocks, 32 channels)", "26.00 dB / 0.7000"]


def test_a_grey_image_is_drawn_with_its_own_levels() -> None:
    canvas = FigureCanvasAgg(compared(1, np.full((64, 64, 1), 100, np.uint8)))
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    assert pixels[len(pixels) // 3, 30].tolist() == [100, 100, 100, 255]  # in the overview: not stretched to black


def test_a_sample_of_another_size_is_refused() -> None:
    with pytest.raises(SrlabError, match="b: the sample is"):
        comparison_figure(HR, {"b": HR[:60]}, {"b": {"psnr": 30.0, "ssim": 0.8}}, CROP)


def history(*psnrs: float, loss: float = 0.1) -> list[dict]:
    return [
        {"epoch": e, "train/loss": loss / (e + 1), "val/psnr": p, "val/loss": 1.0, "lr": 1e-3}
        for e, p in enumerate(psnrs)
    ]


def test_a_curve_has_one_colour_and_its_best_epoch_is_marked_and_named() -> None:
    figure = training_curves({f"m{index}": history(25, 27, 26) for index in range(8)})
    quality, loss = figure.axes
    markers, lines = quality.lines[::2], quality.lines[1::2]
    assert {(*marker.get_xdata(), *marker.get_ydata()) for marker in markers} == {(1, 27)}
    assert figure.legends[0].get_texts()[0].get_text() == "m0: 27.00 dB at epoch 1"
    assert [line.get_color() for line in lines] == [line.get_color() for line in loss.lines]
    assert len({line.get_color() for line in lines}) == 8


def test_epochs_without_validation_are_left_out_of_its_curve_only() -> None:
    steps = history(25, 26, 27)
    del steps[1]["val/psnr"]
    figure = training_curves({"SRGAN": steps})
    assert list(figure.axes[0].lines[1].get_xdata()) == [0, 2]
    assert list(figure.axes[1].lines[0].get_xdata()) == [0, 1, 2]


@pytest.mark.parametrize(("num_epochs", "scale"), [(2, "linear"), (12, "log")])
def test_losses_of_different_units_are_shares_of_their_first_value(num_epochs: int, scale: str) -> None:
    psnrs = range(25, 25 + num_epochs)
    loss = training_curves({"MSE": history(*psnrs), "sum over a patch": history(*psnrs, loss=1000.0)}).axes[1]
    for line in loss.lines:
        np.testing.assert_allclose(line.get_ydata(), [1 / (epoch + 1) for epoch in range(num_epochs)])
    assert loss.get_yscale() == scale


@pytest.mark.parametrize("num", [1, 8])
def test_the_legend_lies_inside_the_figure(num: int) -> None:
    figure = training_curves({f"SRResNet {i} (4 blocks, 32 channels)": history(25, 26, 27) for i in range(num)})
    figure.savefig(io.BytesIO())
    box = figure.legends[0].get_window_extent()
    assert figure.bbox.x0 <= box.x0
    assert box.x1 <= figure.bbox.x1
    assert not box.overlaps(figure.axes[0].get_tightbbox())


@pytest.mark.parametrize("histories", [{}, {"SRCNN": []}])
def test_without_a_trained_model_the_figure_says_so(histories: dict) -> None:
    assert [text.get_text() for text in training_curves(histories).texts] == ["no model was trained"]


def test_figures_leave_nothing_open_in_pyplot() -> None:
    compared(1)
    training_curves({"SRCNN": history(25, 26)})
    assert plt.get_fignums() == []
