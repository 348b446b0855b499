"""The table and the picture of several LR frames."""

from pathlib import Path
from typing import Any

import numpy as np

from srlab.images.files import write_png
from srlab.report.bursts import picture, section


def scored(method: str, psnr: dict[str, float]) -> dict[str, Any]:
    sets = {
        count: {"Set5": {"psnr": value, "ssim": 0.8, "images": {"baby": {"psnr": value, "ssim": 0.8}}}}
        for count, value in psnr.items()
    }
    frames = {
        "burst": {"num": 9, "sigma": 1.2, "noise": 1.0},
        "registration": "shifts are known",
        "protocols": {"modern": sets},
    }
    return {"method": method, "label": method.upper(), "frames": frames}


METRICS = [scored("bicubic", {"1": 26.041}), {"method": "espcn"}, scored("ibp", {"1": 27.5, "9": 29.456})]


def test_each_method_has_a_line_per_number_of_frames() -> None:
    lines = [line for line in section(METRICS, "modern").splitlines() if line.startswith("|")]
    assert lines[0] == "| Method | Frames | Set5: PSNR (dB) | Set5: SSIM |"
    assert lines[2:] == [
        "| BICUBIC | 1 | 26.04 | 0.8000 |",
        "| IBP | 1 | 27.50 | 0.8000 |",
        "| IBP | 9 | 29.46 | 0.8000 |",
    ]


def test_how_the_frames_came_about_is_stated() -> None:
    for fact in ("9 LR frames", "sigma 1.2 HR px", "sigma 1 grey levels", "shifts are known"):
        assert fact in section(METRICS, "modern")


def test_the_picture_shows_every_result_under_its_label_and_score(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    for name in (
        "bicubic/Set5/baby/original",
        "bicubic/Set5/baby/1",
        "ibp/Set5/baby/original",
        "ibp/Set5/baby/1",
        "ibp/Set5/baby/9",
    ):
        write_png(tmp_path / f"{name}.png", pixels)
    figure = picture(METRICS, "modern", tmp_path, "Set5", 32)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert {"BICUBIC (1 frame)", "IBP (1 frame)", "IBP (9 frames)"} <= set(texts)
    assert "29.46 dB / 0.8000" in texts
