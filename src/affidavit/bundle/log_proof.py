"""Write and check proofs that an entry stands in a log, as C2SP tlog-proof (https://c2sp.org/tlog-proof).

A proof is a text: a header, the index of the entry, the hashes that lead from its leaf to the root, an empty
line, and the checkpoint that the root stands in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from affidavit.bundle import checkpoint, merkle
from affidavit.bundle.checkpoint import Checkpoint, CheckpointError, Note

HEADER: Final = "c2sp.org/tlog-proof@v1"
MAX_BYTES: Final = 128 * 1024  # a checkpoint of the largest size and 64 hashes
MAX_HASHES: Final = 64  # of a tree that could never be filled
_INDEX: Final = "index "


class LogProofError(Exception):
    """The entry is not proven to stand in the log. `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class LogProof:
    """Where an entry stands, and what leads from it to the root of the checkpoint."""

    index: int
    hashes: tuple[bytes, ...]
    note: Note

    @property
    def checkpoint(self) -> Checkpoint:
        """Return what the log says of itself."""
        return self.note.checkpoint

    def require(self, entry: bytes, origin: str) -> None:
        """Raise LogProofError unless it leads from this entry to the root of a log of this name."""
        found = self.checkpoint
        if found.origin != origin:
            raise LogProofError("LOG_ORIGIN_OTHER", "The proof is of another log than the manifest names.")
        leaf = merkle.leaf_hash(entry)
        if not merkle.is_included(leaf, self.index, found.size, self.hashes, found.root):
            raise LogProofError(
                "LOG_ENTRY_NOT_INCLUDED", "The proof does not lead from this entry to the root."
            )

    def require_signed(self, keys: Iterable[Ed25519PublicKey]) -> Ed25519PublicKey:
        """Return which of the keys signed the checkpoint. Raises LogProofError."""
        try:
            return self.note.signer(keys)
        except CheckpointError as error:
            raise LogProofError(error.code, str(error)) from None


def write_log_proof(index: int, hashes: Sequence[bytes], note: str) -> bytes:
    """Return the proof around a signed checkpoint."""
    lines = [HEADER, f"{_INDEX}{index}", *map(checkpoint.encode, hashes)]
    return ("\n".join(lines) + f"\n\n{note}").encode()


def read_log_proof(content: bytes) -> LogProof:
    """Read a proof; nothing of it is checked yet. Raises LogProofError.

    The extra line that the format allows is refused: nothing signs it, and nothing here needs it.
    """
    if len(content) > MAX_BYTES:
        raise _malformed("is too long")
    head, _, note = content.partition(b"\n\n")
    try:
        header, index, *hashes = head.decode("ascii").split("\n")
        if header != HEADER or not index.startswith(_INDEX) or len(hashes) > MAX_HASHES:
            raise _malformed("does not begin as a tlog-proof without extra data")
        found = checkpoint.read_size(index.removeprefix(_INDEX)), tuple(map(checkpoint.decode_hash, hashes))
    except ValueError:
        raise _malformed("has a header, an index or a hash that cannot be read") from None
    try:
        return LogProof(*found, checkpoint.read_note(note))
    except CheckpointError as error:
        raise LogProofError(error.code, str(error)) from None


def _malformed(what: str) -> LogProofError:
    return LogProofError("LOG_PROOF_MALFORMED", f"The proof {what}.")
