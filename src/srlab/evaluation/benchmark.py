"""One method against every test set: scores per image and a few pictures to look at."""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from srlab.degradation.pairs import PairStore
from srlab.degradation.reduction import described
from srlab.errors import SrlabError
from srlab.evaluation.metrics.catalogue import METRICS
from srlab.evaluation.metrics.metric import Metric
from srlab.evaluation.protocol import Protocol, border
from srlab.files import replacing
from srlab.images.files import write_png
from srlab.images.resample import imresize, to_uint8
from srlab.models.base.network import Upscaler
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
    """Scores of `method` on the test images of `stores`, METRICS under each of `protocols`, in full precision.

    Returns {"method": name, "label", "scale", "left_out", "protocols": {protocol: {"protocol": its words, "datasets":
    {set: {metric: mean, "images": {image: {metric: value}}}}}}}; a set's score is the mean over its images, each of
    which is enlarged once. A set has all METRICS but those that `left_out` names. `samples_dir` is replaced, at the
    end, by a folder with the output for the first `num_samples` images of each set as `<set>/<image>.png`. The method
    computes on `device`.
    SrlabError, naming method, set and image, for an output that is not finite, has the wrong shape, is too small to
    score or equals the original; and, naming the set, for a store of another scale or without test images.
    """
    for set_name, store in stores.items():
        if store.scale != scale:
            raise SrlabError(f"{set_name} was made for x{store.scale}, this run wants x{scale}: run `dvc repro`")
        if not store.test:
            raise SrlabError(f"{set_name} has no test images: run `dvc repro`, which packs it again")
    if hasattr(method, "to"):
        method.to(device)  # pyright: ignore[reportAttributeAccessIssue]: interpolations have no `to`
    absent = left_out(stores, scale)
    jobs = [(set_name, image) for set_name, store in stores.items() for image in store.test]
    scores: dict[str, dict[str, Scores]] = {one.name: {set_name: {} for set_name in stores} for one in protocols}
    kept = dict.fromkeys(stores, 0)
    with replacing(samples_dir) as unfinished:
        unfinished.mkdir()
        for set_name, image in track(jobs, f"evaluate {name}"):
            store, where = stores[set_name], f"{name} on {set_name}/{image}"
            lr = store.lr(image)
            output = _upscale(method, lr, scale, device, where)
            if kept[set_name] < num_samples:
                kept[set_name] += 1
                (unfinished / set_name).mkdir(exist_ok=True)
                write_png(unfinished / set_name / f"{image}.png", output)
            measured = {key: metric for key, metric in METRICS.items() if key not in absent[set_name]}
            found = image_scores(output, store.hr(image), scale, protocols, where, measured, lr)
            for protocol, of_image in found.items():
                scores[protocol][set_name][image] = of_image
    found = {one.name: {"protocol": str(one), "datasets": with_means(scores[one.name])} for one in protocols}
    return {"method": name, "label": method.label, "scale": scale, "left_out": absent, "protocols": found}


def left_out(stores: Mapping[str, PairStore], scale: int) -> dict[str, dict[str, str]]:
    """{set: {metric: why no image of it is measured}}: the same for every method, so that all have the same columns."""
    return {
        set_name: {key: reason for key, metric in METRICS.items() if (reason := _unfit(metric, store, scale))}
        for set_name, store in stores.items()
    }


def image_scores(
    output: np.ndarray,
    original: np.ndarray,
    scale: int,
    protocols: Sequence[Protocol],
    where: str,
    metrics: Mapping[str, Metric],
    lr: np.ndarray | None = None,
) -> dict[str, dict[str, float]]:
    """{protocol: {metric: value}} for a uint8 output (H, W, C) against its original; `lr` is for planes "lr" alone.

    SrlabError, beginning with `where`, if the image is too small to score or a value is not finite, as the PSNR of
    an output that equals the original.
    """

    @cache
    def compared(planes: str, protocol: Protocol) -> tuple[Tensor, Tensor, int]:
        if planes == "lr":
            assert lr is not None
            reduced = imresize(protocol.planes(output, "rgb"), scale=1 / scale)
            return reduced, protocol.planes(lr, "rgb"), border(scale) // scale
        return protocol.planes(output, planes), protocol.planes(original, planes), border(scale)

    @cache
    def measured(key: str, protocol: Protocol) -> float:
        value = metrics[key].measure(*compared(metrics[key].planes, protocol)).item()
        if not math.isfinite(value):  # JSON has no infinity, and one such image would make the set's mean infinite
            raise SrlabError(
                f"{metrics[key].label} is {value}: the output equals the original, or is flat: leave the image out of "
                "the set"
            )
        return value

    try:
        return {  # RGB is the same under all protocols: it is measured once
            one.name: {
                key: measured(key, one if metric.planes == "luma" else protocols[0]) for key, metric in metrics.items()
            }
            for one in protocols
        }
    except SrlabError as error:
        raise SrlabError(f"{where}: {error}") from error


def with_means(scores: Mapping[str, Scores]) -> dict[str, dict[str, Any]]:
    """{set: {metric: mean over the images, "images": images}} of {set: {image: {metric: value}}}."""
    return {
        set_name: {key: fmean(one[key] for one in images.values()) for key in next(iter(images.values()))}
        | {"images": images}
        for set_name, images in scores.items()
    }


def _unfit(metric: Metric, store: PairStore, scale: int) -> str:
    """Why a set is not measured by `metric`, "" where it is."""
    if metric.parameters and metric.parameters.file() is None:
        return f"there is no {metric.parameters}"
    if metric.planes == "lr" and store.degradation != described(scale):
        return "the LR images are not the bicubic reduction of the HR images"
    smallest = metric.smallest + 2 * border(scale)
    if metric.table == "perception" and any(min(store.hr(image).shape[:2]) < smallest for image in store.test):
        return f"an image has a side below {smallest} px"
    return ""


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
