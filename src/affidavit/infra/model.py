"""Ask a language model over the OpenAI-compatible chat API: bounded, retried, never redirected.

The address is the operator's, so private ones are allowed. Nothing that is sent or received is logged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from affidavit.infra.model_errors import (
    ModelBusy,
    ModelFailure,
    ModelLimitReached,
    ModelRejected,
    ModelTimedOut,
    ModelUnavailable,
)
from affidavit.infra.model_reply import ChatReply, read_reply
from affidavit.infra.post import trusted
from affidavit.infra.retry_after import read_retry_after

__all__ = ["ChatReply", "ChatRequest", "ModelClient", "ModelFailure", "ModelPolicy"]

TRIES: Final = 4  # of one request: pauses of 0.5, 1 and 2 s between them, unless the server says otherwise
FIRST_PAUSE_SECONDS: Final = 0.5
CONNECT_SECONDS: Final = 10.0
REPLY_BYTES: Final = 8_000_000  # of one reply, as sent: far above any within the cap on tokens
UNSUPPORTED: Final = frozenset({400, 415, 422, 501})  # what servers say to a response_format unknown to them
STRICT_KEYWORDS: Final = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf"}
    | {"description", "title", "$defs", "$ref"}
)
BROKEN: Final = 500  # what some say to that too, llama-cpp-python for one
DOUBTS: Final = 2  # of these before a form is given up
BUSY: Final = frozenset({408, 409, 425, 429, 502, 503, 504, 520, 521, 522, 523, 524, 529})


@dataclass(frozen=True, slots=True)
class ModelPolicy:
    """Where the model is, and what asking it may take. Times in seconds."""

    url: str
    key: str | None = field(default=None, repr=False)
    timeout_seconds: float = 120.0
    concurrency: int = 4
    stream: bool = False
    tries: int = TRIES
    first_pause_seconds: float = FIRST_PAUSE_SECONDS
    reply_bytes: int = REPLY_BYTES


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question: what to do, the text to do it with, and the schema of the answer."""

    model: str
    instructions: str
    text: str
    json_schema: Mapping[str, Any]
    max_tokens: int


class ModelClient:
    """Asks for one worker process. Waits for a free place among `concurrency`, in order."""

    def __init__(self, policy: ModelPolicy) -> None:
        self._policy = policy
        self._places = asyncio.Semaphore(policy.concurrency)
        self._form = 0  # the strictest response_format that the server was seen to take
        self._doubts = 0  # how often it broke at a stricter one
        headers = {"Authorization": f"Bearer {policy.key}"} if policy.key else {}
        self._http = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(policy.timeout_seconds, connect=CONNECT_SECONDS),
            follow_redirects=False,
            trust_env=False,
            verify=trusted(),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(self, request: ChatRequest, *, until: float) -> ChatReply:
        """Return the reply, or raise ModelFailure. Nothing is tried after `until` by the monotonic clock."""
        pause = self._policy.first_pause_seconds
        for tries_left in reversed(range(self._policy.tries)):
            try:
                return await self._ask_in_time(request, until)
            except (ModelBusy, ModelUnavailable, ModelTimedOut) as failure:
                wait = pause if failure.retry_after is None else max(pause, failure.retry_after)
                if tries_left == 0 or time.monotonic() + wait >= until:
                    raise
                await asyncio.sleep(wait)
                pause *= 2
        raise AssertionError("the last try returns or raises")

    async def _ask_in_time(self, request: ChatRequest, until: float) -> ChatReply:
        try:
            async with asyncio.timeout_at(_on_loop(until)), self._places:
                async with asyncio.timeout(self._policy.timeout_seconds):
                    return await self._ask(request)
        except TimeoutError:
            raise ModelTimedOut from None

    async def _ask(self, request: ChatRequest) -> ChatReply:
        """Ask with the strictest form that the server takes; remember a form that it took."""
        status, is_broken = 0, False
        for number, form in enumerate(response_formats(request.json_schema)):
            if number < self._form:
                continue
            status, reply = await self._post(self._body(request, form))
            if reply is not None:
                self._remember(number, is_broken=is_broken)
                return reply
            if status != BROKEN and status not in UNSUPPORTED:
                break
            is_broken = is_broken or status == BROKEN
        raise ModelBusy if status == BROKEN else ModelRejected(status)

    def _remember(self, number: int, *, is_broken: bool) -> None:
        if number > self._form:
            self._doubts += 1 if is_broken else DOUBTS
            if self._doubts >= DOUBTS:
                self._form, self._doubts = number, 0

    def _body(self, request: ChatRequest, form: Mapping[str, Any] | None) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": request.model,
            "messages": [
                {"role": "system", "content": request.instructions},
                {"role": "user", "content": request.text},
            ],
            "max_tokens": request.max_tokens,
            "temperature": 0,
            "stream": self._policy.stream,
        }
        return body if form is None else body | {"response_format": form}

    async def _post(self, body: Mapping[str, Any]) -> tuple[int, ChatReply | None]:
        """Return the status and, for a success, the reply. Raises what trying again may mend, and limits."""
        try:
            async with self._http.stream("POST", f"{self._policy.url}/chat/completions", json=body) as answer:
                if answer.status_code == httpx.codes.OK:
                    return answer.status_code, await read_reply(answer, self._policy.reply_bytes)
                return _judged(answer), None
        except httpx.TimeoutException:
            raise ModelTimedOut from None
        except (httpx.TransportError, httpx.DecodingError):
            raise ModelUnavailable from None


def response_formats(json_schema: Mapping[str, Any]) -> list[Mapping[str, Any] | None]:
    """Return the ways to ask for a schema, the strictest first; None leaves it to the instructions.

    Servers differ: OpenAI, vLLM and Ollama take `json_schema`, llama.cpp's Python server a schema beside
    `json_object`, others the bare `json_object`.
    """
    named = {"name": "answer", "schema": json_schema, "strict": is_strict(json_schema)}
    return [
        {"type": "json_schema", "json_schema": named},
        {"type": "json_object", "schema": json_schema},
        {"type": "json_object"},
        None,
    ]


def is_strict(json_schema: Any) -> bool:
    """Tell whether a schema can be enforced to the letter.

    OpenAI's strict mode takes objects that close themselves and require all that they name, and few
    keywords; elsewhere it answers 400 to what the same schema would be taken for without it.
    """
    if not isinstance(json_schema, dict) or not json_schema.keys() <= STRICT_KEYWORDS:
        return False
    properties = json_schema.get("properties", {})
    if properties or json_schema.get("type") == "object":
        is_closed = json_schema.get("additionalProperties") is False
        if not is_closed or set(json_schema.get("required", ())) != properties.keys():
            return False
    below = [*properties.values(), *json_schema.get("$defs", {}).values(), *json_schema.get("anyOf", ())]
    return all(
        is_strict(each) for each in (*below, *([json_schema["items"]] if "items" in json_schema else []))
    )


def _judged(answer: httpx.Response) -> int:
    """Return the status of what was refused for good. Raises for what may pass, and for what is too large."""
    status = answer.status_code
    if status in BUSY:
        wait = read_retry_after(answer.headers.get("retry-after"))
        raise ModelBusy(None if wait is None else wait.total_seconds())
    if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        raise ModelLimitReached
    return status


def _on_loop(until: float) -> float:
    """Return a time of the monotonic clock by the clock of the running loop."""
    return asyncio.get_running_loop().time() + until - time.monotonic()
