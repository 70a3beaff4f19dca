"""Lay a bundle out as one file to send: its own ZIP, or a BagIt bag in a TAR.

Both follow from what the database knows of the bundle, so their size is known before a blob is opened,
and they are the same bytes whenever they are asked for. Pure.
"""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from affidavit.bundle.container import Entry, Plan
from affidavit.bundle.manifest import ENVELOPE, MANIFEST
from affidavit.evidence.manifest import Artifact
from affidavit.evidence.views import SealedView

_BLOCK: Final = 512  # of a TAR
_RECORD: Final = 20 * _BLOCK  # what a TAR is filled up to
_BAG_DECLARATION: Final = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"

Part = bytes | Artifact


class PackageFormat(StrEnum):
    """What a bundle can be downloaded as."""

    ZIP = "zip"
    BAGIT = "bagit"


@dataclass(frozen=True, slots=True)
class Package:
    """A file to send: `parts` one after the other have `size_bytes` bytes, which `tag` names."""

    form: PackageFormat
    filename: str
    media_type: str
    size_bytes: int
    tag: str
    parts: tuple[Part, ...]


def pack(sealed: SealedView, proofs: Mapping[str, bytes], form: PackageFormat) -> Package:
    """Return the bundle in this form. `proofs` are its unsigned files by their names."""
    match form:
        case PackageFormat.ZIP:
            return _zipped(sealed, proofs)
        case PackageFormat.BAGIT:
            return _bagged(sealed, proofs)


def part_size(part: Part) -> int:
    """Return how many bytes a part has."""
    return len(part) if isinstance(part, bytes) else part.size_bytes


def _zipped(sealed: SealedView, proofs: Mapping[str, bytes]) -> Package:
    contents = list(_contents(sealed, proofs))
    plan = Plan([Entry(name, part_size(part), _crc(part)) for name, part in contents])
    parts: list[Part] = []
    for n, (_, part) in enumerate(contents):
        parts += [plan.head(n), part]
    parts.append(plan.tail())
    tag = _tag(PackageFormat.ZIP, sealed, proofs)
    name = f"{sealed.view.id}.zip"
    return Package(PackageFormat.ZIP, name, "application/zip", plan.size, tag, tuple(parts))


def _bagged(sealed: SealedView, proofs: Mapping[str, bytes]) -> Package:
    contents = list(_contents(sealed, proofs))
    payload = [(f"data/{name}", part) for name, part in contents]
    tags = _tag_files(sealed, payload)
    parts: list[Part] = []
    for name, part in (*tags, *payload):
        parts += [_tar_head(sealed, name, part), part, bytes(-part_size(part) % _BLOCK)]
    size = sum(map(part_size, parts)) + 2 * _BLOCK
    parts.append(bytes(2 * _BLOCK + -size % _RECORD))
    size += -size % _RECORD
    tag = _tag(PackageFormat.BAGIT, sealed, proofs)
    name = f"{sealed.view.id}.tar"
    return Package(PackageFormat.BAGIT, name, "application/x-tar", size, tag, tuple(parts))


def _contents(sealed: SealedView, proofs: Mapping[str, bytes]) -> Iterator[tuple[str, Part]]:
    yield MANIFEST, sealed.manifest
    yield ENVELOPE, sealed.envelope
    for artifact in sealed.artifacts:
        yield artifact.name, artifact
    for name in sorted(proofs):
        yield name, proofs[name]


def _tag_files(sealed: SealedView, payload: list[tuple[str, Part]]) -> list[tuple[str, bytes]]:
    """Return what makes a folder a bag (RFC 8493, section 2)."""
    described = "".join(f"{_digest(part)}  {name}\n" for name, part in payload).encode()
    files = [
        ("bagit.txt", _BAG_DECLARATION),
        ("bag-info.txt", _bag_info(sealed, payload)),
        ("manifest-sha256.txt", described),
    ]
    listed = "".join(f"{_digest(data)}  {name}\n" for name, data in files).encode()
    return [*files, ("tagmanifest-sha256.txt", listed)]


def _bag_info(sealed: SealedView, payload: list[tuple[str, Part]]) -> bytes:
    size = sum(part_size(part) for _, part in payload)
    return (
        f"External-Identifier: {sealed.view.id}\n"
        f"External-Description: Evidence bundle of {sealed.view.job_id}\n"
        f"Bagging-Date: {sealed.view.sealed_at:%Y-%m-%d}\n"
        f"Payload-Oxum: {size}.{len(payload)}\n"
    ).encode()


def _tar_head(sealed: SealedView, name: str, part: Part) -> bytes:
    member = tarfile.TarInfo(f"{sealed.view.id}/{name}")
    member.size = part_size(part)
    member.mode = 0o644
    return member.tobuf(tarfile.USTAR_FORMAT)


def _crc(part: Part) -> int:
    return zlib.crc32(part) if isinstance(part, bytes) else part.crc32


def _digest(part: Part) -> str:
    return hashlib.sha256(part).hexdigest() if isinstance(part, bytes) else part.sha256


def _tag(form: PackageFormat, sealed: SealedView, proofs: Mapping[str, bytes]) -> str:
    """Name the bytes: the manifest has the hashes of all artifacts, the rest is hashed here."""
    found = hashlib.sha256(form.value.encode())
    for part in (sealed.manifest, sealed.envelope, *(proofs[name] for name in sorted(proofs))):
        found.update(hashlib.sha256(part).digest())
    return found.hexdigest()
