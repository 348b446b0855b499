"""Stand-ins for what a training needs and may not have yet: a packed store, a pre-trained generator, VGG-19's weights.

Time and memory do not depend on the values, only on how many there are.
"""

from pathlib import Path
from typing import Any

import numpy as np

from srlab.adversarial.losses import VGGContent
from srlab.adversarial.vgg import NAMES, STAGES
from srlab.adversarial.vgg_weights import named_or_mirrored
from srlab.degradation.imaging import Bicubic
from srlab.degradation.packing import geometry_of, write_pairs
from srlab.images.turns import OPERATIONS
from srlab.models.base.weights import load_network

NUM_TRAIN, NUM_VAL = 4, 2
BLOCK = 8  # px: images of blocks, since a network may diverge on noise


def made_up_store(folder: Path, scale: int, side: int) -> None:
    """Pack colour images of `side` px, rounded up to a multiple of `scale`, to train on and to validate with."""
    side = -(-side // scale) * scale
    names = [f"image{number}" for number in range(NUM_TRAIN + NUM_VAL)]
    train, val = names[:NUM_TRAIN], names[NUM_TRAIN:]
    manifest = {"images": {name: {"height": side, "width": side, "channels": 3} for name in names}}
    facts = {"train": [(name, turn) for name in train for turn in range(len(OPERATIONS))], "val": val, "test": []}
    sources = {name: (seed, side) for seed, name in enumerate(names)}
    geometry = geometry_of(manifest, names, scale, as_colour=True)
    write_pairs(folder, _blocks, sources, geometry, Bicubic(scale), facts | {"wanted": None, "got": len(names)}, None)


def with_stand_ins(module: dict[str, Any], folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The description of a module with what is missing made up, and a remark on each; random weights go to `folder`.

    A pre-trained generator is always left out: if there is one, it may be that of another profile.
    """
    remarks: list[str] = []

    def walk(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        if node.get("_target_") == _dotted(load_network):
            remarks.append("generator untrained")
            return walk(node["net"])
        if node.get("_target_") == _dotted(VGGContent) and named_or_mirrored() is None:
            remarks.append("VGG-19 of random weights")
            made_up_vgg(folder / "vgg19-made-up.npz")
            return node | {"path": str(folder / "vgg19-made-up.npz")}
        return {key: walk(value) for key, value in node.items()}

    return walk(module), remarks


def made_up_vgg(path: Path) -> None:
    """Write an .npz that `adversarial.vgg` reads as VGG-19's; features keep their size (He et al. 2015, eq. 10)."""
    generator = np.random.default_rng(0)
    widths = [3, *(width for stage in STAGES for width in stage)]
    arrays = {}
    for (i, j), num_in, num_out in zip(NAMES, widths, widths[1:], strict=False):
        weight = generator.standard_normal((num_out, num_in, 3, 3), dtype=np.float32)
        arrays[f"conv{i}_{j}.weight"] = weight * np.float32((2 / (9 * num_in)) ** 0.5)
        arrays[f"conv{i}_{j}.bias"] = np.zeros(num_out, dtype=np.float32)
    np.savez(path, **arrays)


def _blocks(seed: int, side: int) -> np.ndarray:
    """uint8 (side, side, 3): squares of BLOCK px, each of a colour of its own."""
    num = -(-side // BLOCK)
    colours = np.random.default_rng(seed).integers(0, 256, (num, num, 3), dtype=np.uint8)
    return colours.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)[:side, :side]


def _dotted(target: Any) -> str:
    return f"{target.__module__}.{target.__qualname__}"
