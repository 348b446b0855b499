"""The second table, what was left out of it, and the pictures of several images."""

from pathlib import Path

import numpy as np
import pytest
from stores import originals, packed

from srlab.degradation.pairs import PairStore
from srlab.images.files import write_png
from srlab.report.page import visual
from srlab.report.perception import plane, section

REASON = "there is no niqe.npz (docs/metrics.md), as SRLAB_NIQE or as metrics/niqe.npz in SRLAB_DATASETS"


def result(method: str, left_out: dict[str, dict[str, str]], **scores: float) -> dict:
    images = {"a": {"psnr": 30.0, "ssim": 0.9}}
    datasets = {name: {"psnr": 30.0, **scores, "images": images} for name in ("Set5", "photos")}
    about = {"method": method, "label": method.upper(), "branch": "Any", "left_out": left_out}
    return about | {"protocols": {"modern": {"datasets": datasets}}, "datasets": datasets}


def test_each_set_has_a_table_and_what_was_left_out_is_said_with_the_reason() -> None:
    absent = {"Set5": {"niqe": REASON}, "photos": {"niqe": REASON, "lr_psnr": "other LR"}}
    metrics = [
        result("a", absent, st_lpips=0.31, high_frequency=0.5),
        result("b", absent, st_lpips=0.2, high_frequency=1.5),
    ]
    text = section(metrics, "modern", {"Set5": "Set5 (5 images)"}, {}, "Set5")
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert [table[0] for table in tables] == [
        "| Method | Set5 (5 images): ST-LPIPS | Set5 (5 images): HF energy |",
        "| Method | photos (1 image): ST-LPIPS | photos (1 image): HF energy |",
    ]
    # lower is better for the first; for the second, neither is
    assert tables[0][2:] == ["| A | 0.3100 | 0.500 |", "| B | **0.2000** | 1.500 |"]
    assert f"NIQE was not measured: {REASON}." in text
    assert "LR-PSNR was not measured on photos: other LR." in text
    assert list(plane(metrics, "Set5")) == ["perception_distortion"]


def test_a_metric_that_one_method_lacks_is_no_column_and_the_method_is_named() -> None:
    metrics = [result("a", {"Set5": {}, "photos": {}}, niqe=5.0), result("b", {"Set5": {"niqe": REASON}, "photos": {}})]
    text = section(metrics, "modern", {}, {}, "Set5")
    assert "|" not in text
    assert f"NIQE was not measured on Set5 for B: {REASON}." in text
    assert text.endswith("A perception-distortion plane wants LPIPS or ST-LPIPS or NIQE.")
    assert plane(metrics, "Set5") == {}


@pytest.fixture
def kept(tmp_path: Path) -> tuple[PairStore, Path]:
    """A store of four small images, and samples of the first two by four methods."""
    store = packed(tmp_path / "store", originals(), role="test")
    for image in store.test[:2]:
        for method in ("bicubic", "espcn", "espcn_released", "ibp"):
            write_png(tmp_path / "samples" / method / "Set5" / f"{image}.png", store.hr(image))
    return store, tmp_path / "samples"


def test_the_picture_has_a_row_per_kept_image_and_a_column_per_method_of_the_papers(kept) -> None:
    store, samples = kept
    metrics = [result(name, {}) for name in ("espcn", "bicubic", "ibp", "espcn_released")]
    for one in metrics:
        one["kind"] = one["method"].removesuffix("_released")
        one["datasets"]["Set5"]["images"] = {key: {"psnr": 30.0, "ssim": 0.9} for key in store.test}
    axes = visual(metrics, {"Set5": store}, samples, 64)["visual"].axes
    assert [one.get_title() for one in axes] == ["Original", "BICUBIC", "ESPCN_RELEASED", "", "", ""]
    assert [one.get_ylabel() for one in axes if one.get_ylabel()] == [f"Set5: {image}" for image in store.test[:2]]
    assert axes[1].get_xlabel() == "30.00 dB / 0.9000"
    side = min(store.hr(store.test[0]).shape[:2])  # below the size of the crop
    assert all(np.shape(one.images[0].get_array())[:2] == (side, side) for one in axes[:3])


def test_without_its_methods_there_is_no_picture(kept) -> None:
    store, samples = kept
    assert visual([result("ibp", {})], {"Set5": store}, samples, 64) == {}
