"""What all reconstruction methods share: colour, what they assume, what they refuse, what they gain."""

from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import torch
from degradations import imaging
from eras import classic_psnr, pixels
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from skimage.data import astronaut
from standard_sets import standard_images
from torch import Tensor

from srlab.classical.burst import Burst
from srlab.classical.ibp import IBP
from srlab.classical.map_huber import MapHuber
from srlab.classical.map_tv import MapTV
from srlab.classical.observation import Frame, observation
from srlab.classical.pocs import POCS
from srlab.classical.reconstruction import Reconstruction
from srlab.degradation.imaging import Bicubic, DrawnImaging, Imaging
from srlab.errors import SrlabError
from srlab.images.colour import rgb_to_ycbcr
from srlab.images.resample import imresize
from srlab.models.base.network import Upscaler

ROOT = Path(__file__).parents[2]
PARAMS = ROOT / "params.yaml"
NAMES = ("ibp", "pocs", "map_tv", "map_huber")
MAKERS: dict[str, Callable[[Bicubic | Imaging], Reconstruction]] = {
    "ibp": lambda d: IBP(d, "IBP", 20, "bicubic"),
    "pocs": lambda d: POCS(d, "POCS", 20, 0.5, 1.5, 1.9),
    "map_tv": lambda d: MapTV(d, "MAP-TV", 60, 5.0, 1.0),
    "map_huber": lambda d: MapHuber(d, "MAP-Huber", 60, 30.0, 0.01, 1.0),
}
every_method = pytest.mark.parametrize("name", NAMES)
HR = astronaut()[:144, 160:304]


@every_method
@pytest.mark.parametrize(("scale", "channels"), [(2, 3), (3, 1), (8, 3)])
def test_every_scale_beats_bicubic(name: str, scale: int, channels: int) -> None:
    hr, lr = Bicubic(scale)(HR[..., :channels])
    method = MAKERS[name](Bicubic(scale))
    assert isinstance(method, Upscaler)
    sr = method.upscale(pixels(lr), scale)
    assert sr.shape == (1, *np.moveaxis(hr, 2, 0).shape)
    assert 0 <= sr.min() <= sr.max() <= 1
    assert classic_psnr(sr, hr, scale) > classic_psnr(imresize(pixels(lr), scale=scale).clamp(0, 1), hr, scale)


@every_method
def test_a_blur_and_noise_that_it_is_told_of_is_undone(name: str) -> None:
    blurred = imaging(4, sigma=(1.6, 1.6), noise=(1.0, 1.0))
    hr, lr = blurred.draw("astronaut")(HR)
    told, untold = (MAKERS[name](degradation).upscale(pixels(lr), 4) for degradation in (blurred, Bicubic(4)))
    plain = imresize(pixels(lr), scale=4).clamp(0, 1)
    assert classic_psnr(told, hr, 4) > classic_psnr(plain, hr, 4) + 1
    assert classic_psnr(told, hr, 4) > classic_psnr(untold, hr, 4) + 0.3


@every_method
def test_four_frames_are_better_than_one(name: str) -> None:
    frames = Burst(4, 0, 4, 1.2, 1.0)("astronaut", HR)
    one, four = (MAKERS[name](Bicubic(4)).fuse(frames[:count]) for count in (1, 4))
    plain = imresize(frames[0].lr, scale=4).clamp(0, 1)
    assert classic_psnr(four, HR, 4) > classic_psnr(plain, HR, 4) + 1  # the demand of the comparison
    assert classic_psnr(four, HR, 4) > classic_psnr(one, HR, 4) + 0.3


@every_method
def test_chroma_is_bicubic_and_luma_that_of_the_grey_image(name: str) -> None:
    lr = pixels(Bicubic(4)(HR)[1]) * 0.5 + 0.25  # no colour at the ends of the range, where clipping would mix them
    method = MAKERS[name](Bicubic(4))
    found = rgb_to_ycbcr(method.upscale(lr, 4))
    expected = imresize(rgb_to_ycbcr(lr)[:, 1:], scale=4)
    torch.testing.assert_close(found[:, 1:], expected, rtol=0, atol=1e-5)  # float32 there and back


def test_the_noise_of_luma_is_less_than_that_of_its_channels() -> None:
    class Listening(Reconstruction):
        def reconstruct(self, frames):
            self.heard = frames
            return imresize(frames[0].lr, scale=4)

    method = Listening(Bicubic(4), "listening", 1)
    noise = torch.randn(1, 3, 300, 300, generator=torch.Generator().manual_seed(0)) * 0.02
    method.fuse([Frame(0.5 + noise, method.nominal, 0.02**2)])
    frame = method.heard[0]
    # 90,000 samples: the relative standard error of a variance is 0.5 %
    assert frame.lr.var().item() == pytest.approx(frame.variance, rel=0.02)


OPERATOR = observation(DrawnImaging(4, "bicubic", {}))


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda method: method.upscale(torch.rand(1, 1, 8, 8), 3), "inverts a degradation by 4, asked for x3"),
        (lambda method: method.upscale(torch.rand(1, 2, 8, 8), 4), "images must be"),
        (lambda method: method.upscale(torch.rand(3, 8, 8), 4), "images must be"),
        (
            lambda method: method.fuse([Frame(torch.rand(1, 1, 8, width), OPERATOR, 0.0) for width in (8, 9)]),
            r"\(1, 1, 8, 8\) x4, \(1, 1, 8, 9\) x4",
        ),
    ],
)
def test_what_does_not_fit_is_refused(use: Callable[[Reconstruction], Tensor], message: str) -> None:
    with pytest.raises(SrlabError, match=message):
        use(MAKERS["ibp"](Bicubic(4)))


@every_method
def test_no_iterations_are_refused(name: str) -> None:
    arguments = {"ibp": ("bicubic",), "pocs": (1.0, 2.0, 1.0), "map_tv": (1.0, 1.0), "map_huber": (1.0, 0.1, 1.0)}[name]
    with pytest.raises(SrlabError, match="0 iterations: let it have at least 1"):
        type(MAKERS[name](Bicubic(2)))(Bicubic(2), name, 0, *arguments)


@pytest.fixture
def tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Reconstruction]:
    """Makes a method with the settings of the profile."""
    (tmp_path / "params.yaml").write_text(PARAMS.read_text())
    monkeypatch.chdir(tmp_path)

    def made(name: str, kind: str = "bicubic", scale: int = 4) -> Reconstruction:
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            words = [f"model={name}", f"scale={scale}", f"degrade.kind={kind}"]
            return instantiate(compose("evaluate", words).model.method)

    return made


@every_method
@pytest.mark.parametrize(("kind", "terms"), [("bicubic", set()), ("full", {"sigma", "noise"})])
def test_the_config_builds_it_around_the_degradation_of_the_lr_images(
    name: str, kind: str, terms: set[str], tuned: Callable[..., Reconstruction]
) -> None:
    method = tuned(name, kind, 3)
    assert isinstance(method, type(MAKERS[name](Bicubic(3))))
    assert method.nominal.scale == 3
    assert method.nominal.draw.parameters.keys() == terms


# On the public sets.


@pytest.mark.data
@pytest.mark.parametrize(("name", "least"), [("ibp", 29.1), ("pocs", 28.6), ("map_tv", 28.9), ("map_huber", 28.9)])
def test_set5_is_enlarged_better_than_by_bicubic(name: str, least: float, tuned: Callable[..., Reconstruction]) -> None:
    """Bicubic has 28.42 dB. 29.1 lies just below what others have measured for back-projection (29.20)."""
    method = tuned(name)
    pairs = [Bicubic(4)(image) for image in standard_images("Set5").values()]
    assert fmean(classic_psnr(method.upscale(pixels(lr), 4), hr, 4) for hr, lr in pairs) > least
