"""What is cut from a packed store: which images, at which sizes, how many patches."""

from pathlib import Path

import numpy as np
import pytest
import torch
from degradations import imaging

from srlab.datasets.sources import Folder, fetch_images
from srlab.degradation.imaging import Bicubic, Imaging
from srlab.degradation.packing import pack
from srlab.degradation.pairs import PairStore
from srlab.errors import SrlabError
from srlab.examples.samples import Samples, principal_axes
from srlab.images.files import write_png
from srlab.images.resample import imresize


def packed(folder: Path, degradation: Bicubic | Imaging, train: list[list], val: list[str]) -> PairStore:
    """Three images of smooth noise, of 57x40 to 61x40 px."""
    generator = torch.Generator().manual_seed(0)
    for number in range(3):
        image = imresize(torch.rand(3, 20, 20, generator=generator), size=(57 + 2 * number, 40)).clamp(0, 1)
        write_png(folder / "in" / f"{number}.png", (image.permute(1, 2, 0) * 255).byte().numpy())
    fetch_images(Folder(str(folder / "in"), None), folder / "images", 16)
    pack(folder / "images", {"train": train, "val": val, "test": []}, degradation, folder / "pairs", 16)
    return PairStore(folder / "pairs")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    """x2; images 0 and 2 for training, in all turns, and 1 for validation."""
    train = [[name, operation] for name in ("0", "2") for operation in range(8)]
    return packed(tmp_path_factory.mktemp("bicubic"), Bicubic(2), train, ["1"])


def test_each_training_image_counts_once_and_validation_is_left_out(store: PairStore) -> None:
    assert [name for name, _ in Samples(store, 1).entries] == ["0", "2"]


def test_features_and_details_belong_together(store: PairStore) -> None:
    """Patch 0 lies one LR pixel (2 px) inside; its detail is HR minus the bicubic enlargement of LR, in luma."""
    features, details = next(Samples(store, 1).pairs("test"))
    weights = torch.tensor([65.481, 128.553, 24.966]) / 255  # BT.601, studio range
    hr, lr = (torch.tensor(pixels) / 255 @ weights + 16 / 255 for pixels in (store.hr("0"), store.lr("0")))
    mid = imresize(lr[None], scale=2)[0]
    torch.testing.assert_close(details[0].view(6, 6), (hr - mid)[2:8, 2:8], atol=1e-6, rtol=0)  # float32
    horizontal = mid[2:8, 3:9] - mid[2:8, 1:7]
    torch.testing.assert_close(features[0, :36].view(6, 6), horizontal, atol=1e-6, rtol=0)


def test_sizes_go_down_from_that_of_the_store(store: PairStore) -> None:
    assert [factor for _, factor in Samples(store, 1, levels=3, shrink=0.9).entries] == [1, 1, 0.9, 0.9, 0.81, 0.81]


def test_smaller_sizes_are_reduced_images_with_lr_of_their_own(store: PairStore) -> None:
    lr, hr = Samples(store, 1, levels=2, shrink=0.8).images("0", 0.8)
    assert hr.shape == (1, 1, 44, 32)  # 56 and 40 times 0.8, rounded up and cut to even numbers
    expected = imresize(hr, scale=0.5)
    # LR is rounded per colour after each pass: within 1/2 * 1.25 + 1/2 levels (1.25: sum of the weights' sizes)
    assert (lr - expected).abs().max() <= 1.125 / 255


@pytest.mark.parametrize("levels", [1, 4])
def test_the_number_of_pairs_is_known_beforehand(store: PairStore, levels: int) -> None:
    samples = Samples(store, 1, levels, 0.93)
    assert len(samples) == sum(len(features) for features, _ in samples.pairs("test"))


def test_several_sizes_of_an_unknown_camera_are_refused(tmp_path: Path) -> None:
    store = packed(tmp_path, imaging(sigma=(1.0, 2.0)), [["0", 0]], [])
    with pytest.raises(SrlabError, match=r"degraded by Imaging\(.*set `levels` of the method to 1 in params.yaml"):
        Samples(store, 1, levels=2, shrink=0.98)


def test_fewer_pairs_are_drawn_from_all_images(store: PairStore) -> None:
    samples = Samples(store, 1)
    axes = torch.eye(144)[:, :5]
    (every, details), (some, few) = samples.gather(axes, 10**6, seed=1), samples.gather(axes, 100, seed=1)
    assert (len(every), len(some)) == (len(samples), 100)
    place = {row.numpy().tobytes(): number for number, row in enumerate(torch.cat([every, details], 1))}
    found = [place[row.numpy().tobytes()] for row in torch.cat([some, few], 1)]
    assert found == sorted(set(found))
    assert min(found) < samples.counts[0] < max(found)
    assert torch.equal(some, samples.gather(axes, 100, seed=1)[0])
    assert not torch.equal(some, samples.gather(axes, 100, seed=2)[0])


@pytest.mark.parametrize("energy", [0.9, 0.999])
def test_axes_are_the_fewest_that_keep_the_energy(store: PairStore, energy: float) -> None:
    samples = Samples(store, 1)
    axes = principal_axes(samples, energy)
    features = torch.cat([features for features, _ in samples.pairs("test")]).double().numpy()
    squares = np.linalg.svd(features, compute_uv=False) ** 2
    shares = squares.cumsum() / squares.sum()
    assert axes.shape[1] == np.argmax(shares >= energy) + 1
    kept = np.square(features @ axes.double().numpy()).sum() / np.square(features).sum()
    assert kept == pytest.approx(shares[axes.shape[1] - 1], abs=1e-5)  # axes are float32
    np.testing.assert_allclose(axes.T @ axes, np.eye(axes.shape[1]), atol=1e-5)


def test_images_smaller_than_a_patch_are_refused(tmp_path: Path) -> None:
    store = packed(tmp_path, Bicubic(16), [["0", 0]], [])  # LR of 3x2 px
    with pytest.raises(SrlabError, match="has no training image of a patch's size"):
        principal_axes(Samples(store, 1), 0.999)
