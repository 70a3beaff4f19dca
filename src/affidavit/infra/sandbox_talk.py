"""Listen to a walled child: lines of JSON, checked for form and for how much is said."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from affidavit.infra.sandbox_child import LINE_BYTES
from affidavit.infra.sandbox_outcome import Ending
from affidavit.infra.walls import Walls

TALK_BYTES: Final = 64 << 20  # a page is a message of 500 bytes; who says more wants to keep us busy

Message = dict[str, Any]
OnMessage = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Talk:
    """What was heard: the last message if it came, and why listening stopped early, if it did."""

    last: Message | None = None
    stopped: Ending | None = None
    reason: str = ""


async def listen(reader: asyncio.StreamReader, walls: Walls, on_message: OnMessage, grace: float) -> Talk:
    """Pass messages on until the child closes its pipe, falls silent or breaks the protocol."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + walls.total.total_seconds()
    last: Message | None = None
    said = 0
    while True:
        try:
            async with asyncio.timeout(min(walls.no_progress.total_seconds(), deadline - clock())):
                line = await reader.readline()
        except TimeoutError:
            if last is not None:
                return Talk(last)
            return Talk(stopped=Ending.TIMED_OUT if clock() >= deadline else Ending.NO_PROGRESS)
        except ValueError:
            return _broken(f"a line of more than {LINE_BYTES} bytes")
        if not line.endswith(b"\n"):  # the end, perhaps in the middle of a line
            return Talk(last)
        said += len(line)
        if said > TALK_BYTES:
            return _broken(f"more than {TALK_BYTES} bytes in all")
        message = _parse(line)
        if message is None or last is not None:
            return _broken("a line that is no message" if message is None else "a line after the last")
        if message["type"] in ("done", "error"):
            last = message
            deadline = clock() + grace
        else:
            await on_message(message)


def _broken(reason: str) -> Talk:
    return Talk(stopped=Ending.CRASHED, reason=f"protocol: {reason}")


def _parse(line: bytes) -> Message | None:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return None
    return None if message["type"] == "error" and not _is_refusal(message) else message


def _is_refusal(message: Message) -> bool:
    code, page = message.get("code"), message.get("page")
    return (
        isinstance(code, str)
        and re.fullmatch(r"[A-Z][A-Z0-9_]{1,63}", code) is not None
        and isinstance(message.get("message"), str)
        and isinstance(message.get("category"), str)
        and isinstance(message.get("retryable"), bool)
        and (page is None or isinstance(page, int))
    )


async def open_pipe() -> tuple[asyncio.StreamReader, asyncio.BaseTransport, int]:
    """Return a reader of a new pipe, what closes it, and the descriptor to write to."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    reader = asyncio.StreamReader(limit=LINE_BYTES)
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", buffering=0)
        )
    except BaseException:
        os.close(writing)
        raise
    return reader, transport, writing
