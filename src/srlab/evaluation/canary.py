"""The metrics, checked before anything is scored with them: nearest and bicubic against known figures.

Every evaluation checks each protocol on two images that are always there, a zone plate and a photo of scikit-image, and
on the standard sets that it scores. Known figures are published ones, or computed by an implementation that shares no
code with this one (`tests/support/independent.py`).

Tables until about 2018 were made on luma, and their LR images were never rounded: 8-bit Y is reduced, enlarged, rounded
and scored. That order gives 33.661, 30.392 and 28.421 dB on Set5 where the tables print 33.66, 30.39 and 28.42
(rounding the LR image costs up to 0.009 dB), so the classic check goes that way. The modern one goes the way of every
method here: RGB, LR rounded as MATLAB does.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np

from srlab.degradation.pairs import PairStore
from srlab.degradation.reduction import described, reduce_bicubic
from srlab.errors import SrlabError
from srlab.evaluation.known import ZONE_PLATE, Known, catalogue, known, known_scales, own_images
from srlab.evaluation.metrics.psnr import psnr
from srlab.evaluation.metrics.ssim import ssim
from srlab.evaluation.protocol import Protocol, border
from srlab.images.resample import imresize, to_uint8
from srlab.progress import track

METHODS = ("bicubic", "nearest")
# What may lie between a reading and a figure, in dB and in SSIM: published ones are rounded to 0.01 dB, and Set14's
# SSIMs spread by 0.0008 over papers; computed ones differ by the order of float64 sums alone.
TOLERANCES = {"published": (0.01, 0.001), "computed": (0.001, 0.0001)}


@dataclass(frozen=True)
class Reading:
    """PSNR in dB and SSIM of `known.method` on images under a protocol, beside what is known."""

    psnr: float
    ssim: float
    known: Known

    @property
    def holds(self) -> bool:
        """Whether both lie within the tolerances."""
        in_psnr, in_ssim = TOLERANCES[self.known.by]
        return abs(self.psnr - self.known.psnr) <= in_psnr and abs(self.ssim - self.known.ssim) <= in_ssim

    def __str__(self) -> str:
        return (
            f"{self.known.method} x{self.known.scale} reads {self.psnr:.3f} dB / {self.ssim:.4f} on {self.known.set} "
            f"({self.known.protocol}), known is {self.known.psnr} dB / {self.known.ssim} ({self.known.source})"
        )


@dataclass(frozen=True)
class Checked:
    """All readings, and why a set was not checked, by its name."""

    readings: list[Reading] = field(default_factory=list)
    unchecked: dict[str, str] = field(default_factory=dict)


def check(stores: Mapping[str, PairStore], scale: int, protocols: Sequence[Protocol]) -> Checked:
    """Readings on the own images and on every store that is a whole standard set with known figures at `scale`.

    LR images that claim to be MATLAB's bicubic are compared pixel by pixel. A set without known figures is printed and
    listed as unchecked. SrlabError if a reading is off, an LR image another, or nothing at all could be checked.
    """
    checked = Checked()
    for name, image in own_images(scale).items():
        for reading in _readings(name, name, [image], scale, protocols):
            if not reading.holds:
                raise SrlabError(f"{name}: {reading}; fix srlab.degradation or srlab.evaluation")
            checked.readings.append(reading)
    if not checked.readings:
        raise SrlabError(
            f"no figure is known at x{scale} to check the metrics with: use a scale of "
            f"{', '.join(map(str, known_scales()))} in params.yaml, or add a line for {ZONE_PLATE} to "
            "src/srlab/evaluation/known_scores.csv"
        )
    for key, store in stores.items():
        standard, reason = recognized(store)
        images = [store.hr(name) for name in store.test]
        found = [] if standard is None else list(_readings(key, standard, images, scale, protocols))
        for reading in found:
            if not reading.holds:
                raise SrlabError(
                    f"{key}: {reading}; the metrics read right on the own images: fetch the images of {key} again"
                )
        if not found:
            checked.unchecked[key] = reason or f"no figure of {standard} is known at x{scale}"
            print(f"{key} is not checked against known figures: {checked.unchecked[key]}")
        checked.readings.extend(found)
        if store.degradation == described(scale):
            _check_lr(key, store, scale)
    return checked


def recognized(store: PairStore) -> tuple[str | None, str]:
    """(Set5, Set14, BSD100 or Urban100, ""), by names or else sizes of the test images; (None, why not) for others.

    A part of a set, or a cropped or grey variant, has no known figures.
    """
    found = {name: store.hr(name).shape for name in store.test}
    sizes = sorted(shape[:2] for shape in found.values())
    for set_name, images in catalogue().items():
        whole = {
            name: (size[0] // store.scale * store.scale, size[1] // store.scale * store.scale)
            for name, (size, _) in images.items()
            if size
        }
        named = found.keys() & images.keys()
        if found and not named and sizes == sorted(whole.values()):
            return set_name, ""
        if named and found.keys() != images.keys():
            return None, f"{len(named)} of the {len(images)} images of {set_name}"
        if not named:
            continue
        for name, (_, channels) in images.items():
            if name in whole and found[name][:2] != whole[name]:
                return None, f"a variant of {set_name}: {name} is {_text(found[name])} px, not {_text(whole[name])}"
            if channels and found[name][2] != channels:
                return None, f"a variant of {set_name}: {name} has {found[name][2]} channels, not {channels}"
        return set_name, ""
    return None, "not a standard set"


def _text(shape: Sequence[int]) -> str:
    return f"{shape[1]}x{shape[0]}"


def _readings(
    key: str, set_name: str, images: Sequence[np.ndarray], scale: int, protocols: Sequence[Protocol]
) -> Iterator[Reading]:
    for protocol in protocols:
        lines = [line for method in METHODS if (line := known(scale, set_name, protocol.name, method))]
        if lines:
            each = track(images, f"checking {protocol.name} metrics on {key}") if len(images) > 1 else images
            scores = [_scores(image, scale, protocol) for image in each]
            for line in lines:
                psnrs, ssims = zip(*(one[line.method] for one in scores), strict=True)
                yield Reading(fmean(psnrs), fmean(ssims), line)


def _scores(image: np.ndarray, scale: int, protocol: Protocol) -> dict[str, tuple[float, float]]:
    """{method: (PSNR in dB, SSIM)} on one uint8 HR image (H, W, C)."""
    if protocol.rounded_luma:  # luma first, LR not rounded
        original = protocol.planes(image, "luma")
        lr = imresize(original[0, 0].numpy()[..., None], scale=1 / scale)
    else:
        colour = image.repeat(3 // image.shape[2], axis=2)
        original = protocol.planes(colour, "luma")
        lr = reduce_bicubic(colour, scale) / 255.0
    found = {}
    for method in METHODS:
        enlarged = protocol.planes(to_uint8(imresize(lr, scale=float(scale), method=method)), "luma")
        found[method] = tuple(metric(enlarged, original, border(scale)).item() for metric in (psnr, ssim))
    return found


def _check_lr(key: str, store: PairStore, scale: int) -> None:
    wrong = [name for name in store.test if not np.array_equal(reduce_bicubic(store.hr(name), scale), store.lr(name))]
    if wrong:
        raise SrlabError(
            f"{key}: the LR image of {wrong[0]} and {len(wrong) - 1} more are not MATLAB's bicubic x{scale} reduction "
            "of the HR image: run `dvc repro`, or name their degradation"
        )
