"""One change of a bundle, and the reasons for which a verifier must refuse it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bundle.archive import pack
from tests.bundle.making import entries


@dataclass(frozen=True)
class Mutation:
    """A changed bundle. A check must fail with one of `codes`, about `entry` if that is given."""

    name: str
    data: bytes
    codes: frozenset[str]
    entry: str | None = None

    def __str__(self) -> str:
        return self.name


def because(*codes: str) -> frozenset[str]:
    return frozenset(codes)


def listed(name: str, parts: Sequence[tuple[str, bytes]], *codes: str, entry: str | None = None) -> Mutation:
    return Mutation(name, pack(entries(parts)), because(*codes), entry)


def flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
