"""Turns and flips: eight different ones, the same for arrays and batches, commuting with the reduction."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from srlab.datasets.augmentation import build_index
from srlab.errors import SrlabError
from srlab.images.turns import OPERATIONS, transform, transform_batch

CORNERS = np.array([[1, 2], [3, 4]])[..., None]


def manifest(*names: str) -> dict:
    return {"images": {name: {"sha256": f"pixels of {name}"} for name in names}}


MANY = manifest(*(f"image{i:02}" for i in range(20)))


# By hand: quarter turns go counter-clockwise, the flip exchanges top and bottom afterwards.
@pytest.mark.parametrize(("operation", "expected"), enumerate([
    [[1, 2], [3, 4]], [[3, 4], [1, 2]],
    [[2, 4], [1, 3]], [[1, 3], [2, 4]],
    [[4, 3], [2, 1]], [[2, 1], [4, 3]],
    [[3, 1], [4, 2]], [[4, 2], [3, 1]],
]))  # fmt: skip
def test_each_operation_moves_the_corners_where_it_says(operation: int, expected: list[list[int]]) -> None:
    assert transform(CORNERS, operation)[..., 0].tolist() == expected


def test_an_oblong_image_has_its_sides_exchanged_by_odd_turns() -> None:
    shapes = [transform(np.zeros((3, 5, 1)), operation).shape[:2] for operation in range(len(OPERATIONS))]
    assert shapes == [(3, 5), (3, 5), (5, 3), (5, 3)] * 2


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_batch_is_transformed_like_its_images_one_by_one(dtype: torch.dtype) -> None:
    x = torch.randint(0, 256, (24, 3, 6, 6)).to(dtype)
    operations = torch.arange(24) % 8
    expected = [
        torch.from_numpy(transform(image.permute(1, 2, 0).float().numpy(), int(operation)))
        for image, operation in zip(x, operations, strict=True)
    ]
    torch.testing.assert_close(
        transform_batch(x, operations).float(), torch.stack(expected).permute(0, 3, 1, 2), rtol=0, atol=0
    )


def test_oblong_patches_are_refused() -> None:
    with pytest.raises(ValueError, match="square"):
        transform_batch(torch.zeros(2, 3, 4, 6), torch.zeros(2, dtype=torch.long))


# --- build_index


def test_a_test_set_is_only_for_testing() -> None:
    index = build_index(manifest("b", "a"), "test", 1, 8, 0)
    assert index == {"train": [], "val": [], "test": ["a", "b"]}


@given(num_val=st.integers(0, 19), operations=st.sampled_from([1, 8]), seed=st.integers(0, 99))
def test_every_image_lies_on_exactly_one_side(num_val: int, operations: int, seed: int) -> None:
    index = build_index(MANY, "train", num_val, operations, seed)
    assert index == build_index({"images": dict(reversed(MANY["images"].items()))}, "train", num_val, operations, seed)
    trained = {name for name, _ in index["train"]}
    assert len(index["val"]) == num_val
    assert trained.isdisjoint(index["val"])
    assert trained | set(index["val"]) == set(MANY["images"])


@pytest.mark.parametrize("operations", [1, 8])
def test_every_training_image_comes_in_every_operation_once(operations: int) -> None:
    index = build_index(manifest("a", "b"), "train", 0, operations, 0)
    assert index["train"] == [[name, operation] for name in "ab" for operation in range(operations)]


def test_another_seed_draws_other_validation_images() -> None:
    drawn = {tuple(build_index(MANY, "train", 5, 1, seed)["val"]) for seed in range(5)}
    assert len(drawn) == 5  # the chance of a coincidence among 15504 draws was 1 in 1500; the hash is fixed


def test_groups_of_other_sets_are_passed_over() -> None:
    with_group = build_index(MANY, "train", 5, 1, 0, groups=[["left", "right"]])
    assert with_group == build_index(MANY, "train", 5, 1, 0)


GROUPED = [sorted(MANY["images"])[:10], sorted(MANY["images"])[10:]]


@pytest.mark.parametrize(("arguments", "cure"), [
    (("train", 20, 8, 0), "num_val is 20, but there are 20 images"),
    (("train", -1, 8, 0), "num_val is -1"),
    (("train", 1, 3, 0), "operations is 3: use 1"),
    (("validation", 1, 8, 0), "role 'validation' is unknown: use train or test"),
    (("train", 1, 8, 0, GROUPED), "num_val 1 cannot be made up of whole groups"),
])  # fmt: skip
def test_settings_that_do_not_fit_are_refused(arguments: tuple, cure: str) -> None:
    *settings, groups = arguments if len(arguments) == 5 else (*arguments, ())
    with pytest.raises(SrlabError, match=cure):
        build_index(MANY, *settings, groups=groups)


EQUAL = {"image07": MANY["images"]["image00"]}
GREY = {"image00": {"sha256": "grey"}, "image07": {"sha256": "colour", "as_grey": "grey"}}


@pytest.mark.parametrize(("changes", "groups"), [
    ({}, [["image00", "image07"]]),
    ({}, [["image00", "image12"], ["image12", "image07"]]),  # groups that share an image are one
    (EQUAL, []),  # equal pixels
    (GREY, []),  # the same picture in grey and in RGB
], ids=["group", "chain", "equal", "grey"])  # fmt: skip
@given(seed=st.integers(0, 999), num_val=st.integers(3, 10))
def test_what_belongs_together_stays_together(changes: dict, groups: list[list[str]], seed: int, num_val: int) -> None:
    val = build_index({"images": MANY["images"] | changes}, "train", num_val, 1, seed, groups=groups)["val"]
    assert len({name in val for name in {"image00", "image07", *(name for group in groups for name in group)}}) == 1


def test_a_num_val_that_leaves_less_than_it_takes_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    build_index(MANY, "train", 18, 1, 0)
    assert "num_val is 18: of 20 images 2 are left to train on" in capsys.readouterr().out
