"""What `import srlab` offers, and the page that says so."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import smooth

import srlab
from srlab.errors import SrlabError

ROOT = Path(__file__).parents[1]
EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python.md").read_text(encoding="utf-8"), re.DOTALL)


def test_the_examples_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(smooth(0)).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    assert len(EXAMPLES) == 4
    for example in EXAMPLES:
        exec(example, names)  # one after the other, as they are read


def test_what_it_has_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonesuch'"):
        _ = srlab.nonesuch


def test_scores_are_those_of_the_protocol() -> None:
    """Against the definition: a grey image is its own luma under `classic`, of a range of 219 under `modern`."""
    hr, sr = np.full((20, 20), 100, np.uint8), np.full((20, 20), 110, np.uint8)
    assert srlab.metrics.psnr(sr, hr, 4, protocol="classic") == pytest.approx(20 * np.log10(25.5))
    assert srlab.metrics.psnr(sr, hr, 4) == pytest.approx(20 * np.log10(25.5 * 255 / 219))
    assert srlab.metrics.psnr(Image.fromarray(sr), hr[..., None], 4) == srlab.metrics.psnr(sr, hr, 4)
    assert srlab.metrics.ssim(hr, hr, 4) == 1
    with pytest.raises(SrlabError, match="there is no protocol x: choose one of classic, modern"):
        srlab.metrics.psnr(sr, hr, 4, protocol="x")


def test_a_network_gives_the_same_for_every_kind_of_image() -> None:
    model, image = srlab.load("espcn", precision="float32"), smooth(1)
    expected = model.upscale(image)
    assert expected.shape == (160, 160, 3)
    assert np.array_equal(np.asarray(model.upscale(Image.fromarray(image))), expected)
    planes = torch.from_numpy(image).permute(2, 0, 1).double() / 255
    levels = (model.upscale(planes) * 255).round().permute(1, 2, 0)
    assert np.abs(levels.numpy() - expected).max() <= 1  # a half may be rounded to either side
    assert model.upscale(planes[None]).dtype == torch.float64


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("photo.png", "not str"),
        (np.zeros((4, 4)), r"not float64 \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"not uint8 \(4, 4, 4\)"),
        (torch.zeros(4, 4), r"not torch.float32 \(4, 4\)"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), "has to be floating point"),
        (torch.full((1, 4, 4), 255.0), r"have to lie in \[0, 1\]"),
        (torch.full((1, 4, 4), float("nan")), r"have to lie in \[0, 1\]"),
        (Image.new("F", (4, 4)), "mode F has no white"),
    ],
)
def test_other_images_are_refused(image: object, message: str) -> None:
    with pytest.raises(SrlabError, match=message):
        srlab.load("espcn").upscale(image)  # pyright: ignore[reportArgumentType]
