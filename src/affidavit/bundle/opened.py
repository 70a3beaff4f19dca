"""A bundle that was opened: what is in it, what of it proved unharmed, and the report on it so far."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from affidavit.bundle.container import ContainerError, Files
from affidavit.bundle.manifest import Manifest
from affidavit.bundle.report import Report


class TooLarge(ValueError):
    """A file is too large to be unpacked in memory."""


class Opened:
    """The files of a bundle, each read and hashed once; the check of the container is in the report.

    `manifest` is None until there is one that can be relied on, and `bound` holds the names of the files
    that have the size and the hash that it says.
    """

    def __init__(self, files: Files) -> None:
        self.report = Report()
        self.manifest: Manifest | None = None
        self.bound: set[str] = set()
        self.names = [entry.name for entry in files.entries]
        self.digests: dict[str, str] = {}
        self._files = files
        self._places = {name: n for n, name in enumerate(self.names)}
        self._hash_all()

    def has(self, name: str) -> bool:
        """Tell whether there is such a file, harmed or not."""
        return name in self._places

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""
        return self._files.entries[self._places[name]].size

    def stream(self, name: str) -> Iterator[bytes]:
        """Yield a file in blocks."""
        return self._files.read(self._places[name])

    def read(self, name: str, limit: int) -> bytes:
        """Return a file, or raise `TooLarge` if it has more bytes than the limit."""
        if self.size(name) > limit:
            raise TooLarge(f"{name} has more than {limit:,} bytes.")
        return b"".join(self.stream(name))

    def subject_of(self, check: str, name: str, limit: int) -> bytes | None:
        """Return the file that a check is about, None if it cannot be had, which the check then reports."""
        if not self.has(name):
            self.report.failed(check, "ENTRY_MISSING", "It is not there.", entry=name)
        elif name not in self.digests:
            self.report.failed(check, "UNREADABLE", "It could not be read.", entry=name)
        elif self.size(name) > limit:
            self.report.failed(check, "TOO_LARGE", f"It has more than {limit:,} bytes.", entry=name)
        else:
            return self.read(name, limit)
        return None

    def _hash_all(self) -> None:
        for name in self.names:
            digest = hashlib.sha256()
            try:
                for block in self.stream(name):
                    digest.update(block)
                self.digests[name] = digest.hexdigest()
            except ContainerError as wrong:
                self.report.failed("container", wrong.code, str(wrong), entry=name)
        if len(self.digests) == len(self.names):
            size = sum(entry.size for entry in self._files.entries)
            self.report.passed("container", f"{len(self.names):,} entries, {size:,} bytes")
