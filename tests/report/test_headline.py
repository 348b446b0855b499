"""The README's table."""

import pytest

from srlab.errors import SrlabError
from srlab.report.headline import headline
from srlab.report.literature import published

SETS = ["Set5", "Set14", "BSD100"]


def result(method: str, psnr: float) -> dict:
    datasets = {name: {"psnr": psnr, "ssim": 0.8, "images": {}} for name in SETS}
    return {"method": method, "label": method.upper(), "protocols": {"classic": {"datasets": datasets}}}


def test_ours_stands_beside_what_was_published() -> None:
    rows = {"bicubic": "Bicubic", "mine": "ESPCN, as measured by Ledig 2017"}
    mine = result("mine", 30.125)
    mine["protocols"]["classic"]["datasets"]["BSD100"]["st_lpips"] = 0.12345
    text = headline([mine, result("bicubic", 28.4189)], rows, SETS, "classic", "st_lpips", published())
    first, second = text.splitlines()[2:]
    assert first.startswith("| BICUBIC | 28.42 | 28.42 | 0.8000 | 28.42 | 26.00 | 0.8000 |")
    assert second.startswith("| MINE | 30.12 | 30.76 | 0.8000 | 30.12 | 27.66 |")
    assert first.endswith("| – |") and second.endswith("| 0.1235 |")


def test_what_was_not_published_is_a_dash() -> None:
    """Ledig et al. 2017 have no BSD100 of SRGAN-MSE."""
    text = headline([result("mine", 30.0)], {"mine": "SRGAN-MSE"}, SETS, "classic", "st_lpips", published())
    assert "| 30.00 | 26.92 | 0.8000 | 30.00 | – | 0.8000 |" in text


def test_a_label_of_several_training_sets_wants_one() -> None:
    """FSRCNN of T91 and General100 has 30.71 dB on Set5, of T91 alone 30.55 (Dong et al. 2016)."""
    row = headline([result("mine", 30.0)], {"mine": "FSRCNN (T91)"}, SETS, "classic", "st_lpips", published())
    assert "| 30.00 | 30.55 | 0.8000 | 30.00 | – |" in row
    with pytest.raises(SrlabError, match="'FSRCNN' of several training sets"):
        headline([result("mine", 30.0)], {"mine": "FSRCNN"}, SETS, "classic", "st_lpips", published())


@pytest.mark.parametrize("rows", [{"srcnn": "Bicubic"}, {"bicubic": "Bicubic and a half"}])
def test_a_row_that_cannot_be_filled_is_named(rows: dict[str, str]) -> None:
    with pytest.raises(SrlabError, match=r"conf/headline\.yaml"):
        headline([result("bicubic", 28.42)], rows, SETS, "classic", "st_lpips", published())
