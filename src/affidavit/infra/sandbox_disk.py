"""Bound what a child leaves on the disk: no limit of the kernel counts the files of a folder.

The folder is looked at now and then while the child runs, and once when it has ended. What it writes
between two looks is beyond the limit, never more than that.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from affidavit.infra.sandbox_outcome import Ending
from affidavit.infra.sandbox_talk import Talk
from affidavit.infra.walls import Walls

PAUSE_SECONDS: Final = 0.25
BLOCK_BYTES: Final = 512  # the unit of st_blocks


class Use(NamedTuple):
    """What is in a folder: files and folders, and the room that they take."""

    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Disk:
    """The folder of one child, and how much may be in it."""

    workspace: Path
    most: Use

    @classmethod
    def of(cls, workspace: Path, walls: Walls) -> Self:
        """Count what is there before the child starts; its limits come on top."""
        given = use(workspace)
        return cls(workspace, Use(given.files + walls.files, given.size_bytes + walls.disk_bytes))

    async def guarded(self, listening: Coroutine[Any, Any, Talk]) -> Talk:
        """Await the talk, or end it when the folder is too full."""
        talking = asyncio.ensure_future(listening)
        watching = asyncio.ensure_future(self._fill_up())
        try:
            await asyncio.wait({talking, watching}, return_when=asyncio.FIRST_COMPLETED)
            return talking.result() if talking.done() else Talk(stopped=watching.result())
        finally:
            for each in (talking, watching):
                each.cancel()
            await asyncio.gather(talking, watching, return_exceptions=True)

    def judged(self, talk: Talk) -> Talk:
        """Return the talk, or that it was stopped when more lies there than may."""
        objection = self._objection()
        return talk if objection is None else replace(talk, stopped=objection)

    async def _fill_up(self) -> Ending:
        objection = None
        while objection is None:
            await asyncio.sleep(PAUSE_SECONDS)  # first: most children have ended by then
            objection = await asyncio.to_thread(self._objection)
        return objection

    def _objection(self) -> Ending | None:
        found = use(self.workspace, most_files=self.most.files)
        if found.size_bytes > self.most.size_bytes:
            return Ending.OVERFLOWED
        return Ending.TOO_MANY_FILES if found.files > self.most.files else None


def use(folder: Path, *, most_files: int | None = None) -> Use:
    """Count what is under a folder, by what is larger of length and room taken.

    Stops at the file past `most_files`: whoever left more will not keep us counting.
    """
    files = size_bytes = 0
    waiting: list[str] = [str(folder)]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if most_files is not None and files > most_files:
                    return Use(files, size_bytes)
                with suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    files += 1
                    size_bytes += max(found.st_size, found.st_blocks * BLOCK_BYTES)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    return Use(files, size_bytes)
