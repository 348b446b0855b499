"""Published test sets known by their pixels: the same verdict for PNG and BMP, for any mirror, under any file name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from srlab.errors import SrlabError
from srlab.files import read_json, write_json
from srlab.images.files import foreign_profile, pixel_digest, read_image
from srlab.progress import track

MODES = {1: "L", 3: "RGB"}
# Crops, anchored top left, of which copies of the sets are in use: SelfExSR's x2, x3 and x4 HR images are mod 2, 3 and
# 4, BasicSR's "GTmod12" is mod 12.
CROPS = {"mod2": 2, "mod3": 3, "mod4": 4, "mod12": 12}
ORIGINAL = "original"
CURE = "take the set from another home (docs/datasets.md)"


@dataclass(frozen=True)
class Picture:
    """A decoded picture: `sha256` of its pixels, and of the same as RGB (grey) or as grey (RGB, equal channels).

    `profile` names the colours that were converted to sRGB (`foreign_profile`).
    """

    name: str
    path: Path
    width: int
    height: int
    channels: int
    sha256: str
    other: str | None
    profile: str | None

    def __str__(self) -> str:
        return f"{self.path} ({self.width}x{self.height} {MODES[self.channels]})"


def look(name: str, path: Path) -> Picture:
    """The picture in a file; SrlabError (one line: file and cure) if it is unusable."""
    image = read_image(path)
    height, width, channels = image.shape
    other = None
    if channels == 1:
        other = pixel_digest(np.repeat(image, 3, axis=2))
    elif (image == image[..., :1]).all():
        other = pixel_digest(image[..., :1])
    return Picture(name, path, width, height, channels, pixel_digest(image), other, foreign_profile(path))


def write_digests(name: str, files: Sequence[tuple[str, Path]], source: str, out: Path) -> None:
    """Write the digests of a set (its name, its (image name, file), one line on their origin) and of its crops."""
    images: dict[str, dict[str, Any]] = {}
    for image_name, path in files:
        image = read_image(path)
        height, width, channels = image.shape
        images[image_name] = {"width": width, "height": height, "mode": MODES[channels], "sha256": pixel_digest(image)}
        for crop, step in CROPS.items():
            if height % step or width % step:
                images[image_name][crop] = pixel_digest(image[: height // step * step, : width // step * step])
    write_json(out, {"name": name, "source": source, "images": images})


class PixelCheck:
    """The images of one published set, as written by `write_digests`, in one `variant`: original, mod2, mod3, ..."""

    def __init__(self, digests: str, variant: str = ORIGINAL) -> None:
        if variant not in (ORIGINAL, *CROPS):
            raise SrlabError(f"variant is {variant!r}: use one of {', '.join((ORIGINAL, *CROPS))} in conf/dataset/")
        try:
            content = read_json(Path(digests))
        except (OSError, ValueError) as error:
            raise SrlabError(f"{digests} cannot be read ({error}): restore it with `git checkout`") from error
        self.variant = variant
        self.name: str = content["name"]
        self.images: Mapping[str, Mapping[str, Any]] = content["images"]
        self.known: dict[str, list[tuple[str, str]]] = {}  # digest: (image, variant) of each that has it
        for image in self.images:
            for crop in (ORIGINAL, *CROPS):
                self.known.setdefault(self._digest(image, crop), []).append((image, crop))

    def record(self, given: int) -> dict[str, Any]:
        """What a manifest says of `given` images that passed the check; "title" is the set's name for tables."""
        partial = f" ({given} of {len(self.images)} images)" if given < len(self.images) else ""
        cropped = f" {self.variant}" if self.variant != ORIGINAL else ""
        return {
            "set": self.name,
            "variant": self.variant,
            "images": len(self.images),
            "given": given,
            "by": "pixels",
            "title": f"{self.name}{cropped}{partial}",
        }

    def check(self, files: Sequence[tuple[str, Path]], *, complete: bool) -> list[tuple[str, Path]]:
        """The files under the names that the set gives them, in the set's order; `complete` wants all of them.

        SrlabError with a line (which, and what to do) for each that is unmatched, cropped otherwise than `variant`,
        there twice, or missing.
        """
        found: dict[str, Path] = {}
        others: dict[str, set[str]] = {}  # images that are here in other variants
        meant: set[str | None] = set()  # images that the unmatched were meant to be
        problems: list[str] = []
        for name, path in track(files, f"verifying {self.name}"):
            picture = look(name, path)
            image, variants = self._identified(picture, found)
            if image is None:
                problems.append(self._unmatched(picture))
                meant.add(self._meant(picture))
            elif image in found or image in others:
                problems.append(f"{picture} is {self.name}'s {image} a second time: remove it")
            elif self.variant in variants:
                found[image] = path
            else:
                others[image] = variants
        problems += self._cropped(found, others)
        if complete:
            missing = [image for image in self.images if image not in {*found, *others, *meant}]
            problems += [f"{self.name} lacks {image}: {CURE}" for image in missing]
        if problems:
            raise SrlabError("\n".join(problems))
        return [(image, found[image]) for image in self.images if image in found]

    def _digest(self, image: str, variant: str) -> str:
        """Of the crop, which is the original where the sides are multiples already."""
        entry = self.images[image]
        return entry.get(variant) or entry["sha256"]

    def _identified(self, picture: Picture, taken: Mapping[str, Path]) -> tuple[str | None, set[str]]:
        """Which image of the set it is, and in which variants; (None, ...) if it is none."""
        hits = self.known.get(picture.sha256, [])
        named = self._named(picture.name)
        images = sorted({image for image, _ in hits}, key=lambda image: (image != named, image in taken, image))
        if not images:
            return None, set()
        # of duplicates within a set the one that is named so, else one not seen yet
        return images[0], {variant for image, variant in hits if image == images[0]}

    def _meant(self, picture: Picture) -> str | None:
        """The image that an unmatched picture was meant to be, by its pixels or its name."""
        hits = self.known.get(picture.other or "", [])
        return hits[0][0] if hits else self._named(picture.name)

    def _named(self, name: str) -> str | None:
        """The image that a file name begins with, signs aside: "img001" and "img_001_SRF_4_HR" are both "img_001"."""
        plain = _plain(name)
        fits = [image for image in self.images if re.match(rf"{_plain(image)}(?!\d)", plain)]
        return max(fits, key=len, default=None)

    def _cropped(self, found: Mapping[str, Path], others: Mapping[str, set[str]]) -> list[str]:
        """Lines about images in another variant: a single one if all that is there is of that variant."""
        common = [
            variant
            for variant in (ORIGINAL, *CROPS)
            if all(variant in variants for variants in others.values())
            and all(self._digest(image, variant) == self._digest(image, self.variant) for image in found)
        ]
        if others and common:
            return [
                f"{self.name} is here as the variant {' or '.join(common)}, not {self.variant}: set "
                f"`variant: {common[-1]}` under `verify` in conf/dataset/ to accept that, or {CURE}"
            ]
        return [
            f"{self.name}'s {image} is here as the variant {' or '.join(sorted(variants))}, not {self.variant}: {CURE}"
            for image, variants in others.items()
        ]

    def _unmatched(self, picture: Picture) -> str:
        """The line about a picture that is not in the set in any variant."""
        meant = self._meant(picture)
        if meant is None:
            return f"{picture} is no image of {self.name}: remove it"
        right = self.images[meant]
        if picture.other in self.known:
            wrong = "a grey image turned into RGB" if right["mode"] == "L" else "an RGB image turned into grey"
            return (
                f"{picture} is {self.name}'s {meant}, but {wrong}: save it as {right['mode']} "
                f"(Pillow's `convert({right['mode']!r})` is exact here) or {CURE}"
            )
        if (picture.width, picture.height) != (right["width"], right["height"]):
            return f"{picture} is not {self.name}'s {meant}, {right['width']}x{right['height']} px: {CURE}"
        return f"{picture} is named as {self.name}'s {meant}, but its pixels are others: {CURE}"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())
