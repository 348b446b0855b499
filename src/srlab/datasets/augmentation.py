"""Which images and turns a training sees, as an index: nothing is copied to disk."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from srlab.errors import SrlabError
from srlab.images.turns import OPERATIONS


def build_index(
    manifest: dict[str, Any],
    role: str,
    num_val: int,
    operations: int,
    seed: int,
    *,
    groups: Sequence[Sequence[str]] = (),
) -> dict[str, list[Any]]:
    """{"train": [[name, operation], ...], "val": [names], "test": [names]} for the images of a manifest.

    Role "train": `num_val` whole images, drawn by `seed`, go to val, the rest to train under the first `operations` (1
    or 8) OPERATIONS. An image lies on one side only, and so do images of equal pixels and those named together in
    `groups` (stereo pairs; names of other data sets are passed over). Role "test": every image goes to test.
    SrlabError if the settings do not fit the manifest.
    """
    names = sorted(manifest["images"])
    if role == "test":
        return {"train": [], "val": [], "test": names}
    if role != "train":
        raise SrlabError(f"role {role!r} is unknown: use train or test")
    if operations not in (1, len(OPERATIONS)):
        raise SrlabError(f"operations is {operations}: use 1 (as they are) or {len(OPERATIONS)} (all turns and flips)")
    if not 0 <= num_val < len(names):
        raise SrlabError(f"num_val is {num_val}, but there are {len(names)} images: leave at least one for training")
    if len(names) - num_val < num_val:
        print(f"note: num_val is {num_val}: of {len(names)} images {len(names) - num_val} are left to train on")
    val = _draw(_units(names, [*groups, *_duplicates(manifest)]), num_val, seed)
    train = [[name, operation] for name in names if name not in val for operation in range(operations)]
    return {"train": train, "val": sorted(val), "test": []}


def _duplicates(manifest: dict[str, Any]) -> list[list[str]]:
    """The names of each picture, be it stored as grey or as RGB."""
    names = defaultdict(list)
    for name, entry in manifest["images"].items():
        names[entry.get("as_grey", entry["sha256"])].append(name)
    return list(names.values())


def _units(names: list[str], groups: Sequence[Sequence[str]]) -> list[list[str]]:
    """The names, sorted, as units that must not be torn apart; groups that share a name are one."""
    units = {name: {name} for name in names}
    for group in groups:
        joined = {name for one in group if one in units for name in units[one]}
        units |= dict.fromkeys(joined, joined)
    return sorted({min(unit): sorted(unit) for unit in units.values()}.values())


def _draw(units: list[list[str]], num_val: int, seed: int) -> set[str]:
    """`num_val` names in whole units, drawn by a hash: the same with every numpy, and steady when images are added."""
    val: set[str] = set()
    for unit in sorted(units, key=lambda unit: hashlib.sha256(f"{seed}/{unit[0]}".encode()).digest()):
        if len(val) + len(unit) <= num_val:
            val.update(unit)
    if len(val) < num_val:
        raise SrlabError(f"num_val {num_val} cannot be made up of whole groups: choose another num_val")
    return val
