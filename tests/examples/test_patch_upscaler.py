"""What every example-based method does around its estimate."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from srlab.evaluation.cost import MultiplyAdds
from srlab.examples import upscaler
from srlab.examples.anchored import Anchored
from srlab.examples.neighbours import LocallyLinear, NonNegative
from srlab.examples.sparse import SparseCoding
from srlab.examples.upscaler import PatchUpscaler
from srlab.images.colour import rgb_to_ycbcr
from srlab.images.resample import imresize
from srlab.models.base.network import Upscaler
from srlab.models.base.weights import save_tensors

DIMENSIONS, ATOMS = 6, 20
METHODS: dict[str, Callable[[int, str], PatchUpscaler]] = {
    "ne_lle": lambda scale, path: LocallyLinear("NE+LLE", scale, path, 4, 1e-4),
    "ne_nnls": lambda scale, path: NonNegative("NE+NNLS", scale, path, 4),
    "zeyde": lambda scale, path: SparseCoding("Zeyde", scale, path, 3),
    "anr": lambda scale, path: Anchored("ANR", scale, path),
}
every_method = pytest.mark.parametrize("build", METHODS.values(), ids=METHODS)
every_scale = pytest.mark.parametrize("scale", [2, 3, 4, 8])


class Constant(PatchUpscaler):
    """Estimates the same detail for every patch: each pixel of it is `value`."""

    def __init__(self, scale: int, dictionary: str, value: float) -> None:
        super().__init__("Constant", scale, dictionary, set())
        self.value = value

    def estimate(self, features: Tensor) -> Tensor:
        return features.new_full((len(features), (3 * self.scale) ** 2), self.value)


def random(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def picture(channels: int, height: int = 9, width: int = 7) -> Tensor:
    """Random (2, channels, height, width) in [0, 1]."""
    return torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(0))


def saved(folder: Path, scale: int, names: tuple[str, ...]) -> str:
    """A dictionary of random atoms, whose details are small against the image."""
    atoms, area = random(ATOMS, DIMENSIONS, seed=1), (3 * scale) ** 2
    tensors = {
        "projection": random(4 * area, DIMENSIONS, seed=2) / area**0.5,
        "atoms": atoms / atoms.norm(dim=1, keepdim=True),
        "details": 0.1 * random(ATOMS, area, seed=3),
        "anchors": atoms / atoms.norm(dim=1, keepdim=True),
        "regressions": 0.1 * random(ATOMS, area, DIMENSIONS, seed=4),
    }
    path = folder / "dictionary.safetensors"
    save_tensors(path, {name: tensors[name] for name in ("projection", *names)}, {"scale": str(scale)})
    return str(path)


def built(build: Callable[[int, str], PatchUpscaler], folder: Path, scale: int) -> PatchUpscaler:
    names = ("anchors", "regressions") if build is METHODS["anr"] else ("atoms", "details")
    return build(scale, saved(folder, scale, names))


@pytest.mark.parametrize(("scale", "channels"), [(2, 3), (3, 1), (8, 3)])
@every_method
def test_images_grow_by_the_scale(build, tmp_path: Path, scale: int, channels: int) -> None:
    method, lr = built(build, tmp_path, scale), picture(channels)
    assert isinstance(method, Upscaler)
    assert not any(parameter.requires_grad for parameter in method.parameters())
    enlarged = method.upscale(lr, scale)
    assert enlarged.shape == (2, channels, 9 * scale, 7 * scale)
    assert not torch.allclose(enlarged, imresize(lr, scale=scale).clamp(0, 1), atol=0.01)  # it does something


@pytest.mark.parametrize("side", [1, 5])
@every_method
def test_small_and_flat_images_are_enlarged(build, side: int, tmp_path: Path) -> None:
    method = built(build, tmp_path, 4)
    enlarged = method.upscale(torch.full((1, 1, side, side), 0.5), 4)
    assert enlarged.shape == (1, 1, 4 * side, 4 * side)
    assert enlarged.isfinite().all()


@every_method
def test_multiply_adds_are_those_that_torch_itself_counts(build, tmp_path: Path) -> None:
    method, image = built(build, tmp_path, 2), picture(1)
    with FlopCounterMode(display=False) as torchs:
        method.upscale(image, 2)
    with MultiplyAdds() as counter:
        method.upscale(image, 2)
    assert counter.total == torchs.get_total_flops() / 2 > 0


@every_method
def test_each_image_of_a_batch_is_enlarged_alone(build, tmp_path: Path) -> None:
    method, lr = built(build, tmp_path, 2), picture(1)
    alone = torch.cat([method.upscale(image[None], 2) for image in lr])
    assert torch.equal(method.upscale(lr, 2), alone)


@every_method
def test_strips_do_not_show(build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method, lr = built(build, tmp_path, 3), picture(1)
    whole = method(lr)
    for size in (1, 20, 40):  # below a row of patches, two rows, four rows
        monkeypatch.setattr(upscaler, "CHUNK", size)
        # Matrix products of other shapes add up in another order, in float32, and the covariances of NE+LLE have a
        # condition of up to 1e4.
        torch.testing.assert_close(method(lr), whole, atol=1e-4, rtol=0)


@every_scale
def test_every_pixel_is_the_mean_of_the_patches_that_cover_it(tmp_path: Path, scale: int) -> None:
    """Also those of the border: a detail that is 0.125 everywhere is added as 0.125 everywhere."""
    method, lr = Constant(scale, saved(tmp_path, scale, ()), 0.125), picture(1)
    torch.testing.assert_close(method(lr), imresize(lr, scale=scale) + 0.125, atol=1e-6, rtol=0)  # float32


def test_a_turned_image_gives_the_turned_features(tmp_path: Path) -> None:
    """Nine patches of 3x3 LR pixels cover a pixel, wherever it is: mirrored continuation on all four sides."""
    seen = []

    class Spy(Constant):
        def estimate(self, features: Tensor) -> Tensor:
            seen.append(features)
            return super().estimate(features)

    path = saved(tmp_path, 2, ())
    method, lr = Spy(2, path, 0.0), picture(1, 6, 6)[:1]
    method.projection.data = torch.eye(144)  # the features as they are
    method(lr)
    method(lr.flip(-1))
    plain, mirrored = (features.view(8, 8, 4, 6, 6) for features in seen)
    laplacians = mirrored.flip(1).flip(-1)[:, :, 2:]
    torch.testing.assert_close(laplacians, plain[:, :, 2:], atol=1e-6, rtol=0)  # float32


@every_method
def test_luma_alone_is_estimated(build, tmp_path: Path) -> None:
    method, lr = built(build, tmp_path, 2), 0.4 + 0.2 * picture(3)  # far from the limits, where nothing is clipped
    enlarged = rgb_to_ycbcr(method.upscale(lr, 2))
    ycbcr = rgb_to_ycbcr(lr)
    torch.testing.assert_close(enlarged[:, 1:], imresize(ycbcr[:, 1:], scale=2), atol=1e-5, rtol=0)
    torch.testing.assert_close(enlarged[:, :1], method(ycbcr[:, :1]), atol=1e-5, rtol=0)
