"""A metric is one entry of one map, and is found wherever scores are."""

import numpy as np
import pytest
import torch
from eras import CLASSIC, MODERN
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio

from srlab.evaluation.benchmark import image_scores
from srlab.evaluation.metrics.catalogue import METRICS, of_table
from srlab.evaluation.metrics.metric import Metric
from srlab.evaluation.metrics.psnr import psnr
from srlab.evaluation.scores import image_rows, set_scores
from srlab.report.literature import paper_table
from srlab.report.table import rows, summary
from srlab.sweeps.console import figure
from srlab.training.validation import validation_scores

HR = astronaut()[:48, 100:148]
SR = np.clip(HR.astype(int) + np.random.default_rng(0).integers(-9, 10, HR.shape), 0, 255).astype(np.uint8)
EXPECTED = peak_signal_noise_ratio(HR[4:-4, 4:-4], SR[4:-4, 4:-4], data_range=255)


@pytest.fixture
def rgb_psnr(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the file of a new metric holds, and its line of the map."""
    metric = Metric("rgb_psnr", "RGB PSNR", "dB", 3, higher_is_better=True, planes="rgb", measure=psnr)
    monkeypatch.setitem(METRICS, "rgb_psnr", metric)


def evaluated() -> dict:
    protocols = {}
    for one in (MODERN, CLASSIC):
        scores = image_scores(SR, HR, 4, [one], "here", of_table("fidelity"))[one.name]
        protocols[one.name] = {"protocol": str(one), "datasets": {"mine": {**scores, "images": {"a": scores}}}}
    return {"method": "x", "label": "X", "scale": 4, "protocols": protocols}


@pytest.mark.usefixtures("rgb_psnr")
def test_a_third_metric_is_scored_told_to_the_tracker_and_a_column_of_the_table() -> None:
    found = evaluated()
    # 1e-9 dB: one float64 mean, summed in another order
    assert set_scores(found)["modern/mine/rgb_psnr"] == pytest.approx(EXPECTED, abs=1e-9)
    assert [row["rgb_psnr"] for row in image_rows(found)] == pytest.approx([EXPECTED] * 2, abs=1e-9)
    assert rows([found], {"x": {"num_parameters": 0}})[0]["rgb_psnr"] == pytest.approx(EXPECTED, abs=1e-9)
    page = summary([found], "modern", paper_table(), [])
    assert "RGB PSNR (dB)" in page
    assert f"{EXPECTED:.3f}" in page


@pytest.mark.usefixtures("rgb_psnr")
def test_a_third_metric_is_what_a_sweep_can_search_by() -> None:
    sr, hr = (torch.from_numpy(image / 255.0).permute(2, 0, 1)[None] for image in (SR, HR))
    # 1e-5 dB: validation is float32
    assert validation_scores(sr, hr, 4)["val/rgb_psnr"].item() == pytest.approx(EXPECTED, abs=1e-5)
    assert "val/rgb_psnr" not in validation_scores(sr[:, :1], hr[:, :1], 4)  # a luma network gives no RGB
    assert figure(30.12345, "val/rgb_psnr") == "30.123 dB"


def test_a_smaller_value_can_be_the_better_one(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = Metric("error", "Error", "", 4, False, "luma", lambda sr, hr, border: (sr - hr).abs().mean((1, 2, 3)))
    monkeypatch.setitem(METRICS, "error", metric)
    better, worse = evaluated(), evaluated()
    worse["method"] = worse["label"] = "Y"
    for found in worse["protocols"].values():
        found["datasets"]["mine"]["error"] *= 2
    page = summary([better, worse], "modern", paper_table(), [])
    lines = [line for line in page.splitlines() if line.startswith(("| X", "| Y"))]
    assert lines[0].count("**") > lines[1].count("**")
