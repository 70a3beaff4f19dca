"""The bytes of a document, as the walled child is given them. Light: it opens nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of a document, and the name that it came with."""

    data: bytes
    filename: str | None = None

    @classmethod
    def from_path(cls, path: Path) -> Self:
        """Read the file at `path`."""
        return cls(path.read_bytes(), path.name)

    @classmethod
    def from_descriptor(cls, descriptor: int, filename: str | None = None) -> Self:
        """Read the open file from its start; the descriptor stays open.

        The bytes are read rather than re-opened by /proc/self/fd, which a walled process may not do.
        """
        os.lseek(descriptor, 0, os.SEEK_SET)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return cls(file.read(), filename)
