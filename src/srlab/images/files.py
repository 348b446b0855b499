"""Image files in and out: what counts as a usable picture, and what to do about one that is not."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from kornia_rs.io import decode_image_jpegturbo
from PIL import Image, ImageCms, PngImagePlugin, UnidentifiedImageError

from srlab.errors import SrlabError
from srlab.files import replacing

GREY_MODES = ("1", "L", "LA", "La")
SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}  # what a profile calls them
DEEP_MODES = ("I", "F")  # and every I;16 flavour
TIFF_BITS_PER_SAMPLE = 258
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
EXIF_ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# (Horizontal, vertical) sampling of luma against chroma that libjpeg-turbo's own interface decodes.
SAMPLINGS = ((1, 1), (2, 1), (1, 2), (2, 2), (4, 1))
# Pillow's own limits refuse whole pictures: panoramas, and PNGs with the workflow that made them as text.
Image.MAX_IMAGE_PIXELS = 500_000_000  # it warns above that, and refuses above twice that
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY


def read_image(path: Path) -> np.ndarray:
    """uint8 (H, W, 3) sRGB, or (H, W, 1) grey where the file is grey, upright (EXIF orientation applied).

    Palettes become RGB, 1-bit images grey, CMYK and YCbCr RGB by Pillow; what has a profile becomes sRGB
    (`foreign_profile`); alpha that hides nothing is dropped. Of several frames the first counts. SrlabError (one line:
    file and cure) if the file is missing, empty, no image, damaged, has transparent pixels or more than 8 bits per
    channel.
    """
    path = Path(path)
    with reading(path) as image:
        if is_deep(path, image):
            raise SrlabError(f"{path} has more than 8 bits per channel: convert it to 8 bits first")
        require_whole(path, image)
        return _pixels(path, upright(image))


@contextmanager
def reading(path: Path) -> Iterator[Image.Image]:
    """The opened picture; whatever goes wrong while it is read becomes a SrlabError (one line: file and cure)."""
    try:
        if path.stat().st_size == 0:
            raise SrlabError(f"{path} is empty (0 bytes): fetch it again or remove it")
        with Image.open(path) as image:
            yield image
    except SrlabError:
        raise
    except FileNotFoundError:
        raise SrlabError(f"{path} does not exist: check the path") from None
    except PermissionError:
        raise SrlabError(f"{path} may not be read: give yourself the right to or remove it") from None
    except UnidentifiedImageError:
        raise SrlabError(f"{path} is no image in a format that Pillow reads: convert or remove it") from None
    except Image.DecompressionBombError as error:
        raise SrlabError(f"{path} is too large ({error}): cut it into parts or remove it") from error
    except Exception as error:  # damaged files raise whatever the decoders stumble over
        reason = " ".join(str(error).split()) or type(error).__name__
        cure = "convert it if other programs show it, else fetch it again or remove it"
        raise SrlabError(f"{path} cannot be decoded ({reason}): {cure}") from error


def require_whole(path: Path, image: Image.Image) -> None:
    """Decode `image`; SrlabError if a part of its JPEG data is lost, which Pillow passes over."""
    image.load()
    if _has_a_hole(path, image):
        raise SrlabError(f"{path} is damaged (a part of its JPEG data is lost): fetch it again or remove it")


def foreign_profile(path: Path) -> str | None:
    """The name of the colour profile from which `read_image` converts a picture; None where nothing is converted."""
    with Image.open(path) as image:
        conversion = _conversion(image)
    return conversion[0] if conversion else None


def size_problem(path_or_name: Path | str, width: int, height: int, minimum: int) -> str | None:
    """One line (file, size, cure) about a picture of which a side is below `minimum` px; None if it is large enough."""
    if min(width, height) >= minimum:
        return None
    return (
        f"{path_or_name} is {width}x{height} px; the smallest usable side is {minimum}: "
        "remove it or lower `minimum_side` in conf/fetch.yaml"
    )


def write_png(path: Path, image: np.ndarray) -> None:
    """Save uint8 (H, W, 1) or (H, W, 3) as a grey or RGB PNG, whole or not at all; ValueError on any other array."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(f"want uint8 (H, W, 1 or 3), got {image.dtype} {image.shape}")
    picture = Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[2] == 1 else image))
    with replacing(Path(path)) as temporary:
        picture.save(temporary, format="PNG")


def pixel_digest(image: np.ndarray) -> str:
    """sha256 in hex over "{H}x{W}x{C}:" and the pixels of uint8 (H, W, C) in C order, whatever the file format was."""
    height, width, channels = image.shape
    digest = hashlib.sha256(f"{height}x{width}x{channels}:".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def is_deep(path: Path, image: Image.Image) -> bool:
    """Whether a channel has over 8 bits: Pillow's mode says so for grey, but deep RGB is cut to 8 bits silently."""
    if image.mode in DEEP_MODES or image.mode.startswith("I;"):
        return True
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        return max(tags.get(TIFF_BITS_PER_SAMPLE, (1,))) > 8
    with path.open("rb") as file:
        header = file.read(25)
    return header.startswith(PNG_SIGNATURE) and header[24] > 8  # IHDR: 8 signature + 8 chunk head + 4 width + 4 height


def _has_a_hole(path: Path, image: Image.Image) -> bool:
    """Whether libjpeg-turbo's own interface refuses a JPEG that Pillow decoded: Pillow passes over its warnings.

    None of 1291 photos was refused that is whole. CMYK and odd samplings are not judged, since it does not know them.
    """
    if image.format not in ("JPEG", "MPO") or image.mode not in ("L", "RGB"):
        return False
    (_, *luma, _), *chroma = image.layer  # pyright: ignore[reportAttributeAccessIssue]: (id, h, v, table) of each channel
    if chroma and (tuple(luma) not in SAMPLINGS or any((h, v) != (1, 1) for _, h, v, _ in chroma)):
        return False
    try:
        decode_image_jpegturbo(path.read_bytes(), "mono")  # grey is enough, and takes half the time
    except Exception:  # it raises bare ones
        return True
    return False


def upright(image: Image.Image) -> Image.Image:
    """Turned as the EXIF orientation says. Pillow's own `exif_transpose` rewrites EXIF, and fails on odd tags."""
    turn = turn_of(image)
    return image if turn is None else image.transpose(turn)


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """What sets a picture upright whose EXIF says how the camera was held; None where there is nothing to do."""
    try:
        return TURNS.get(image.getexif()[EXIF_ORIENTATION])
    except Exception:  # unreadable tags say nothing about the pixels
        return None


def _conversion(image: Image.Image) -> tuple[str, ImageCms.ImageCmsTransform] | None:
    """The name of a profile and the way from its colours to sRGB; None where there is none, or it cannot be used."""
    embedded = image.info.get("icc_profile")
    if not embedded:
        return None
    mode = "CMYK" if image.mode == "CMYK" else "L" if image.mode in GREY_MODES else "RGB"
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
        space: str = profile.profile.xcolor_space  # pyright: ignore[reportAttributeAccessIssue]
        name = " ".join(ImageCms.getProfileDescription(profile).split()) or "without a name"
        if space.strip() != SPACES[mode] or "srgb" in name.casefold():
            return None
        intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
        return name, ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB", intent, flags)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def to_rgb(image: Image.Image) -> Image.Image:
    """As RGB, in sRGB where a profile says what the colours are."""
    conversion = _conversion(image)
    if conversion is None:
        return image.convert("RGB")
    _, transform = conversion
    converted = ImageCms.applyTransform(
        image if image.mode == "CMYK" else image.convert(transform.input_mode), transform
    )
    assert converted is not None  # only `inPlace` gives none
    return converted


def _pixels(path: Path, image: Image.Image) -> np.ndarray:
    grey = image.mode in GREY_MODES
    if image.has_transparency_data:  # an alpha channel, or one palette entry or colour declared transparent
        image = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        if np.array(image.getchannel("A")).min() < 255:
            raise SrlabError(f"{path} has transparency: flatten it onto a background first")
    image = image.convert("L") if grey else to_rgb(image)
    if grey and "icc_profile" in image.info:
        image = to_rgb(image).getchannel(0)
    pixels = np.array(image)
    return pixels.reshape(*pixels.shape[:2], -1)
