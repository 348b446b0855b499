"""The packed store gives back exactly what went in, or says why not."""

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srlab.data.augmentation import build_index
from srlab.data.degradation import Bicubic
from srlab.data.images import write_png
from srlab.data.pairs import PairStore, pack
from srlab.data.sources import Folder, fetch_images
from srlab.errors import SrlabError
from srlab.files import read_json

SIZES = {"colour": (37, 50, 3), "grey": (41, 33, 1), "square": (32, 32, 3), "tall": (64, 35, 3)}


def originals() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {name: generator.integers(0, 256, size, dtype=np.uint8) for name, size in SIZES.items()}


def images_folder(folder: Path, images: dict[str, np.ndarray]) -> Path:
    for name, image in images.items():
        write_png(folder / "in" / f"{name}.png", image)
    fetch_images(Folder(str(folder / "in"), None), folder / "images", 16)
    return folder / "images"


def packed(folder: Path, images: dict[str, np.ndarray], role: str = "train", scale: int = 2) -> PairStore:
    source = images_folder(folder, images)
    index = build_index(read_json(source / "manifest.json"), role, 1, 8, seed=0)
    pack(source, index, Bicubic(scale), folder / "pairs", 16)
    return PairStore(folder / "pairs")


@pytest.fixture(scope="module", params=[2, 3, 4])
def train_store(request, tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    return packed(tmp_path_factory.mktemp("train"), originals(), "train", request.param)


@pytest.fixture(scope="module")
def test_store(tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    return packed(tmp_path_factory.mktemp("test"), originals(), "test")


def test_images_of_a_test_store_are_those_of_the_degradation(test_store: PairStore) -> None:
    for name, image in originals().items():
        hr, lr = Bicubic(2)(image)
        np.testing.assert_array_equal(test_store.hr(name), hr)
        np.testing.assert_array_equal(test_store.lr(name), lr)


def test_a_test_store_keeps_grey_images_grey(test_store: PairStore) -> None:
    assert {name: test_store.channels(name) for name in test_store.names} == {n: s[2] for n, s in SIZES.items()}


def test_a_train_store_holds_grey_images_as_equal_channels(train_store: PairStore) -> None:
    hr, lr = Bicubic(train_store.scale)(originals()["grey"])
    np.testing.assert_array_equal(train_store.hr("grey"), hr.repeat(3, axis=2))
    np.testing.assert_array_equal(train_store.lr("grey"), lr.repeat(3, axis=2))


def test_the_store_knows_split_and_counts(tmp_path: Path) -> None:
    store = packed(tmp_path, originals())
    index = build_index({"images": SIZES}, "train", 1, 8, seed=0)
    assert [list(entry) for entry in store.train] == index["train"]
    assert (store.val, store.test, store.names) == (index["val"], [], sorted(SIZES))
    assert (store.scale, store.wanted, store.got) == (2, None, 4)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    lr_patch=st.integers(1, 8),
    batch=st.integers(1, 6),
)
def test_every_crop_is_a_plain_slice_of_both_images(train_store: PairStore, data, lr_patch: int, batch: int) -> None:
    unit = st.one_of(st.floats(0, 1, exclude_max=True), st.just(float(np.nextafter(1, 0))))
    entries = np.array(data.draw(st.lists(st.integers(0, len(train_store.train) - 1), min_size=batch, max_size=batch)))
    us, vs = (np.array(data.draw(st.lists(unit, min_size=batch, max_size=batch))) for _ in range(2))
    scale = train_store.scale
    lr, hr, operations = train_store.crops(entries, us, vs, lr_patch * scale)
    for i, entry in enumerate(entries):
        name, operation = train_store.train[entry]
        height, width, _ = train_store.lr(name).shape
        top, left = int(us[i] * (height - lr_patch + 1)), int(vs[i] * (width - lr_patch + 1))
        small = train_store.lr(name)[top : top + lr_patch, left : left + lr_patch]
        large = train_store.hr(name)[scale * top :, scale * left :][: scale * lr_patch, : scale * lr_patch]
        np.testing.assert_array_equal(lr[i].transpose(1, 2, 0), small)
        np.testing.assert_array_equal(hr[i].transpose(1, 2, 0), large)
        assert operations[i] == operation


def test_crops_reach_every_position_equally(tmp_path: Path) -> None:
    store = packed(tmp_path, {name: image[:32, :32] for name, image in originals().items()})  # LR 16x16
    ramp = (np.arange(1300) + 0.5) / 1300
    lr, _, _ = store.crops(np.zeros(1300, np.int64), ramp, np.full(1300, 0.5), 8)
    _, counts = np.unique(lr.reshape(1300, -1), axis=0, return_counts=True)
    assert counts.tolist() == [100] * 13  # 16 - 4 + 1 top edges


def test_crops_are_new_arrays_of_bytes(train_store: PairStore) -> None:
    lr, hr, operations = train_store.crops(np.zeros(2, np.int64), np.zeros(2), np.zeros(2), 12)
    assert (lr.dtype, hr.dtype, operations.dtype) == (np.uint8, np.uint8, np.int64)
    assert lr.flags.writeable
    assert hr.flags.writeable


def test_a_patch_larger_than_an_image_is_refused(train_store: PairStore) -> None:
    with pytest.raises(SrlabError, match="below the patch size 48: lower patch_size"):
        train_store.crops(np.zeros(1, np.int64), np.zeros(1), np.zeros(1), 48)


def test_a_patch_that_is_no_multiple_of_scale_is_refused(train_store: PairStore) -> None:
    with pytest.raises(SrlabError, match="not a multiple of scale"):
        train_store.crops(np.zeros(1, np.int64), np.zeros(1), np.zeros(1), 13)


def test_images_cannot_be_changed_through_the_store(test_store: PairStore) -> None:
    with pytest.raises(ValueError, match="read-only"):
        test_store.hr("grey")[0, 0, 0] = 0


def test_a_pickled_store_is_small_and_reads_the_same(train_store: PairStore) -> None:
    train_store.hr("grey")
    pickled = pickle.dumps(train_store)
    assert len(pickled) < 5000  # the images alone are 20 kB
    np.testing.assert_array_equal(pickle.loads(pickled).hr("grey"), train_store.hr("grey"))


def test_packing_twice_gives_the_same_digest(tmp_path: Path) -> None:
    assert packed(tmp_path / "a", originals()).digest == packed(tmp_path / "b", originals()).digest


def test_one_changed_pixel_changes_the_digest(tmp_path: Path) -> None:
    images = originals()
    before = packed(tmp_path / "a", images).digest
    images["tall"][0, 0, 0] ^= 1
    assert packed(tmp_path / "b", images).digest != before


@pytest.mark.parametrize("change", [{"num_val": 2}, {"operations": 1}])
def test_another_split_changes_the_digest(tmp_path: Path, change: dict[str, int]) -> None:
    source = images_folder(tmp_path, originals())
    manifest = read_json(source / "manifest.json")
    for name, arguments in (("a", {}), ("b", change)):
        index = build_index(manifest, "train", **{"num_val": 1, "operations": 8, **arguments}, seed=0)
        pack(source, index, Bicubic(2), tmp_path / name, 16)
    assert PairStore(tmp_path / "a").digest != PairStore(tmp_path / "b").digest


def test_the_buffers_are_the_images_one_after_the_other(test_store: PairStore) -> None:
    flat = np.load(test_store.folder / "hr.npy")
    joined = b"".join(test_store.hr(name).tobytes() for name in sorted(SIZES))
    assert hashlib.sha256(flat.tobytes()).digest() == hashlib.sha256(joined).digest()


def test_an_exception_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    class Failing(Bicubic):
        calls = 0

        def __call__(self, hr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            self.calls += 1
            if self.calls == 3:
                raise KeyboardInterrupt
            return super().__call__(hr)

    source = images_folder(tmp_path, originals())
    index = build_index(read_json(source / "manifest.json"), "test", 0, 1, seed=0)
    with pytest.raises(KeyboardInterrupt):
        pack(source, index, Failing(2), tmp_path / "pairs", 16)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "in"]


def test_every_image_that_is_too_small_is_named(tmp_path: Path) -> None:
    source = images_folder(tmp_path, originals())
    index = build_index(read_json(source / "manifest.json"), "train", 1, 8, seed=0)
    with pytest.raises(SrlabError) as caught:
        pack(source, index, Bicubic(4), tmp_path / "pairs", 36)
    lines = str(caught.value).splitlines()
    assert [Path(line.split(" is ")[0]).name for line in lines] == ["grey.png", "square.png", "tall.png"]
    assert "is 32x40 px; the smallest usable side is 36" in lines[0]  # 33x41 cut to multiples of 4


def test_an_image_that_is_not_the_manifests_is_refused(tmp_path: Path) -> None:
    source = images_folder(tmp_path, originals())
    write_png(source / "tall.png", np.zeros((64, 64, 3), np.uint8))
    index = build_index(read_json(source / "manifest.json"), "test", 0, 1, seed=0)
    with pytest.raises(SrlabError, match=r"tall\.png is not the image that its manifest describes"):
        pack(source, index, Bicubic(2), tmp_path / "pairs", 16)


@pytest.mark.parametrize("file", ["hr.npy", "lr.npy", "index.json"])
def test_a_missing_file_names_itself_and_the_cure(tmp_path: Path, file: str) -> None:
    folder = packed(tmp_path, originals()).folder
    (folder / file).unlink()
    with pytest.raises(SrlabError, match=f"{file} is missing: run `dvc repro`"):
        PairStore(folder)


@pytest.mark.parametrize("file", ["hr.npy", "lr.npy", "index.json"])
@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.99])
def test_a_shortened_file_is_noticed_at_once(tmp_path: Path, file: str, keep: float) -> None:
    folder = packed(tmp_path, originals()).folder
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(SrlabError, match=r"is damaged .* run `dvc repro`"):
        PairStore(folder)


def test_an_index_of_another_store_is_noticed(tmp_path: Path) -> None:
    folder = packed(tmp_path, originals()).folder
    index = json.loads((folder / "index.json").read_text())
    index["images"].popitem()
    (folder / "index.json").write_text(json.dumps(index))
    with pytest.raises(SrlabError, match=r"is not what index\.json says"):
        PairStore(folder)
