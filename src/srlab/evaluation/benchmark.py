"""One method against every test set: scores per image and a few pictures to look at."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from srlab.errors import SrlabError
from srlab.evaluation.metrics.catalogue import METRICS
from srlab.evaluation.protocol import Protocol, border
from srlab.files import replacing
from srlab.images.files import write_png
from srlab.images.resample import to_uint8
from srlab.models.base.network import Upscaler
from srlab.patches.pairs import PairStore
from srlab.progress import track

Scores = dict[str, dict[str, float]]  # {image: {metric: value}}


def evaluate(
    name: str,
    method: Upscaler,
    stores: Mapping[str, PairStore],
    scale: int,
    protocols: Sequence[Protocol],
    samples_dir: Path,
    num_samples: int,
    device: torch.device,
) -> dict[str, Any]:
    """Scores of `method` on the test images of `stores`, all METRICS under each of `protocols`, in full precision.

    Returns {"method": name, "label", "scale", "protocols": {protocol: {"protocol": its words, "datasets": {set:
    {metric: mean, "images": {image: {metric: value}}}}}}}; a set's score is the mean over its images, each of which is
    enlarged once. `samples_dir` is replaced, at the end, by a folder with the output for the first `num_samples`
    images of each set as `<set>/<image>.png`. The method computes on `device`.
    SrlabError, naming method, set and image, for an output that is not finite, has the wrong shape, is too small to
    score or equals the original; and, naming the set, for a store of another scale or without test images.
    """
    for set_name, store in stores.items():
        _require_test_store(set_name, store, scale)
    if hasattr(method, "to"):
        method.to(device)  # pyright: ignore[reportAttributeAccessIssue]: interpolations have no `to`
    jobs = [(set_name, image) for set_name, store in stores.items() for image in store.test]
    scores: dict[str, dict[str, Scores]] = {one.name: {set_name: {} for set_name in stores} for one in protocols}
    kept = dict.fromkeys(stores, 0)
    with replacing(samples_dir) as unfinished:
        unfinished.mkdir()
        for set_name, image in track(jobs, f"evaluate {name}"):
            store, where = stores[set_name], f"{name} on {set_name}/{image}"
            output = _upscale(method, store.lr(image), scale, device, where)
            if kept[set_name] < num_samples:
                kept[set_name] += 1
                (unfinished / set_name).mkdir(exist_ok=True)
                write_png(unfinished / set_name / f"{image}.png", output)
            for one in protocols:
                scores[one.name][set_name][image] = image_scores(output, store.hr(image), scale, one, where)
    found = {one.name: {"protocol": str(one), "datasets": with_means(scores[one.name])} for one in protocols}
    return {"method": name, "label": method.label, "scale": scale, "protocols": found}


def image_scores(
    output: np.ndarray, original: np.ndarray, scale: int, protocol: Protocol, where: str
) -> dict[str, float]:
    """{metric: value} of METRICS for a uint8 output (H, W, C) against its original.

    SrlabError, beginning with `where`, if the image is too small to score or a value is not finite, as the PSNR of
    an output that equals the original.
    """
    pairs = {
        kind: (protocol.planes(output, kind), protocol.planes(original, kind))
        for kind in {metric.planes for metric in METRICS.values()}
    }
    try:
        scores = {name: metric.measure(*pairs[metric.planes], border(scale)).item() for name, metric in METRICS.items()}
    except SrlabError as error:
        raise SrlabError(f"{where}: {error}") from error
    for name, value in scores.items():
        if not math.isfinite(value):  # JSON has no infinity, and one such image would make the set's mean infinite
            raise SrlabError(
                f"{where}: {METRICS[name].label} is {value}: the output equals the original (a flat image?), "
                "leave it out of the set"
            )
    return scores


def with_means(scores: Mapping[str, Scores]) -> dict[str, dict[str, Any]]:
    """{set: {metric: mean over the images, "images": images}} of {set: {image: {metric: value}}}."""
    return {
        set_name: {name: fmean(one[name] for one in images.values()) for name in METRICS} | {"images": images}
        for set_name, images in scores.items()
    }


def _require_test_store(set_name: str, store: PairStore, scale: int) -> None:
    if store.scale != scale:
        raise SrlabError(f"{set_name} was made for x{store.scale}, this run wants x{scale}: run `dvc repro`")
    if not store.test:
        raise SrlabError(f"{set_name} has no test images: give the data set the role `test` and run `dvc repro`")


def _upscale(method: Upscaler, lr: np.ndarray, scale: int, device: torch.device, where: str) -> np.ndarray:
    """8-bit output (h * scale, w * scale, C) of `method` for the 8-bit input (h, w, C)."""
    pixels = torch.from_numpy(np.array(lr)).permute(2, 0, 1)[None].to(device, torch.float32) / 255
    output = method.upscale(pixels, scale)[0].permute(1, 2, 0).double().cpu()
    expected = (lr.shape[0] * scale, lr.shape[1] * scale, lr.shape[2])
    if output.shape != expected:
        raise SrlabError(f"{where}: the output is {tuple(output.shape)}, x{scale} asks for {expected}: fix the method")
    if not output.isfinite().all():
        raise SrlabError(f"{where}: the output is not finite: train the model again with a lower learning rate")
    return to_uint8(output).numpy()
