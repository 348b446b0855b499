"""What several LR frames of a scene are worth to a method: scored with one frame and with all of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from srlab.degradation.pairs import PairStore
from srlab.evaluation.benchmark import image_scores, with_means
from srlab.evaluation.metrics.catalogue import of_table
from srlab.evaluation.protocol import Protocol
from srlab.files import replacing
from srlab.images.files import write_png
from srlab.images.resample import to_uint8
from srlab.models.base.network import Upscaler
from srlab.progress import track


def score_frames(
    name: str,
    method: Upscaler,
    stores: Mapping[str, PairStore],
    burst: Any,
    protocols: Sequence[Protocol],
    folder: Path,
) -> dict[str, Any]:
    """{"frames": scores of `method` on several LR frames of every test image}.

    `burst` is a `srlab.classical.burst.Burst`; where it is None, the result is {} and no `folder` is made.

    The scores: {"burst": {"num", "sigma", "noise"}, "registration", "protocols": {protocol: {number of frames: {set:
    {metric: mean, "images": {image: {metric: value}}}}}}}. A method without `fuse` gets the first frame alone.
    `folder` is replaced, at the end, by one with `<set>/<image>/original.png` and `<set>/<image>/<frames>.png` of the
    first image of each set. SrlabError, naming method, set and image, for an output that is too small to score or
    equals the original.
    """
    if burst is None:
        return {}
    found: dict[str, dict[str, dict[str, Any]]] = {protocol.name: {} for protocol in protocols}
    jobs = [(set_name, image) for set_name, store in stores.items() for image in store.test]
    with replacing(folder) as unfinished:
        unfinished.mkdir()
        for set_name, image in track(jobs, f"frames {name}"):
            hr = stores[set_name].hr(image)
            outputs = {count: _pixels(sr) for count, sr in _enlarged(method, burst(image, np.array(hr))).items()}
            if image == stores[set_name].test[0]:
                write_png(unfinished / set_name / image / "original.png", hr)
                for count, output in outputs.items():
                    write_png(unfinished / set_name / image / f"{count}.png", output)
            for count, output in outputs.items():
                where = f"{name} of {count} frames on {set_name}/{image}"
                scores = image_scores(output, hr, burst.scale, protocols, where, of_table("fidelity"))
                for protocol, of_image in scores.items():
                    found[protocol].setdefault(count, {}).setdefault(set_name, {})[image] = of_image
    return {
        "frames": {
            "burst": {"num": burst.num, "sigma": burst.sigma, "noise": burst.noise},
            "registration": "shifts, blur and noise level are known to the methods",
            "protocols": {
                protocol: {count: with_means(sets) for count, sets in counts.items()}
                for protocol, counts in found.items()
            },
        }
    }


def frame_scores(scores: Mapping[str, Any]) -> dict[str, float]:
    """{"frames/<frames>/<set>/<metric>": value} of a method's scores, under the first protocol, for a tracker."""
    if "frames" not in scores:
        return {}
    counts = next(iter(scores["frames"]["protocols"].values()))
    return {
        f"frames/{count}/{set_name}/{key}": one[key]
        for count, sets in counts.items()
        for set_name, one in sets.items()
        for key in of_table("fidelity")
    }


def _enlarged(method: Any, frames: Sequence[Any]) -> dict[str, Tensor]:
    """(1, C, H, W) in [0, 1] by number of frames."""
    first = frames[0]
    if not hasattr(method, "fuse"):
        return {"1": method.upscale(first.lr, first.operator.scale)}
    return {str(count): method.fuse(frames[:count]) for count in sorted({1, len(frames)})}


def _pixels(sr: Tensor) -> np.ndarray:
    return to_uint8(sr[0].permute(1, 2, 0).double()).numpy()
