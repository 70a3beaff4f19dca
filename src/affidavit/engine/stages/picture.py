"""Open images as documents: every frame of a TIFF is a page, other images are one page."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass, field
from typing import Self

from PIL import Image, ImageOps

from affidavit.engine import media
from affidavit.engine.errors import CorruptDocument, PixelLimitExceeded, SideLimitExceeded
from affidavit.engine.spec import Limits
from affidavit.engine.stages.sheet import PictureSheet

# Pillow's own limit is one number for the whole process and decodes up to twice it with a warning;
# ours is judged on the declared size of every frame, before its pixels are touched.
Image.MAX_IMAGE_PIXELS = None

FORMATS = {media.PNG: "PNG", media.JPEG: "JPEG", media.TIFF: "TIFF", media.WEBP: "WEBP"}

# What Pillow's readers raise on damaged files, by their own documentation and by fuzzing.
IMAGE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    KeyError,
    IndexError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    MemoryError,
)


@dataclass(slots=True)
class ImageFile:
    """An open image. Frames are decoded one at a time, when they are asked for."""

    image: Image.Image
    media_type: str
    page_count: int
    limits: Limits
    _decoded: dict[int, Image.Image] = field(default_factory=dict)

    @classmethod
    def open(cls, data: bytes, media_type: str, limits: Limits) -> Self:
        """Open the image and decode its first frame. Raises CorruptDocument, LimitExceeded."""
        if media_type == media.WEBP:
            _judge(_webp_size(data), limits)  # Pillow makes room for the pixels of a WebP on opening it
        try:
            image = Image.open(io.BytesIO(data), formats=[FORMATS[media_type]])
            frames = int(getattr(image, "n_frames", 1)) if media_type == media.TIFF else 1
        except IMAGE_ERRORS as error:
            raise CorruptDocument("it cannot be opened as an image") from error
        opened = cls(image, media_type, frames, limits)
        opened._decoded[1] = opened._decode(1)
        return opened

    def sheet(self, number: int) -> PictureSheet:
        """Return the frame of this 1-based number. Raises what `open` raises."""
        image = self._decoded.pop(number, None)
        return PictureSheet(image or self._decode(number), number)

    def _decode(self, number: int) -> Image.Image:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd metadata, which is not read
                if self.page_count > 1:
                    self.image.seek(number - 1)
                _judge(self.image.size, self.limits, number)
                return _opaque(ImageOps.exif_transpose(self.image))
        except IMAGE_ERRORS as error:
            raise CorruptDocument(f"the image of page {number} cannot be decoded") from error


def _judge(size: tuple[int, int], limits: Limits, page: int | None = None) -> None:
    width, height = size
    if width * height > limits.pixels:
        raise PixelLimitExceeded(limit=limits.pixels, pixels=width * height, page=page)
    if max(size) > limits.side_pixels:
        raise SideLimitExceeded(limit=limits.side_pixels, pixels=max(size), page=page)


def _webp_size(data: bytes) -> tuple[int, int]:
    """Return the size that the header declares (RFC 9649, sections 2.5 to 2.7)."""
    kind, body = data[12:16], data[20:30].ljust(10, b"\0")
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF


def _opaque(image: Image.Image) -> Image.Image:
    """Return the image as RGB on white; 16-bit grey is scaled, where Pillow would clip it."""
    if image.mode.startswith("I;16") or image.mode in {"I", "F"}:
        return _to_eight_bits(image).convert("RGB")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    low, high = (float(value) for value in image.getextrema())  # type: ignore[arg-type]
    if low >= 0 and high <= 255:
        return image.convert("F").convert("L")
    span = max(high - low, 1.0)
    return image.convert("F").point(lambda value: value * (255.0 / span) - low * (255.0 / span)).convert("L")
