"""How a model enlarges: alpha, depth, back-projection, precision, and what happens when memory runs out."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import smooth

import srlab
from srlab.errors import SrlabError
from srlab.images.resample import imresize
from srlab.use.load import load_method
from srlab.use.model import Model


def cut_out(hidden: tuple[int, int, int]) -> Image.Image:
    """A disc of one colour; what lies under alpha 0 has another."""
    rows, columns = np.mgrid[:48, :60]
    rgba = np.full((48, 60, 4), (*hidden, 0), np.uint8)
    rgba[(rows - 24) ** 2 + (columns - 30) ** 2 < 300] = (200, 150, 60, 255)
    return Image.fromarray(rgba)


@pytest.mark.parametrize("hidden", [(0, 0, 0), (255, 255, 255), (0, 255, 0)])
@pytest.mark.parametrize("name", ["espcn", "bicubic"])
def test_no_fringe_has_the_colour_of_what_is_hidden(hidden: tuple[int, int, int], name: str) -> None:
    model = load_method("bicubic") if name == "bicubic" else srlab.load(name)
    sr = np.asarray(model.upscale(cut_out(hidden))).astype(int)
    flat = np.asarray(model.upscale(Image.new("RGB", (60, 48), (200, 150, 60)))).astype(int)
    visible = sr[..., 3] > 0
    assert np.abs(sr[..., :3] - flat)[visible].max() <= 1
    assert sr[96, 120, 3] == 255  # what was opaque is
    assert sr[0, 0, 3] == 0


def test_opaque_photos_come_out_without_alpha() -> None:
    opaque = Image.merge("RGBA", (*Image.fromarray(smooth(0)).split(), Image.new("L", (40, 40), 255)))
    sr = srlab.load("espcn").upscale(opaque)
    assert sr.mode == "RGB"
    assert np.array_equal(np.asarray(sr), srlab.load("espcn").upscale(smooth(0)))


def test_sixteen_bits_are_kept() -> None:
    model = srlab.load("espcn", precision="float32")
    deep = smooth(2).astype(np.uint16) * 257
    sr = model.upscale(deep)
    assert sr.dtype == np.uint16
    assert np.unique(sr).size > 10_000  # 256 if it went through 8 bits
    assert np.abs(sr / 257 - model.upscale(smooth(2))).max() <= 0.51  # half a level, and its rounding


@pytest.mark.parametrize("name", ["espcn", "srresnet"])
def test_back_projection_gives_the_input_again(name: str) -> None:
    lr = torch.from_numpy(smooth(3)).permute(2, 0, 1)[None].float() / 255

    def error(**how: bool) -> float:
        return float((imresize(srlab.load(name, **how).upscale(lr), scale=1 / 4) - lr).abs().max()) * 255

    assert error(back_project=True) < 0.5 < error()


def test_back_projection_in_windows_is_that_of_the_whole() -> None:
    lr = torch.rand(1, 1, 30, 90, generator=torch.Generator().manual_seed(0))
    whole, tiled = (srlab.load("espcn", back_project=True, tile=tile).upscale(lr) for tile in (0, 60))
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("precision", "has_bf16", "depth", "dtype"),
    [
        ("auto", True, np.uint8, torch.bfloat16),
        ("auto", False, np.uint8, torch.float32),
        ("auto", True, np.uint16, torch.float32),
        ("float32", True, np.uint8, torch.float32),
        ("bfloat16", True, np.uint16, torch.bfloat16),
    ],
)
def test_the_precision(
    precision: str, has_bf16: bool, depth: type, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srlab.use.model.cpu_has_bf16", lambda: has_bf16)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    image, seen = smooth(0)[:8, :8].astype(depth), []
    model = srlab.load("espcn", precision=precision)
    for method in {model._exact, model._fastest}:
        method.net.body.register_forward_pre_hook(lambda _, given: seen.append(given[0].dtype))
    model.upscale(image)
    assert seen == [dtype]


def test_bf16_is_at_most_a_grey_level_off(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, fast = (srlab.load("srresnet", precision=p).upscale(smooth(1)[:20, :20]) for p in ("float32", "bfloat16"))
    assert 0 < np.abs(exact.astype(int) - fast).max() <= 2
    assert np.abs(exact.astype(int) - fast).mean() < 0.5


def short_of_memory(model: Model, largest: int, error: Exception) -> list[int]:
    """Let `model` fail on windows of over `largest` px; the list will hold the sides it was tried on."""
    tried, upscale = [], model._fastest.upscale

    def limited(lr: torch.Tensor, scale: int) -> torch.Tensor:
        tried.append(max(lr.shape[2:]))
        if max(lr.shape[2:]) > largest:
            raise error
        return upscale(lr, scale)

    assert model._overlap and model._bytes_per_pixel  # measured before
    model._fastest.upscale = limited  # pyright: ignore[reportAttributeAccessIssue]
    return tried


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory"), torch.OutOfMemoryError()]
)
def test_windows_are_halved_when_memory_runs_out(error: Exception) -> None:
    model, image = srlab.load("espcn", precision="float32"), np.tile(smooth(0), (2, 2, 1))
    expected = model.upscale(image)
    tried = short_of_memory(model, 25, error)
    difference = np.abs(model.upscale(image).astype(int) - expected)
    assert difference.max() <= 1  # 1e-6 of white moves what lies at a half: 4 of 307,200 values were seen
    assert np.mean(difference > 0) < 1e-4
    assert sorted(set(tried)) == [20, 40, 80]


def test_other_errors_are_not_taken_for_it_and_there_is_an_end() -> None:
    model = srlab.load("espcn")
    short_of_memory(model, 0, MemoryError())
    with pytest.raises(SrlabError, match="memory is too short for ESPCN on 40x40 px: cut it"):
        model.upscale(smooth(0))
    model = srlab.load("espcn")
    short_of_memory(model, 0, RuntimeError("something else"))
    with pytest.raises(RuntimeError, match="something else"):
        model.upscale(smooth(0))


def test_a_tile_that_keeps_nothing_is_refused() -> None:
    with pytest.raises(SrlabError, match="a tile of 8 px keeps nothing: ESPCN sees 4 px far, so set 9 or more, or 0"):
        srlab.load("espcn", tile=8).upscale(smooth(0))
