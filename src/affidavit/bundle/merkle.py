"""Merkle trees of RFC 6962 over SHA-256: roots, and proofs of an entry or of growth.

A proof is made of roots of subtrees. Which ones is said as ranges of leaves, so that who keeps a tree in a
database can fetch them, and who has all leaves at hand can compute them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

Range = tuple[int, int]  # leaves from the first, up to the second exclusive

EMPTY_ROOT = hashlib.sha256().digest()


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry as a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that leaves are appended to, kept as the roots of its complete subtrees, largest first."""

    def __init__(self, size: int = 0, subtrees: Sequence[bytes] = ()) -> None:
        if len(subtrees) != size.bit_count():
            raise ValueError("A frontier has one subtree for each bit that is set in its size.")
        self.size = size
        self.subtrees = list(subtrees)

    def append(self, leaf: bytes) -> list[bytes]:
        """Add the hash of a leaf. Return the subtrees completed by it: of 1, 2, 4, ... leaves."""
        completed = [leaf]
        remaining = self.size
        while remaining & 1:
            completed.append(node_hash(self.subtrees.pop(), completed[-1]))
            remaining >>= 1
        self.subtrees.append(completed[-1])
        self.size += 1
        return completed

    def root(self) -> bytes:
        """Return the root over all leaves."""
        return fold(self.subtrees)


def fold(subtrees: Sequence[bytes]) -> bytes:
    """Return the root over neighbouring subtrees, each smaller than the one on its left."""
    if not subtrees:
        return EMPTY_ROOT
    *others, root = subtrees
    for left in reversed(others):
        root = node_hash(left, root)
    return root


def root(leaves: Iterable[bytes]) -> bytes:
    """Return the root over the hashes of leaves."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def complete_subtrees(leaves: Range) -> list[tuple[int, int]]:
    """Return the complete subtrees of a range of a proof as (level, place in the level), to be `fold`ed."""
    start, end = leaves
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Return the subtrees that prove the leaf at `index` of `size` leaves, from the leaf upwards."""
    if not 0 <= index < size:
        raise ValueError("There is no such leaf.")
    start, end = 0, size
    ranges: list[Range] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """Return the subtrees that prove a tree of `old` leaves to be the beginning of one of `new` leaves."""
    if not 0 <= old <= new:
        raise ValueError("A tree grows from a smaller one.")
    if old in {0, new}:
        return []
    start, end = 0, new
    ranges: list[Range] = []
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start:
        ranges.append((start, end))
    return ranges[::-1]


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the proof that the leaf at `index` is one of these hashes of leaves."""
    return [root(leaves[start:end]) for start, end in inclusion_ranges(index, len(leaves))]


def consistency_proof(leaves: Sequence[bytes], old: int) -> list[bytes]:
    """Return the proof that these hashes of leaves begin with the tree of the first `old` of them."""
    return [root(leaves[start:end]) for start, end in consistency_ranges(old, len(leaves))]


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether the proof leads from the hash of a leaf to the root of a tree of `size` leaves."""
    if not 0 <= index < size:
        return False
    ranges = inclusion_ranges(index, size)
    if len(proof) != len(ranges):
        return False
    found = leaf
    for (start, _), sibling in zip(ranges, proof, strict=True):
        found = node_hash(found, sibling) if start > index else node_hash(sibling, found)
    return found == root


def is_consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether the proof shows the tree of `old` leaves to be the beginning of the one of `new`."""
    if not 0 <= old <= new:
        return False
    ranges = consistency_ranges(old, new)
    if len(proof) != len(ranges):
        return False
    if old == 0:
        return old_root == EMPTY_ROOT
    if old == new:
        return old_root == new_root
    return _grown(old, ranges, proof, old_root) == (old_root, new_root)


def _grown(old: int, ranges: Sequence[Range], proof: Sequence[bytes], old_root: bytes) -> tuple[bytes, bytes]:
    """Return both roots that the proof leads to."""
    steps = list(zip(ranges, proof, strict=True))
    if old & (old - 1):
        (_, before), *steps = steps
    else:
        before = old_root  # the old tree is itself a subtree of the new one
    after = before
    for (start, _), sibling in steps:
        if start >= old:
            after = node_hash(after, sibling)
        else:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
    return before, after


def _split(size: int) -> int:
    """Return the largest power of two below `size`: the leaves of the left subtree."""
    return 1 << ((size - 1).bit_length() - 1)
