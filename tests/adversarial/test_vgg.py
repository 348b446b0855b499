"""VGG-19 features against Caffe's definition written out, on random weights and on the real ones."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage import data
from torch import Tensor

from srlab.adversarial import vgg
from srlab.adversarial.vgg import VGGFeatures
from srlab.errors import SrlabError

WIDTHS = {1: (64, 2), 2: (128, 2), 3: (256, 4), 4: (512, 4), 5: (512, 4)}  # Simonyan and Zisserman 2015, table 1, E
Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    """Random weights in Caffe's convention, conv2_2 in 8 bit."""
    rng = np.random.default_rng(0)
    content, num_in = {}, 3
    for i, (width, num_layers) in WIDTHS.items():
        for j in range(1, num_layers + 1):
            shape = (width, num_in, 3, 3)
            if i <= 2:
                content[f"conv{i}_{j}.weight"] = rng.normal(0, np.sqrt(2 / (9 * num_in)), shape).astype(np.float32)
            else:  # never run by these tests
                content[f"conv{i}_{j}.weight"] = np.zeros(shape, dtype=np.float32)
            content[f"conv{i}_{j}.bias"] = rng.normal(0, 0.1, width).astype(np.float32)
            num_in = width
    del content["conv2_2.weight"]
    content["conv2_2.weight_u8"] = rng.integers(0, 256, (128, 128, 3, 3), dtype=np.uint8)
    content["conv2_2.weight_scale"], content["conv2_2.weight_min"] = np.float64(0.001), np.float64(-0.12)
    return content


@pytest.fixture(scope="module")
def npz(arrays: Arrays, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("vgg") / "vgg19.npz"
    np.savez(path, **arrays)
    return str(path)


@pytest.fixture
def pth(arrays: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same weights in torchvision's convention, with the digest that is asked for."""
    path = tmp_path / "vgg19.pth"
    torch.save(in_torchvisions_convention(arrays), path)
    monkeypatch.setattr(vgg, "TORCHVISION_SHA256", "")
    return str(path)


def dequantised(arrays: Mapping[str, np.ndarray], layer: str) -> Tensor:
    if f"{layer}.weight" in arrays:
        return torch.from_numpy(arrays[f"{layer}.weight"])
    steps = arrays[f"{layer}.weight_u8"].astype(np.float64)
    return torch.from_numpy(steps * arrays[f"{layer}.weight_scale"] + arrays[f"{layer}.weight_min"]).float()


def caffe_features(arrays: Mapping[str, np.ndarray], rgb: Tensor, stop: str) -> Tensor:
    """VGG-19 as its authors' Caffe model runs it: BGR in 0..255 minus the mean, ReLU, 2x2 pooling between stages."""
    x = rgb.flip(1) * 255 - torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
    for i, (_, num_layers) in WIDTHS.items():
        for j in range(1, num_layers + 1):
            layer = f"conv{i}_{j}"
            x = F.relu(F.conv2d(x, dequantised(arrays, layer), torch.from_numpy(arrays[f"{layer}.bias"]), padding=1))
            if layer == stop:
                return x
        x = F.max_pool2d(x, 2)
    raise AssertionError(stop)


def in_torchvisions_convention(arrays: Arrays) -> dict[str, Tensor]:
    """State dict whose first convolution takes (RGB - mean) / deviation in place of BGR in 0..255 minus the mean."""
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    state, position = {}, 0
    for i, (_, num_layers) in WIDTHS.items():
        for j in range(1, num_layers + 1):
            weight, bias = dequantised(arrays, f"conv{i}_{j}"), torch.from_numpy(arrays[f"conv{i}_{j}.bias"])
            if (i, j) == (1, 1):
                rgb = weight.flip(1) * 255
                offset = mean - torch.tensor([123.68, 116.779, 103.939]) / 255
                bias = bias + (rgb * offset.view(1, 3, 1, 1)).sum(dim=(1, 2, 3))
                weight = rgb * deviation.view(1, 3, 1, 1)
            state[f"features.{position}.weight"], state[f"features.{position}.bias"] = weight, bias
            position += 2
        position += 1  # the pooling
    return state


def photo() -> Tensor:
    """(1, 3, 48, 32) RGB in [0, 1]."""
    return torch.from_numpy(data.astronaut()[100:148, 200:232]).permute(2, 0, 1)[None].float() / 255


def test_npz_features_are_caffes(arrays: Arrays, npz: str) -> None:
    expected = caffe_features(arrays, photo(), "conv2_2")
    # float32, relative to the largest feature: inputs are scaled in another order
    assert (VGGFeatures(npz, "vgg22")(photo()) - expected).abs().max() < 1e-5 * expected.max()


def test_both_conventions_give_the_same_features(npz: str, pth: str) -> None:
    ours, theirs = VGGFeatures(npz, "vgg22")(photo()), VGGFeatures(pth, "vgg22")(photo())
    # Without the 3 outermost features: they see the zero padding, which stands for a slightly different mean colour.
    inner = (..., slice(3, -3), slice(3, -3))
    assert (ours[inner] - theirs[inner]).abs().max() < 1e-5 * ours.max()  # float32


@pytest.mark.parametrize(("layer", "shape"), [("vgg22", (1, 128, 24, 16)), ("vgg54", (1, 512, 3, 2))])
def test_features_are_smaller_and_gradients_pass_through_to_the_image(
    layer: str, shape: tuple[int, ...], npz: str
) -> None:
    net, image = VGGFeatures(npz, layer), photo().requires_grad_()
    features = net(image)
    assert features.shape == shape
    assert not any(parameter.requires_grad for parameter in net.parameters())
    features.sum().backward()
    assert image.grad is not None
    assert image.grad.any() == (layer == "vgg22")  # the others are made of zeros here


def test_under_autocast_images_and_features_stay_in_full_precision(npz: str) -> None:
    """Only the convolutions may round: bfloat16 has steps of a grey level where a pixel is far from the mean."""
    net = VGGFeatures(npz, "vgg22")
    normalised: list[Tensor] = []
    net.body.register_forward_pre_hook(lambda module, args: normalised.append(args[0]))
    with torch.autocast("cpu", torch.bfloat16):
        features = net(photo().bfloat16())
    expected = (photo().bfloat16().double() - net.mean.double()) / net.std.double()
    assert torch.allclose(normalised[0].double(), expected, rtol=1e-6, atol=1e-4)  # float32 numbers up to 152
    assert features.dtype == torch.float32


def arrays_of_something_else(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=np.zeros(3))


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".npz", Path.touch),
        (".npz", arrays_of_something_else),
        (".pth", lambda path: path.write_text("not found")),
        (".pth", lambda path: torch.save({"a": torch.zeros(3)}, path)),
    ],
)
def test_damaged_weights_are_refused(
    tmp_path: Path, suffix: str, write: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vgg, "TORCHVISION_SHA256", "")
    path = tmp_path / f"vgg{suffix}"
    write(path)
    with pytest.raises(SrlabError, match=r"^.* does not hold VGG-19 weights \(\w+\): set SRLAB_VGG19 .*\Z"):
        VGGFeatures(str(path), "vgg22")


def test_missing_and_other_weights_and_layers_are_named_with_the_cure(
    tmp_path: Path, pth: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    with pytest.raises(SrlabError, match=r"expected dcbb9e9d\.\.\.: set SRLAB_VGG19 to torchvision's"):
        VGGFeatures(pth, "vgg22")
    with pytest.raises(SrlabError, match=r"missing: set SRLAB_VGG19 .* or leave it unset for a download$"):
        VGGFeatures(str(tmp_path / "none.pth"), "vgg54")
    with pytest.raises(SrlabError, match="set `layer` to one of vgg22, vgg54"):
        VGGFeatures(pth, "vgg33")


@pytest.mark.data
@pytest.mark.skipif("SRLAB_DATASETS" not in os.environ, reason="SRLAB_DATASETS names no folder")
@pytest.mark.parametrize(("layer", "stop"), [("vgg22", "conv2_2"), ("vgg54", "conv5_4")])
def test_real_weights_give_caffes_features(layer: str, stop: str) -> None:
    path = Path(os.environ["SRLAB_DATASETS"], "weights/vgg19_conv_hybrid_fp32_u8.npz")
    with np.load(path) as arrays:
        expected = caffe_features(arrays, photo(), stop)
    # float32, relative to the largest feature, through up to 16 layers
    assert (VGGFeatures(str(path), layer)(photo()) - expected).abs().max() < 1e-4 * expected.max()
