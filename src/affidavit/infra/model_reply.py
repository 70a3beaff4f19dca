"""Read a chat completion, whole or as a stream of events, with a cap on its bytes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from affidavit.infra.model_errors import (
    ModelLimitReached,
    ModelRefused,
    ModelReplyInvalid,
    ModelUnavailable,
)

_REFUSALS: Final = frozenset({"content_filter", "refusal", "safety"})
_NAME_CHARS: Final = 200
MOST_TOKENS: Final = 10_000_000  # a count above this is a mistake of the server


@dataclass(frozen=True, slots=True)
class ChatReply:
    """The text of a reply, and what the server says of its model and tokens; None where it is silent."""

    text: str
    model: str | None = None
    fingerprint: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


async def read_reply(answer: httpx.Response, most: int) -> ChatReply:
    """Return the reply of at most `most` bytes.

    Raises ModelLimitReached, ModelRefused, ModelReplyInvalid, and ModelUnavailable for a stream that is
    cut off.
    """
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        return await _streamed(answer, most)
    body = bytearray()
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > most:
            raise ModelLimitReached
    return _whole(_parsed(bytes(body)))


def _whole(completion: Mapping[str, Any]) -> ChatReply:
    choice = _choice(completion)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise ModelReplyInvalid
    _judge(message.get("refusal"), choice.get("finish_reason"))
    text = message.get("content")
    if not isinstance(text, str):  # a call of a tool, which was not offered, has none
        raise ModelReplyInvalid
    return _reply(text, completion)


async def _streamed(answer: httpx.Response, most: int) -> ChatReply:
    text: list[str] = []
    told: dict[str, Any] = {}
    finish: object = None
    async for event in _events(answer, most):
        told |= {name: value for name, value in event.items() if value is not None}
        if not event.get("choices"):  # the last one of some servers: only what was used
            continue
        choice = _choice(event)
        delta = choice.get("delta")
        finish = choice.get("finish_reason") or finish
        if isinstance(delta, dict):
            _judge(delta.get("refusal"), None)
            text.append(delta["content"] if isinstance(delta.get("content"), str) else "")
    if finish is None:
        raise ModelUnavailable
    _judge(None, finish)
    return _reply("".join(text), told)


async def _events(answer: httpx.Response, most: int) -> AsyncIterator[Mapping[str, Any]]:
    """Yield the data of each event up to [DONE]. Raises ModelLimitReached, ModelReplyInvalid."""
    buffer, read = b"", 0
    async for piece in answer.aiter_bytes():
        read += len(piece)
        if read > most:
            raise ModelLimitReached
        *lines, buffer = (buffer + piece).split(b"\n")
        for line in lines:
            if not line.startswith(b"data:"):
                continue
            data = line.removeprefix(b"data:").strip()
            if data == b"[DONE]":
                return
            yield _parsed(data)


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise ModelReplyInvalid from None
    if not isinstance(value, dict):
        raise ModelReplyInvalid
    return value


def _choice(completion: Mapping[str, Any]) -> dict[str, Any]:
    choices = completion.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise ModelReplyInvalid
    return choices[0]


def _judge(refusal: object, finish: object) -> None:
    if refusal or finish in _REFUSALS:
        raise ModelRefused
    if finish == "length":
        raise ModelLimitReached("The reply was cut off at the cap on its tokens.")


def _reply(text: str, told: Mapping[str, Any]) -> ChatReply:
    usage = told.get("usage")
    used = usage if isinstance(usage, dict) else {}
    return ChatReply(
        text=text,
        model=_name(told.get("model")),
        fingerprint=_name(told.get("system_fingerprint")),
        input_tokens=_count(used.get("prompt_tokens")),
        output_tokens=_count(used.get("completion_tokens")),
    )


def _name(value: object) -> str | None:
    return value[:_NAME_CHARS] if isinstance(value, str) and value.isprintable() and value else None


def _count(value: object) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS
    return int(value) if is_count and isinstance(value, int) else None
