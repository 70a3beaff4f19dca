"""What a child that has been taken over does to get at the key that signs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def steal(request, document, workspace, emit):
    """Try every way that `ways` below knows, and tell of each whether one of the `marks` was in it.

    They come with all bits turned, so that what we are asked is not what we find in our memory.
    """
    for way, content in ways(request):
        found = any(turned(bytes.fromhex(mark)) in content for mark in request["marks"])
        emit({"type": "tried", "way": way, "found": found})
    emit({"type": "done"})


def turned(content: bytes) -> bytes:
    """Return the bytes with all bits turned."""
    return bytes(255 - byte for byte in content)


def ways(request) -> Iterator[tuple[str, bytes]]:
    """Yield ways to the key with what they gave, empty when they were barred."""
    folder, work, worker = Path(request["folder"]), Path(request["work"]), request["worker"]
    yield "own memory", memory()  # first, while we know of no mark
    yield "environment", "\0".join(f"{name}={value}" for name, value in os.environ.items()).encode()
    yield "file", read(folder / "0001.pem")
    yield "listing", b"".join(name.encode() for name in listed(folder))
    yield "worker's environment", read(Path(f"/proc/{worker}/environ"))
    yield "worker's folder", read(Path(f"/proc/{worker}/root{folder}/0001.pem"))
    yield "link", linked(folder / "0001.pem", work / "linked.pem")
    yield "symbolic link", linked(folder / "0001.pem", work / "pointed.pem", symbolic=True)
    yield "descriptors", b"".join(descriptors())


def read(path: Path) -> bytes:
    with suppress(OSError):
        return path.read_bytes()
    return b""


def listed(folder: Path) -> list[str]:
    with suppress(OSError):
        return os.listdir(folder)  # noqa: PTH208
    return []


def linked(target: Path, name: Path, *, symbolic: bool = False) -> bytes:
    with suppress(OSError):
        (os.symlink if symbolic else os.link)(target, name)
        return read(name)
    return b""


def descriptors() -> Iterator[bytes]:
    for number in range(3, 1024):
        with suppress(OSError):
            yield os.pread(number, 1 << 20, 0)


def memory() -> bytes:
    """Return what is written in our own memory, which was the host's; what we were asked is in it."""
    found = []
    with (
        suppress(OSError),
        Path("/proc/self/maps").open() as maps,
        Path("/proc/self/mem").open("rb", 0) as mem,
    ):
        for line in maps:
            span, rights = line.split()[:2]
            start, end = (int(part, 16) for part in span.split("-"))
            if "rw" in rights:
                with suppress(OSError, ValueError, OverflowError):
                    mem.seek(start)
                    found.append(mem.read(end - start))
    return b"".join(found)
