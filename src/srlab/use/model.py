"""A method that enlarges whatever pixels somebody has: photos, arrays, tensors, as large as they are."""

from collections.abc import Callable, Generator, Sequence
from copy import deepcopy
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from srlab.classical.ibp import IBP
from srlab.classical.observation import Frame
from srlab.degradation.imaging import Bicubic
from srlab.errors import SrlabError
from srlab.images.resample import HALF_TOLERANCE, imresize
from srlab.models.base.network import Upscaler
from srlab.models.base.trained import Trained
from srlab.training.devices import cpu_has_bf16
from srlab.use.exported import Exported
from srlab.use.photos import Photo, filled, photo_of, pillow_of
from srlab.use.tiles import SIDE, Window, bytes_per_pixel, free_memory, reach, tile_side, windows

PRECISIONS = ("auto", "float32", "bfloat16")
# After so many rounds what is left of a photo's difference is below half a grey level and falls no further.
ROUNDS = 5
STRIP = 64  # rows of output that are rounded at a time
REACH_OF_ALPHA = 2  # LR px of bicubic enlargement, by which alpha is enlarged

Pixels = TypeVar("Pixels", Image.Image, np.ndarray, Tensor)


class BackProjected:
    """An Upscaler: what `method` gives, changed so that MATLAB's bicubic reduction makes the input of it again.

    The step of Irani and Peleg 1991, for every channel by itself: the cure for the colours that a GAN shifts.
    """

    def __init__(self, method: Upscaler, scale: int) -> None:
        self.method, self.label, self.num_parameters = method, method.label, method.num_parameters
        self.ibp = IBP(Bicubic(scale, "bicubic"), method.label, ROUNDS, "bicubic")

    def upscale(self, lr: Tensor, scale: int) -> Tensor:
        """(B, C, h, w) in [0, 1] to (B, C, h*scale, w*scale) in [0, 1], C = 1 or 3."""
        return self.ibp.refined(self.method.upscale(lr, scale), [Frame(lr, self.ibp.nominal, 0.0)]).clamp(0.0, 1.0)


class Model:
    """A method, the factor `scale` by which it enlarges, and how: see `srlab.load`.

    A network computes with the memory layout channels_last, in windows that overlap by as much as it sees, so that
    they give what the whole image gives. A method without training (neither `Trained` nor `Exported`) gets whole
    images. `precision` auto is bfloat16 for images of 8 bits where the CPU has the instructions, else float32.

    Raises:
        SrlabError: precision is another word, or tile is too small for what the network sees.
    """

    def __init__(
        self,
        method: Upscaler,
        scale: int,
        *,
        precision: str = "auto",
        tile: int | None = None,
        back_project: bool = False,
    ) -> None:
        if precision not in PRECISIONS:
            raise SrlabError(f"precision is {precision}: choose one of {', '.join(PRECISIONS)}")
        self.label, self.scale, self.precision, self.tile = method.label, scale, precision, tile
        self.is_network = isinstance(method, Trained | Exported)
        on_gpu = torch.cuda.is_available() and not isinstance(method, Exported)
        self.device = torch.device("cuda" if on_gpu else "cpu")
        self._exact = self._fastest = method
        in_bf16 = precision == "bfloat16" or (precision == "auto" and not on_gpu and cpu_has_bf16())
        if isinstance(method, Trained):
            method.net.to(self.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
            if in_bf16:
                self._fastest = fast = deepcopy(method)
                fast.net.to(torch.bfloat16)
        elif isinstance(method, Exported) and in_bf16 and (method.has_bf16 or precision == "bfloat16"):
            self._fastest = method.in_bf16()
        self._file = method if isinstance(method, Exported) else None
        if back_project:
            self._exact, self._fastest = BackProjected(self._exact, scale), BackProjected(self._fastest, scale)

    def upscale(self, image: Pixels) -> Pixels:
        """The enlarged image, of the kind that was given.

        Args:
            image: a PIL image (grey, RGB, CMYK, palette, with alpha, 16-bit grey; set upright by its EXIF); a uint8 or
                uint16 array (H, W), (H, W, 1) or (H, W, 3), grey or RGB; or a floating point tensor in [0, 1],
                (C, H, W) or (B, C, H, W), C = 1 or 3, whose dtype and device the result has.

        Raises:
            SrlabError: the image is something else, or there is not enough memory.
        """
        if isinstance(image, Image.Image):
            return pillow_of(_last(self.steps(photo_of(image))))
        if isinstance(image, Tensor):
            return self._upscale_tensor(image)
        if not (
            isinstance(image, np.ndarray)
            and image.dtype in (np.uint8, np.uint16)
            and (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3)))
        ):
            found = f"{image.dtype} {image.shape}" if hasattr(image, "dtype") else type(image).__name__
            raise SrlabError(
                f"upscale takes a PIL image, a uint8 or uint16 array (H, W), (H, W, 1) or (H, W, 3), or a float tensor "
                f"in [0, 1], not {found}: convert it"
            )
        planes = _last(self.steps(Photo(image.reshape(*image.shape[:2], -1)))).planes
        return planes.reshape(*planes.shape[:2], *image.shape[2:])

    def windows_of(self, sides: Sequence[int]) -> list[Window]:
        """The parts in which an image (h, w) is enlarged now: what fits into memory, or `tile` px; 0: the whole."""
        return windows(sides, *self._tiling(sides))

    def problem(self, photo: Photo) -> str | None:
        """Why there is not enough memory for the enlarged photo, however small the windows; None if there is."""
        needed = photo.planes.nbytes * self.scale**2
        if photo.planes.shape[2] == 3:  # Pillow holds RGB with four bytes a pixel, in a copy
            needed += photo.planes.size // 3 * 4 * self.scale**2
        free = free_memory(torch.device("cpu"))
        return f"it takes {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free" if needed > free else None

    def steps(self, photo: Photo) -> Generator[None, None, Photo]:
        """Enlarge a photo, a yield after every window; returns it. SrlabError if there is not enough memory.

        Colour is enlarged as if all were opaque (`filled`), alpha apart from it, by bicubic interpolation: a network
        gives no exact white, and what was opaque has to stay so.
        """
        lr, scale = filled(photo) if photo.has_alpha else photo.planes, self.scale
        white = np.iinfo(photo.planes.dtype).max
        height, width, channels = photo.planes.shape
        planes = np.empty((height * scale, width * scale, channels), photo.planes.dtype)
        enlarged = torch.from_numpy(planes)

        def tensor(array: np.ndarray) -> Tensor:
            return (torch.from_numpy(array.astype(np.float32)).permute(2, 0, 1)[None] / float(white)).to(self.device)

        def put_levels(values: Tensor, kept: Tensor) -> None:
            rows = values[0].permute(1, 2, 0).split(STRIP), kept.split(STRIP)  # what is in the cache is not read again
            for part, place in zip(*rows, strict=True):
                place.copy_(part.mul_(float(white)).add_(0.5 + HALF_TOLERANCE))  # cut off to whole levels

        def put(window: Window, sr: Tensor) -> None:
            kept = enlarged[window.target(scale)]
            put_levels(sr, kept[..., : lr.shape[2]])
            if photo.has_alpha:
                alpha = imresize(tensor(photo.alpha[window.seen]), scale=scale)
                put_levels(alpha[(..., *window.inside(scale))].clamp_(0.0, 1.0), kept[..., -1:])

        is_deep = white > 255
        yield from self._in_windows((height, width), lambda window: tensor(lr[window.seen]), put, is_deep)
        return Photo(planes, photo.icc, photo.exif, photo.notes)

    def _upscale_tensor(self, image: Tensor) -> Tensor:
        lr = image[None] if image.ndim == 3 else image
        if not lr.is_floating_point() or lr.ndim != 4 or lr.shape[1] not in (1, 3):
            raise SrlabError(
                f"a tensor has to be floating point, (C, H, W) or (B, C, H, W) with 1 or 3 channels, not {image.dtype} "
                f"{tuple(image.shape)}: convert it"
            )
        if not (lr.amin() >= 0 and lr.amax() <= 1):  # NaN, too
            raise SrlabError("a tensor's values have to lie in [0, 1]: divide by white, and clamp")
        sr = lr.new_empty(*lr.shape[:2], *(side * self.scale for side in lr.shape[2:]))

        def put(window: Window, part: Tensor) -> None:
            sr[(..., *window.target(self.scale))] = part.to(sr)

        def seen(window: Window) -> Tensor:
            return lr[(..., *window.seen)].to(self.device, torch.float32)

        _last(self._in_windows(lr.shape[2:], seen, put, is_deep=False))
        return sr[0] if image.ndim == 3 else sr

    def _in_windows(
        self,
        sides: Sequence[int],
        seen: Callable[[Window], Tensor],
        put: Callable[[Window, Tensor], None],
        is_deep: bool,
    ) -> Generator[None, None, None]:
        """Enlarge what `seen` gives of each window and hand it to `put`; in smaller windows if memory runs out."""
        method = self._exact if is_deep and self.precision == "auto" else self._fastest
        tile, overlap = self._tiling(sides)
        while True:
            try:
                for window in windows(sides, tile, overlap):
                    put(window, method.upscale(seen(window), self.scale)[(..., *window.inside(self.scale))])
                    yield
                return
            except (MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                tile, far = min(tile or max(sides), max(sides)) // 2, self._overlap if self.is_network else None
                overlap = far or 0
                if far is None or tile <= 2 * far:
                    raise SrlabError(
                        f"memory is too short for {self.label} on {sides[1]}x{sides[0]} px: cut it"
                    ) from error

    def _tiling(self, sides: Sequence[int]) -> tuple[int, int]:
        """Side and overlap of windows in LR px; 0, 0 for the whole image."""
        if not self.is_network or self.tile == 0 or max(sides) <= (self.tile or SIDE) or self._overlap is None:
            return 0, 0
        if self.tile is None:
            output = sides[0] * sides[1] * self.scale**2 * 4
            return tile_side(self._bytes_per_pixel, output, self._overlap, self.device), self._overlap
        if self.tile <= 2 * self._overlap:
            raise SrlabError(
                f"a tile of {self.tile} px keeps nothing: {self.label} sees {self._overlap} px far, so set "
                f"{2 * self._overlap + 1} or more, or 0 for the whole image"
            )
        return self.tile, self._overlap

    @cached_property
    def _overlap(self) -> int | None:
        parts = [reach(one, self.scale, self.device) for one in self._measurable]
        parts += [self._file.sees] if self._file else []
        known = [part for part in parts if part is not None]
        return max(sum(known), REACH_OF_ALPHA) if len(known) == len(parts) else None

    @cached_property
    def _bytes_per_pixel(self) -> float:
        parts = [bytes_per_pixel(one, self.scale, self.device) for one in self._measurable]
        return sum(parts) + (self._file.bytes_per_pixel if self._file else 0)

    @property
    def _measurable(self) -> list[Upscaler]:
        """What is computed by torch, where NaN spreads and tensors are counted; an exported file tells its figures."""
        if self._file is None:
            return [self._fastest]
        return [self._fastest.ibp] if isinstance(self._fastest, BackProjected) else []


Result = TypeVar("Result")


def _last(steps: Generator[None, None, Result]) -> Result:
    """What a generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def _is_out_of_memory(error: BaseException) -> bool:
    # torch has a class for a GPU's memory alone; on a CPU its allocator raises a bare RuntimeError.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
