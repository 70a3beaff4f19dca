"""Write pages, images and results as compressed, hashed files, and read pages back.

A JSON file is one zstd frame. A result is written value by value, so that its JSON never stands in
memory as a whole.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import zstandard
from pydantic_core import to_json

from affidavit.engine.errors import NoRoom, OutputLimitExceeded
from affidavit.engine.model import ModelRequest
from affidavit.engine.result import Page, Result

LEVEL: Final = 3  # a page of 400 words: 90 kB of JSON to 9 kB in 0.4 ms; level 9 saves 8 % for 4 ms

STREAMED: Final = {"pages", "tables"}  # the fields of a result that grow with the document


@dataclass(frozen=True, slots=True)
class Written:
    """A finished file. `file` is its name in the folder, `size` and `sha256` are of its bytes."""

    file: str
    size: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """Return the three as a message carries them."""
        return {"file": self.file, "size": self.size, "sha256": self.sha256}


@dataclass(slots=True)
class PlainFile:
    """A file that is being written, as it is. `size` counts its bytes so far; `limit` is what they may be."""

    name: str
    limit: int
    _file: BinaryIO
    size: int = 0

    def write(self, piece: bytes) -> None:
        """Append. Raises OutputLimitExceeded."""
        self.size += len(piece)
        if self.size > self.limit:
            raise OutputLimitExceeded(limit=self.limit)
        self._file.write(piece)


@dataclass(slots=True)
class Output:
    """The folder of one run. `limit` bounds the bytes of all JSON in it, before compression."""

    folder: Path
    limit: int
    _spent: int = 0

    def write_page(self, page: Page) -> Written:
        """Write `page-0007.json.zst`. Raises OutputLimitExceeded."""
        return self._write_json(page_file(page.number), iter([page.model_dump_json().encode()]))

    def write_image(self, number: int, data: bytes) -> Written:
        """Write `page-0007.webp`. Raises OutputLimitExceeded."""
        return self._write(f"page-{number:04d}.webp", iter([data]))

    def write_artifact(self, number: int, data: bytes) -> Written:
        """Write `artifact-0001.bin`. Raises OutputLimitExceeded."""
        return self._write(f"artifact-{number:04d}.bin", self._counted(iter([data])))

    def write_requests(self, requests: Sequence[ModelRequest]) -> Written:
        """Write `requests.json`, a list. Raises OutputLimitExceeded."""
        return self._write("requests.json", self._counted(iter([to_json(list(requests))])))

    def write_result(self, result: Result) -> Written:
        """Write `result.json.zst`. Raises OutputLimitExceeded."""
        self._spent = 0  # the pages of this run are in it again
        return self._write_json("result.json.zst", pieces(result))

    @contextmanager
    def plain(self, name: str, limit: int) -> Iterator[PlainFile]:
        """Open a file to be left as it is written, at most `limit` bytes. Raises OutputLimitExceeded."""
        with self._room(), (self.folder / name).open("wb") as file:
            yield PlainFile(name, limit, file)

    def read_page(self, number: int, folder: str = "pages") -> Page:
        """Read a page that was put into `folder` beforehand. Raises OutputLimitExceeded."""
        return Page.model_validate_json(self._read(f"{folder}/{page_file(number)}"))

    def read_result(self, name: str) -> Result:
        """Read a result that was put here beforehand. Raises OutputLimitExceeded."""
        return Result.model_validate_json(self._read(name))

    def _read(self, name: str) -> bytes:
        with (self.folder / name).open("rb") as file:
            reader = zstandard.ZstdDecompressor().stream_reader(file)
            content = reader.read(self.limit + 1)
        if len(content) > self.limit:
            raise OutputLimitExceeded(limit=self.limit)
        return content

    def _write_json(self, name: str, content: Iterator[bytes]) -> Written:
        return self._write(name, _compressed(self._counted(content)))

    def _counted(self, content: Iterator[bytes]) -> Iterator[bytes]:
        for piece in content:
            self._spent += len(piece)
            if self._spent > self.limit:
                raise OutputLimitExceeded(limit=self.limit)
            yield piece

    def _write(self, name: str, content: Iterator[bytes]) -> Written:
        with self._room(), (self.folder / name).open("wb") as file:
            return _hashed(name, file, content)

    @contextmanager
    def _room(self) -> Iterator[None]:
        """Say what it means that a file cannot be written. Raises OutputLimitExceeded, NoRoom."""
        try:
            yield
        except OSError as error:
            if error.errno == errno.EFBIG:  # the limit of one file, RLIMIT_FSIZE
                raise OutputLimitExceeded(limit=self.limit) from error
            if error.errno in NoRoom.errnos:
                raise NoRoom from error
            raise


def page_file(number: int) -> str:
    """Return the name of a page's file, 1-based."""
    return f"page-{number:04d}.json.zst"


def pieces(result: Result, without: Collection[str] = ()) -> Iterator[bytes]:
    """Yield the JSON of a result in pieces: together, what `model_dump_json(exclude=without)` returns."""
    shown = [(name, getattr(result, name)) for name in type(result).model_fields if name not in without]
    for index, (name, value) in enumerate((name, value) for name, value in shown if _is_shown(name, value)):
        yield (b"{" if index == 0 else b",") + to_json(name) + b":"
        if name in STREAMED:
            yield from _listed(value)
        else:
            yield to_json(value, inf_nan_mode="null")
    yield b"}"


def _is_shown(name: str, value: object) -> bool:
    is_left_out = Result.model_fields[name].exclude_if
    return is_left_out is None or not is_left_out(value)


def _listed(values: tuple[Any, ...]) -> Iterator[bytes]:
    yield b"["
    for index, value in enumerate(values):
        yield (b"," if index else b"") + to_json(value, inf_nan_mode="null")
    yield b"]"


def _compressed(content: Iterator[bytes]) -> Iterator[bytes]:
    deflater = zstandard.ZstdCompressor(level=LEVEL).compressobj()
    for piece in content:
        if compressed := deflater.compress(piece):
            yield compressed
    yield deflater.flush()


def _hashed(name: str, file: BinaryIO, content: Iterator[bytes]) -> Written:
    digest = hashlib.sha256()
    size = 0
    for piece in content:
        file.write(piece)
        digest.update(piece)
        size += len(piece)
    return Written(name, size, digest.hexdigest())
