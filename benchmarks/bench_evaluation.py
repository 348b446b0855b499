"""PSNR and SSIM against other implementations, and the canary: `pytest benchmarks/bench_evaluation.py`.

Every case scores the same pairs of the size of BSD100's images, so that the ratios of one run can be read off. The
BasicSR case is its algorithm (five planes, 11x11 filter in float64, valid region) by scipy where OpenCV is not there.
"""

import numpy as np
import pytest
import torch
from kornia.metrics import ssim as kornia_ssim
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from srlab.degradation.reduction import reduce_bicubic
from srlab.evaluation.benchmark import evaluate
from srlab.evaluation.metrics.psnr import psnr
from srlab.evaluation.metrics.ssim import ssim
from srlab.evaluation.protocol import Protocol
from srlab.models.espcn import ESPCN

BORDER, SHAPE, COUNT = 4, (321, 481), 10
GENERATOR = torch.Generator().manual_seed(0)
HR = torch.randint(0, 256, (COUNT, 1, *SHAPE), generator=GENERATOR).double() / 255
SR = (HR + 0.05 * torch.randn(HR.shape, generator=GENERATOR, dtype=torch.float64)).clamp(0, 1)
INSIDE = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
KERNEL = np.outer(*2 * [np.exp(-((np.arange(11) - 5.0) ** 2) / 4.5)])
KERNEL /= KERNEL.sum()


def srlab(sr: torch.Tensor, hr: torch.Tensor) -> float:
    return ssim(sr, hr, BORDER).item()


def kornia(sr: torch.Tensor, hr: torch.Tensor) -> float:
    return kornia_ssim(sr[INSIDE], hr[INSIDE], 11, max_val=1.0, eps=0.0, padding="valid").mean().item()


def scikit_image(sr: torch.Tensor, hr: torch.Tensor) -> float:
    x, y = (image[INSIDE][0, 0].numpy() for image in (sr, hr))
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    return structural_similarity(x, y, **options, full=True)[1][5:-5, 5:-5].mean()


def basicsr(sr: torch.Tensor, hr: torch.Tensor) -> float:
    """BasicSR's `_ssim`: cv2.filter2D with the 11x11 kernel on five float64 planes."""
    cv2 = pytest.importorskip("cv2", reason="BasicSR's SSIM needs OpenCV: pip install --no-deps opencv-python-headless")
    x, y = (image[INSIDE][0, 0].numpy() * 255 for image in (sr, hr))
    x_mean, y_mean, xx, yy, xy = (cv2.filter2D(p, -1, KERNEL)[5:-5, 5:-5] for p in (x, y, x**2, y**2, x * y))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    numerator = (2 * x_mean * y_mean + c1) * (2 * (xy - x_mean * y_mean) + c2)
    return (numerator / ((x_mean**2 + y_mean**2 + c1) * (xx - x_mean**2 + yy - y_mean**2 + c2))).mean()


@pytest.mark.benchmark(group="SSIM of 10 images of 481x321")
@pytest.mark.parametrize("implementation", [srlab, kornia, scikit_image, basicsr])
def test_ssim(benchmark, implementation) -> None:
    pairs = list(zip(SR.split(1), HR.split(1), strict=True))
    found = benchmark(lambda: [implementation(*pair) for pair in pairs])
    assert found == pytest.approx(ssim(SR, HR, BORDER).tolist(), abs=1e-8)


def srlab_psnr(sr: torch.Tensor, hr: torch.Tensor) -> float:
    return psnr(sr, hr, BORDER).item()


def scikit_psnr(sr: torch.Tensor, hr: torch.Tensor) -> float:
    return peak_signal_noise_ratio(hr[INSIDE].numpy(), sr[INSIDE].numpy(), data_range=1.0)


def basicsr_psnr(sr: torch.Tensor, hr: torch.Tensor) -> float:
    x, y = (image[INSIDE].numpy() * 255 for image in (sr, hr))
    return 10 * np.log10(255.0**2 / np.mean((x - y) ** 2))


@pytest.mark.benchmark(group="PSNR of 10 images of 481x321")
@pytest.mark.parametrize("implementation", [srlab_psnr, scikit_psnr, basicsr_psnr])
def test_psnr(benchmark, implementation) -> None:
    pairs = list(zip(SR.split(1), HR.split(1), strict=True))
    found = benchmark(lambda: [implementation(*pair) for pair in pairs])
    assert found == pytest.approx(psnr(SR, HR, BORDER).tolist(), abs=1e-6)


MODERN = Protocol("modern", rounded_luma=False, grey_as_rgb=True)
CLASSIC = Protocol("classic", rounded_luma=True, grey_as_rgb=False)


class Store:
    """Ten images of noise, of the size of BSD100's."""

    scale, test = 4, [str(index) for index in range(COUNT)]
    pixels = np.random.default_rng(0).integers(0, 256, (320, 480, 3), dtype=np.uint8)
    reduced = reduce_bicubic(pixels, 4)

    def hr(self, name: str) -> np.ndarray:
        return self.pixels

    def lr(self, name: str) -> np.ndarray:
        return self.reduced


@pytest.mark.benchmark(group="Evaluation of 10 images of 480x320 with ESPCN, the fastest network")
@pytest.mark.parametrize("protocols", [[MODERN], [MODERN, CLASSIC]], ids=["one protocol", "both protocols"])
def test_evaluation(benchmark, tmp_path, protocols) -> None:
    method = ESPCN(4)
    method.label = "ESPCN"
    found = benchmark(
        evaluate, "espcn", method, {"noise": Store()}, 4, protocols, tmp_path / "s", 0, torch.device("cpu")
    )
    assert list(found["protocols"]) == [one.name for one in protocols]
