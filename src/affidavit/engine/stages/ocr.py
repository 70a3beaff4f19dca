"""Read a raster by OCR: turn it upright, level it, read it, and bring the words back."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from PIL import Image

from affidavit.engine.errors import EngineError, OcrFailed
from affidavit.engine.ocr import upright
from affidavit.engine.ports import OcrEngine, OcrWord
from affidavit.engine.result import BoundingBox
from affidavit.engine.stages.affine import IDENTITY, Affine, quarter_turn, scale, shift, turn_about
from affidavit.engine.stages.deskew import skew_of
from affidavit.engine.stages.token import Token

_TURNS = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}


@dataclass(frozen=True, slots=True)
class Reading:
    """What OCR found. Tokens are in the reading frame: page units, upright and level.

    `image` is the raster that was read and `zoom` its pixels per page unit, for the stages that look
    for ruling lines. `upright` is the clockwise turn that was needed.
    """

    tokens: list[Token]
    to_display: Affine
    upright: int
    image: Image.Image
    zoom: float


def spelled(engine: OcrEngine) -> str:
    """Return the engine as results name it: `name version`."""
    return f"{engine.name} {engine.version}"


def read_raster(raster: Image.Image, zoom: float, engine: OcrEngine, languages: tuple[str, ...]) -> Reading:
    """Read a raster of `zoom` pixels per page unit. Raises OcrFailed, OcrUnavailable."""
    turn = upright(raster) % 360
    turned = raster.transpose(_TURNS[turn]) if turn else raster
    to_raster = quarter_turn(turn, raster.width, raster.height).inverse()
    skew = skew_of(turned)
    level, to_turned = _levelled(turned, skew)
    words = _read(engine, level, languages)
    to_display = scale(zoom).then(to_turned).then(to_raster).then(scale(1 / zoom))
    return Reading(_tokens(words, zoom), to_display, turn, level, zoom)


def _read(engine: OcrEngine, image: Image.Image, languages: tuple[str, ...]) -> list[OcrWord]:
    try:
        return engine.read(image, languages)
    except EngineError:
        raise
    except Exception as error:  # whatever an engine's library raises, the page failed by OCR
        raise OcrFailed(engine.name, type(error).__name__) from error


def _levelled(image: Image.Image, skew: float) -> tuple[Image.Image, Affine]:
    """Return the image turned counter-clockwise by `skew`, on white, and the map back from it."""
    if not skew:
        return image, IDENTITY
    level = image.rotate(skew, Image.Resampling.BICUBIC, expand=True, fillcolor="white")
    about = turn_about(skew, 0, 0)
    move = shift(image.width / 2, image.height / 2)
    return level, shift(-level.width / 2, -level.height / 2).then(about).then(move)


def _tokens(words: list[OcrWord], zoom: float) -> list[Token]:
    heights: dict[int, list[float]] = {}
    for word in words:
        heights.setdefault(word.line, []).append(word.box[3] - word.box[1])
    sizes = {line: median(found) / zoom for line, found in heights.items()}
    return [_token(word, zoom, sizes[word.line]) for word in words if word.text.strip()]


def _token(word: OcrWord, zoom: float, size: float) -> Token:
    box: BoundingBox = tuple(side / zoom for side in word.box)  # type: ignore[assignment]
    confidence = min(max(word.confidence, 0.0), 1.0)
    return Token(" ".join(word.text.split()), *box, size, word.line, confidence, native=False)
