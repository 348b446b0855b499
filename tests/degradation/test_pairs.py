"""The packed store gives back exactly what went in, or says why not."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores import SIZES, images_folder, originals, packed

from srlab.datasets.augmentation import build_index
from srlab.degradation.imaging import Bicubic
from srlab.degradation.packing import pack
from srlab.degradation.pairs import PairStore
from srlab.errors import SrlabError
from srlab.files import read_json


@pytest.fixture(scope="module", params=[2, 3])
def train_store(request, tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    return packed(tmp_path_factory.mktemp("train"), originals(), "train", request.param)


def test_a_test_store_holds_the_images_of_the_degradation_grey_ones_in_one_channel(tmp_path: Path) -> None:
    store = packed(tmp_path, originals(), "test")
    for name, image in originals().items():
        hr, lr = Bicubic(2)(image)
        np.testing.assert_array_equal(store.hr(name), hr)
        np.testing.assert_array_equal(store.lr(name), lr)
    with pytest.raises(ValueError, match="read-only"):
        store.hr("grey")[0, 0, 0] = 0


def test_a_train_store_holds_grey_images_as_equal_channels(train_store: PairStore) -> None:
    hr, lr = Bicubic(train_store.scale)(originals()["grey"])
    np.testing.assert_array_equal(train_store.hr("grey"), hr.repeat(3, axis=2))
    np.testing.assert_array_equal(train_store.lr("grey"), lr.repeat(3, axis=2))


def test_the_store_knows_split_and_counts(tmp_path: Path) -> None:
    store = packed(tmp_path, originals())
    index = build_index({"images": {name: {"sha256": name} for name in SIZES}}, "train", 1, 8, seed=0)
    assert [list(entry) for entry in store.train] == index["train"]
    assert (store.val, store.test, store.names) == (index["val"], [], sorted(SIZES))
    assert (store.scale, store.wanted, store.got) == (2, None, 4)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), lr_patch=st.integers(1, 8), batch=st.integers(1, 6))
def test_every_crop_is_a_plain_slice_of_both_images(train_store: PairStore, data, lr_patch: int, batch: int) -> None:
    unit = st.one_of(st.floats(0, 1, exclude_max=True), st.just(float(np.nextafter(1, 0))))
    entries = np.array(data.draw(st.lists(st.integers(0, len(train_store.train) - 1), min_size=batch, max_size=batch)))
    us, vs = (np.array(data.draw(st.lists(unit, min_size=batch, max_size=batch))) for _ in range(2))
    scale = train_store.scale
    lr, hr, operations = train_store.crops(entries, us, vs, lr_patch * scale)
    assert lr.flags.writeable and hr.flags.writeable  # new arrays, which torch takes as they are
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


@pytest.mark.parametrize(("patch", "message"), [
    (48, r"^\w+ of \S+ has a side of \d+ px, below the patch size 48: lower patch_size"),
    (13, "not a multiple of scale"),
])  # fmt: skip
def test_a_patch_that_does_not_fit_is_refused(train_store: PairStore, patch: int, message: str) -> None:
    with pytest.raises(SrlabError, match=message):
        train_store.crops(np.zeros(1, np.int64), np.zeros(1), np.zeros(1), patch)


def test_a_pickled_store_is_small_and_reads_the_same(train_store: PairStore) -> None:
    pickled = pickle.dumps(train_store)
    assert len(pickled) < 5000  # the images alone are 20 kB
    np.testing.assert_array_equal(pickle.loads(pickled).hr("grey"), train_store.hr("grey"))


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


# --- damage


@pytest.mark.parametrize("file", ["hr.npy", "lr.npy", "index.json"])
def test_a_missing_file_names_itself_and_the_cure(tmp_path: Path, file: str) -> None:
    folder = packed(tmp_path, originals()).folder
    (folder / file).unlink()
    with pytest.raises(SrlabError, match=f"{file} is missing: run `dvc repro`"):
        PairStore(folder)


@pytest.mark.parametrize("file", ["hr.npy", "lr.npy", "index.json"])
@pytest.mark.parametrize("keep", [0.0, 0.01, 0.99])
def test_a_shortened_file_is_noticed_at_once(tmp_path: Path, file: str, keep: float) -> None:
    folder = packed(tmp_path, originals()).folder
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(SrlabError, match=r"is damaged .* run `dvc repro`"):
        PairStore(folder)


@pytest.mark.parametrize(("changes", "message"), [
    ({"version": 1}, "no packed store of version 2"),
    ({"format": "other pairs"}, "no packed store of version 2"),
    ({"wanted": 17}, r"damaged \(index\.json was changed\)"),
    ({"images": {}}, r"damaged \(hr\.npy is not what index\.json says\)"),
])  # fmt: skip
def test_an_index_of_another_kind_is_refused_in_one_line(tmp_path: Path, changes: dict, message: str) -> None:
    folder = packed(tmp_path, originals()).folder
    (folder / "index.json").write_text(json.dumps(read_json(folder / "index.json") | changes))
    with pytest.raises(SrlabError, match=message) as caught:
        PairStore(folder)
    assert "\n" not in str(caught.value)


def test_an_index_that_is_a_list_is_no_store(tmp_path: Path) -> None:
    folder = packed(tmp_path, originals()).folder
    (folder / "index.json").write_text("[1, 2]\n")
    with pytest.raises(SrlabError, match="no packed store"):
        PairStore(folder)
