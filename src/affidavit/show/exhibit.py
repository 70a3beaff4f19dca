"""Take out of a bundle what the page shows: contents that are what the manifest says, and no others."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from affidavit.bundle import chunk
from affidavit.bundle.canonical import JsonError, load
from affidavit.bundle.container import ContainerError, Files
from affidavit.bundle.report import Report, Status
from affidavit.show.cited import Box, box_of

MAX_MANIFEST_BYTES: Final = 32 << 20
MAX_TEXT_BYTES: Final = 64 << 20  # of a result, as the format limits it
MAX_DOCUMENT_BYTES: Final = 256 << 20  # taken apart page by page
MAX_WORDS: Final = 5_000  # of a page, that are drawn where it has no image
MAX_IMAGE_BYTES: Final = 16 << 20
MAX_IMAGES_BYTES: Final = 400 << 20  # of all images on one page, before base64
MAX_PIXELS: Final = 50_000_000  # of a page image; what the engine draws has two million
SIDE: Final = 0x3FFF  # a side of a WebP has 14 bits
MAX_EDGE: Final = 1_000_000  # page units
_PAGES: Final = re.compile(r'"pages"\s*:\s*\[\s*')


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page as it was read: its size in page units, and where its words came from."""

    number: int
    width: float
    height: float
    source: str


@dataclass(frozen=True, slots=True)
class PlacedWord:
    """A word of a chunk and where it stands."""

    text: str
    box: Box


@dataclass(frozen=True, slots=True)
class Picture:
    """The WebP of a page, or why it is not shown."""

    data: bytes | None
    lacking: str = ""
    is_bad: bool = False


class Exhibit:
    """The contents of a bundle, each hashed before it is given out."""

    def __init__(self, files: Files, report: Report) -> None:
        self.report = report
        self._files = files
        self._room_bytes = MAX_IMAGES_BYTES
        self._places = {entry.name: n for n, entry in enumerate(files.entries)}
        self._manifest_bytes = self._read("manifest.json", MAX_MANIFEST_BYTES) or b""
        self.manifest = _object(self._manifest_bytes)
        listed = self.manifest.get("artifacts")
        items = listed if isinstance(listed, list) else []
        self.artifacts = [each for each in items if isinstance(each, dict)]
        self._digests = {str(each.get("name")): each.get("sha256") for each in self.artifacts}

    @property
    def manifest_sha256(self) -> str:
        """Return the SHA-256 of the manifest in hex."""
        return hashlib.sha256(self._manifest_bytes).hexdigest()

    @property
    def broken(self) -> frozenset[str]:
        """Return the files and citations that a check failed for."""
        failed = (check for check in self.report.checks if check.status is Status.FAILED)
        return frozenset(check.entry for check in failed if check.entry)

    def content(self, name: str, limit: int) -> bytes | None:
        """Return a file that is what the manifest says; None when it is not, is missing or is too large."""
        data = self._read(name, limit)
        if data is None or hashlib.sha256(data).hexdigest() != self._digests.get(name):
            return None
        return data

    def object(self, name: str) -> dict[str, Any]:
        """Return the JSON object in a file, empty when there is none to show."""
        return _object(self.content(name, MAX_TEXT_BYTES) or b"")

    def picture(self, number: int) -> Picture:
        """Return the image of a page, or why there is none to show."""
        name = image_name(number)
        if name not in self._places:
            return Picture(None, "The bundle has no image of this page.")
        if self._files.entries[self._places[name]].size > min(MAX_IMAGE_BYTES, self._room_bytes):
            return Picture(None, "The image of this page is too large to be shown here.")
        data = self.content(name, MAX_IMAGE_BYTES)
        if data is None:
            return Picture(
                None, "The image of this page is not the one that was sealed: left out.", is_bad=True
            )
        if not 0 < _pixels(data) <= MAX_PIXELS:
            return Picture(
                None, "The image of this page is none that a browser should open: left out.", is_bad=True
            )
        self._room_bytes -= len(data)
        return Picture(data)

    @cached_property
    def sheets(self) -> dict[int, Sheet]:
        """Return the pages by their numbers."""
        data = self.content("document.json", MAX_DOCUMENT_BYTES) or b""
        with suppress(UnicodeDecodeError, ValueError, RecursionError):
            return {sheet.number: sheet for sheet in map(_sheet, _pages(data.decode())) if sheet is not None}
        return {}

    def chunks(self) -> Iterator[chunk.Chunk]:
        """Yield the chunks of the text in their order."""
        data = self.content("chunks.ndjson", MAX_TEXT_BYTES * 4) or b""
        for line in data.splitlines():
            with suppress(chunk.ChunkError):
                yield chunk.parse(line)

    def words(self, pages: Collection[int], cited: Collection[str]) -> dict[int, dict[str, PlacedWord]]:
        """Return words of some pages by page and id: those that are cited, and the first of the others."""
        found: dict[int, dict[str, PlacedWord]] = {page: {} for page in pages}
        for each in self.chunks():
            for name, word in _words(each.words) if each.page in found else ():
                if name in cited or len(found[each.page]) < MAX_WORDS:
                    found[each.page][name] = word
        return found

    def _read(self, name: str, limit: int) -> bytes | None:
        place = self._places.get(name)
        if place is None or self._files.entries[place].size > limit:
            return None
        try:
            return b"".join(self._files.read(place))
        except ContainerError:
            return None


def image_name(number: int) -> str:
    """Return the name of a page's image."""
    return f"pages/{number:04}.webp"


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = load(data)
    except JsonError:
        return {}
    return value if isinstance(value, dict) else {}


def _pages(text: str) -> Iterator[Any]:
    """Yield the pages of document.json one at a time: together they may be too large to hold."""
    found = _PAGES.search(text)
    at = found.end() if found else len(text)
    decoder = json.JSONDecoder()
    while text[at : at + 1] == "{":
        page, at = decoder.raw_decode(text, at)
        yield page
        at = _after_comma(text, at)


def _after_comma(text: str, at: int) -> int:
    while text[at : at + 1] in {" ", "\n", "\r", "\t", ","}:
        at += 1
    return at


def _sheet(page: Any) -> Sheet | None:
    match page:
        case {"number": int(number), "width": int() | float() as width, "height": int() | float() as height}:
            if number > 0 and 0 < width < MAX_EDGE and 0 < height < MAX_EDGE:
                return Sheet(number, width, height, str(page.get("source", "")))
    return None


def _words(words: Iterable[Any]) -> Iterator[tuple[str, PlacedWord]]:
    for word in words:
        match word:
            case [str(id_), str(text), list(edges)] if (box := box_of(edges)) is not None:
                yield id_, PlacedWord(text, box)


def _pixels(data: bytes) -> int:
    """Return width times height as the header of a WebP says, 0 when it is none."""
    if len(data) < 30 or data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return 0
    match data[12:16]:
        case b"VP8 ":
            width, height = _number(data[26:28]) & SIDE, _number(data[28:30]) & SIDE
            return width * height
        case b"VP8L":
            bits = _number(data[21:25])
            return ((bits & SIDE) + 1) * ((bits >> 14 & SIDE) + 1)
        case b"VP8X":
            return (_number(data[24:27]) + 1) * (_number(data[27:30]) + 1)
        case _:
            return 0


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
