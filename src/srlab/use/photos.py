"""Photos in and out: whatever of 8 or 16 bits Pillow reads, with alpha, profile and EXIF kept beside the pixels."""

import io
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageCms
from PIL.ExifTags import TAGS
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from srlab.errors import SrlabError
from srlab.files import replacing
from srlab.images.files import DEEP_MODES, GREY_MODES, is_deep, reading, require_whole, to_rgb, turn_of
from srlab.use.deep import LEVEL, read_deep, write_png, write_tiff

EXIF_PART, GPS_PART, SIZE_IN_EXIF = 0x8769, 0x8825, (0xA002, 0xA003)
# Title, description, maker, model, resolution (3), software, time, artist, host, copyright, Windows' own (5), and the
# two parts. The rest of a TIFF's tags say how its pixels were stored, and orientation has been applied.
KEPT = {0x010D, 0x010E, 0x010F, 0x0110, 0x011A, 0x011B, 0x0128, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298}
KEPT |= {*range(0x9C9B, 0x9CA0), EXIF_PART, GPS_PART}
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}
MOST = {"JPEG": 65_535, "WEBP": 16_383}  # px of a side
OPTIONS = {"PNG": {"compress_level": LEVEL}, "JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}}


@dataclass
class Photo:
    """`planes` (H, W, 1 to 4), uint8 or uint16, upright: grey or RGB, and after it alpha unless all is opaque.

    `icc`: the colour profile; `exif`: without the orientation; `notes`: what could not be kept, for the user.
    """

    planes: np.ndarray
    icc: bytes | None = None
    exif: Image.Exif = field(default_factory=Image.Exif)
    notes: list[str] = field(default_factory=list)

    @property
    def has_alpha(self) -> bool:
        return self.planes.shape[2] in (2, 4)

    @property
    def pixels(self) -> np.ndarray:
        """(H, W, 1 or 3)."""
        return self.planes[..., :-1] if self.has_alpha else self.planes

    @property
    def alpha(self) -> np.ndarray:
        """(H, W, 1) of a photo that has one."""
        return self.planes[..., -1:]

    def problem(self, path: Path, scale: int) -> str | None:
        """Why the file `path` cannot hold this photo enlarged by `scale`; None if it can."""
        format, side = FORMATS[path.suffix.lower()], max(self.planes.shape[:2]) * scale
        if format == "JPEG" and self.has_alpha:
            return "JPEG holds no transparency"
        if format in MOST and self.planes.dtype != np.uint8:
            return f"{format} holds no 16 bits per channel"
        return f"{format} holds sides of {MOST[format]} px, not {side}" if side > MOST.get(format, side) else None


def read_photo(path: Path) -> Photo:
    """The photo of a file; SrlabError (one line: file and cure) if it is missing, damaged or holds several pictures."""
    with warnings.catch_warnings(action="ignore"), reading(path) as image:  # Pillow's, of tags that it skips
        number = getattr(image, "n_frames", 1)
        if number > 1 and image.format != "MPO":  # a JPEG with a preview or a depth map behind the picture
            raise SrlabError(f"{path} holds {number} pictures: save the one you want as a file of its own")
        if is_deep(path, image):
            return _with_info(read_deep(path, image), image)
        require_whole(path, image)
        return photo_of(image)


def photo_of(image: Image.Image) -> Photo:
    """The photo of a Pillow image; SrlabError for its modes I and F, which have no white.

    CMYK becomes sRGB, by its profile if it has one; other colours keep theirs.
    """
    if image.mode in DEEP_MODES:
        raise SrlabError(f"a picture of mode {image.mode} has no white: convert it to 8 or 16 bits per channel first")
    is_grey = image.mode in GREY_MODES
    if image.mode.startswith("I;16"):
        pixels = image
    elif image.has_transparency_data:
        pixels = image.convert("LA" if is_grey else "RGBA")
    else:
        pixels = image.convert("L") if is_grey else to_rgb(image) if image.mode == "CMYK" else image.convert("RGB")
    array = np.array(pixels)
    return _with_info(array.reshape(*array.shape[:2], -1), image)


def pillow_of(photo: Photo) -> Image.Image:
    """A Pillow image of the same pixels, with profile and EXIF; SrlabError for 16-bit colour, which Pillow has not."""
    if photo.planes.dtype == np.uint16 and photo.planes.shape[2] > 1:
        raise SrlabError("Pillow holds no colour of 16 bits per channel: upscale the array, or use `srlab upscale`")
    image = Image.fromarray(photo.planes[..., 0] if photo.planes.shape[2] == 1 else photo.planes)
    if photo.icc:
        image.info["icc_profile"] = photo.icc
    if photo.exif:
        image.info["exif"] = photo.exif.tobytes()
    return image


def save_photo(path: Path, photo: Photo) -> None:
    """Write `photo` in the format that the suffix of `path` names, whole or not at all."""
    format = FORMATS[path.suffix.lower()]
    with replacing(path) as temporary:
        if format == "TIFF":
            write_tiff(temporary, photo.planes, photo.icc, photo.exif)
        elif photo.planes.dtype == np.uint16:
            write_png(temporary, photo.planes, photo.icc, photo.exif)
        else:
            pillow_of(photo).save(temporary, format, icc_profile=photo.icc, exif=photo.exif, **OPTIONS[format])


def filled(photo: Photo) -> np.ndarray:
    """Pixels (H, W, 1 or 3) of a photo with alpha in which what is transparent has the colour of what is near it.

    What hides under alpha 0, mostly black, would shine through the edge of everything: kernels mix it in. In its place
    stands the mean of the visible around it, colours multiplied by alpha, over 2, 4, 8, ... pixels, until there is some
    (the pull-push of Gortler et al., "The Lumigraph", 1996).
    """
    weight = _tensor(photo.alpha)
    pyramid = [(_tensor(photo.pixels) * weight, weight)]
    while max(pyramid[-1][0].shape[2:]) > 1:
        colour, weight = (avg_pool2d(one, 2, ceil_mode=True, count_include_pad=False) for one in pyramid[-1])
        pyramid.append((colour, weight))
    fill = torch.zeros_like(pyramid[-1][0])
    while pyramid:
        colour, weight = pyramid.pop()
        wide = interpolate(fill, size=colour.shape[2:], mode="bilinear")
        fill = torch.where(weight > 0, colour / weight, wide)
    visible = fill[0].permute(1, 2, 0).add_(0.5).numpy().astype(photo.planes.dtype)
    return np.where(photo.alpha > 0, photo.pixels, visible)


def _tensor(planes: np.ndarray) -> Tensor:
    return torch.from_numpy(planes.astype(np.float32)).permute(2, 0, 1)[None]


def _with_info(planes: np.ndarray, image: Image.Image) -> Photo:
    """(H, W, 1 to 4) as stored, set upright, with what `image` says beside it."""
    if (turn := turn_of(image)) is not None:
        turned = [np.array(Image.fromarray(plane).transpose(turn)) for plane in np.moveaxis(planes, 2, 0)]
        planes = np.stack(turned, axis=2)
    if planes.shape[2] in (2, 4) and planes[..., -1].min() == np.iinfo(planes.dtype).max:
        planes = planes[..., :-1]
    exif, lost = _exif(image)
    notes = [f"its EXIF is damaged, left out: {', '.join(lost)}"] if lost else []
    return Photo(np.ascontiguousarray(planes), _profile(image, planes.shape[2]), exif, notes)


def _profile(image: Image.Image, channels: int) -> bytes | None:
    """The profile of `image` if it fits pixels of so many channels, which are no longer CMYK."""
    if image.mode == "CMYK":
        return None
    try:
        icc = image.info["icc_profile"]
        space: str = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.xcolor_space  # pyright: ignore[reportAttributeAccessIssue]
    except (KeyError, TypeError, ImageCms.PyCMSError, OSError, ValueError):
        return None
    return icc if space.strip() == ("GRAY" if channels < 3 else "RGB") else None


def _exif(image: Image.Image) -> tuple[Image.Exif, list[str]]:
    """The EXIF of `image` that is KEPT, and the names of tags that are too damaged to be written again."""
    kept, lost = Image.Exif(), []
    try:
        exif = image.getexif()
        tags = sorted(KEPT & set(exif))
    except Exception:  # whatever its readers stumble over
        return kept, ["all of it"]
    for tag in tags:
        one = Image.Exif()
        try:
            one[tag] = _without_size(exif.get_ifd(tag)) if tag in (EXIF_PART, GPS_PART) else exif[tag]
            one.tobytes()
            kept[tag] = one[tag]
        except Exception:
            lost.append(TAGS.get(tag, hex(tag)))
    return kept, lost


def _without_size(part: dict[int, Any]) -> dict[int, Any]:
    return {tag: value for tag, value in part.items() if tag not in SIZE_IN_EXIF}
