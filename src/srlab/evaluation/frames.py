"""What several LR frames of a scene are worth: every reconstruction method with one and with all, beside bicubic."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from srlab.classical.burst import Burst
from srlab.classical.observation import Frame
from srlab.classical.reconstruction import Reconstruction
from srlab.evaluation.benchmark import image_scores, with_means
from srlab.evaluation.metrics.catalogue import METRICS
from srlab.evaluation.protocol import Protocol
from srlab.files import replacing, write_json
from srlab.images.files import write_png
from srlab.images.resample import imresize, to_uint8
from srlab.patches.pairs import PairStore
from srlab.progress import track


def compare(
    methods: Mapping[str, Reconstruction],
    stores: Mapping[str, PairStore],
    burst: Burst,
    protocol: Protocol,
    folder: Path,
) -> dict[str, Any]:
    """Scores of all test images, METRICS under `protocol`; `folder` is replaced, at the end, by one with

    scores.json (what is returned) and, of the first image of each set, `<set>/<image>/original.png` and
    `<set>/<image>/<method>_<frames>.png`.
    Returns {"protocol", "scale", "registration", "burst": {"num", "sigma", "noise"}, "results": [{"method", "label",
    "frames", "datasets": {set: {metric: mean, "images": {image: {metric: value}}}}}]}, bicubic of one frame first.
    SrlabError, naming method, set and image, for an output that is too small to score or equals the original.
    """
    found: dict[tuple[str, int], dict[str, dict[str, dict[str, float]]]] = {}
    jobs = [(set_name, image) for set_name, store in stores.items() for image in store.test]
    with replacing(folder) as unfinished:
        for set_name, image in track(jobs, "frames"):
            hr = stores[set_name].hr(image)
            outputs = {key: _pixels(sr) for key, sr in _enlarged(methods, burst(image, np.array(hr))).items()}
            if image == stores[set_name].test[0]:
                write_png(unfinished / set_name / image / "original.png", hr)
                for (method, count), output in outputs.items():
                    write_png(unfinished / set_name / image / f"{method}_{count}.png", output)
            for key, output in outputs.items():
                where = "{} of {} frames on {}/{}".format(*key, set_name, image)
                scores_of_set = found.setdefault(key, {}).setdefault(set_name, {})
                scores_of_set[image] = image_scores(output, hr, burst.scale, protocol, where)
        labels = {"bicubic": "Bicubic"} | {name: method.label for name, method in methods.items()}
        results = [
            {"method": name, "label": labels[name], "frames": count, "datasets": with_means(sets)}
            for (name, count), sets in found.items()
        ]
        scores = {
            "protocol": str(protocol),
            "scale": burst.scale,
            "registration": "shifts, blur and noise level are known to the methods",
            "burst": {"num": burst.num, "sigma": burst.sigma, "noise": burst.noise},
            "results": results,
        }
        write_json(unfinished / "scores.json", scores)
    return scores


def set_scores(scores: Mapping[str, Any]) -> dict[str, float]:
    """{"frames/<set>/<method>_<frames>/<metric>": value} for a tracker."""
    return {
        f"frames/{row['set']}/{row['method']}_{row['frames']}/{key}": row[key]
        for row in rows(scores)
        for key in METRICS
    }


def rows(scores: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One {"set", "method", "frames", metric: value, ...} per result and set."""
    return [
        {"set": name, "method": one["method"], "frames": one["frames"], **{key: means[key] for key in METRICS}}
        for one in scores["results"]
        for name, means in one["datasets"].items()
    ]


def _enlarged(methods: Mapping[str, Reconstruction], frames: Sequence[Frame]) -> dict[tuple[str, int], Tensor]:
    """(1, C, H, W) in [0, 1] by (method, number of frames)."""
    first = frames[0]
    bicubic = imresize(first.lr, scale=first.operator.scale).clamp(0.0, 1.0)
    counts = sorted({1, len(frames)})
    return {("bicubic", 1): bicubic} | {
        (name, count): method.fuse(frames[:count]) for name, method in methods.items() for count in counts
    }


def _pixels(sr: Tensor) -> np.ndarray:
    return to_uint8(sr[0].permute(1, 2, 0).double()).numpy()
