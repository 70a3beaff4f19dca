"""Another time of day for one process, by libfaketime."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def faked_clock(shift: str) -> dict[str, str] | None:
    """Return the environment of a process whose clock is off by `+1h` or the like; None without the library.

    Its monotonic clock is right.
    """
    found = find_spec("libfaketime")
    if found is None or found.origin is None:
        return None
    library = Path(found.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
    if not library.exists():
        return None
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": shift,
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }
