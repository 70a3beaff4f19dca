"""An OCR engine that reads nothing, or the same words every time: for tests and dry runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

    from affidavit.engine.ports import OcrWord


@dataclass(frozen=True, slots=True)
class NullOcr:
    """Give back `words` for every image, whatever it shows."""

    words: tuple[OcrWord, ...] = ()
    name: str = "null"
    version: str = "1"

    def models(self) -> dict[str, str]:
        """Return no models."""
        return {}

    def supports(self, languages: tuple[str, ...]) -> bool:
        """Claim every language: nothing is read in any of them."""
        return bool(languages)

    def warm_up(self) -> None:
        """Do nothing."""

    def read(self, image: Image.Image, languages: tuple[str, ...]) -> list[OcrWord]:  # noqa: ARG002
        """Return the words given at construction."""
        return list(self.words)
