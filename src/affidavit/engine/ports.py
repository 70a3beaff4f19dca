"""What the engine asks of the outside: a reader of images, and someone to tell of progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from affidavit.engine.result import BoundingBox


@dataclass(frozen=True, slots=True)
class OcrWord:
    """A word in an image. The box is in pixels of that image; `confidence` is 0 to 1.

    `line` numbers the line that the word stands on, in the reader's own reckoning.
    """

    text: str
    box: BoundingBox
    confidence: float
    line: int


class OcrEngine(Protocol):
    """A reader of images. Implementations are safe to fork after `warm_up`."""

    @property
    def name(self) -> str:
        """The engine's name as `options.ocr.engine` spells it."""

    @property
    def version(self) -> str:
        """The version that decides what it reads, models included."""

    def models(self) -> dict[str, str]:
        """SHA-256 of each model file, by file name. Empty when it has none."""

    def supports(self, languages: tuple[str, ...]) -> bool:
        """Tell whether all of these languages can be read."""

    def warm_up(self) -> None:
        """Load what is needed, without starting a thread. Raises OcrUnavailable."""

    def read(self, image: Image.Image, languages: tuple[str, ...]) -> list[OcrWord]:
        """Return the words of an upright image (RGB or L). Raises OcrFailed, OcrUnavailable."""


class Progress(Protocol):
    """Told about each step. Cheap to call; who listens decides how often to pass it on."""

    def __call__(self, stage: str, message: str, *, page: int | None = None) -> None: ...
