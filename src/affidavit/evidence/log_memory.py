"""Remember the newest checkpoint that was signed on this machine, beside the keys and not in the database.

A database that was restored from an older copy does not know how far the log had come. Going on from there
would sign another past under the same name, which a log must never do.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from affidavit.bundle.checkpoint import Checkpoint, CheckpointError, read_note

NAME: Final = "log-checkpoint"


class LogMemory:
    """One file. Where it cannot be written, as in a mounted secret, nothing is remembered."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / NAME

    def recall(self) -> Checkpoint | None:
        """Return the newest checkpoint that was signed here, None where none is known."""
        try:
            return read_note(self.file.read_bytes()).checkpoint
        except (OSError, CheckpointError):
            return None

    def keep(self, note: str) -> None:
        """Remember a checkpoint instead of the one before it."""
        with (
            suppress(OSError),
            NamedTemporaryFile(dir=self.file.parent, prefix=".new-", delete=False) as draft,
        ):
            draft.write(note.encode())
            draft.flush()
            Path(draft.name).replace(self.file)
