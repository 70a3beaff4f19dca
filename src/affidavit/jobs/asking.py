"""Ask a language model what a job's child wants to know, within what one job may take of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from affidavit.engine.errors import ModelLimitReached, ModelNotConfigured
from affidavit.engine.hearing import Asked
from affidavit.engine.model import ModelReply, ModelRequest, token_count
from affidavit.engine.spec import NO_MODEL, Operation, Options, Spec
from affidavit.infra import metrics, model_errors
from affidavit.infra.model import ChatReply, ChatRequest, ModelClient, ModelFailure
from affidavit.infra.sandbox import Ending, Outcome
from affidavit.jobs import verdict
from affidavit.jobs.claim import Claim, JobError
from affidavit.jobs.reading import Reading
from affidavit.jobs.verdict import Verdict

log = structlog.get_logger()

ROUNDS: Final = 8  # of a child and what it asks: two a request, and a pipeline of steps has several
MARGIN: Final = timedelta(seconds=5)  # before the job's deadline, to finish in
CHARS_PER_TOKEN: Final = 32  # more than any tokenizer packs into one, on average
MILLION: Final = 1_000_000
SPENT: Final = "What one job may ask of the language model is spent."

RunChild = Callable[[Mapping[str, object], Reading], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Caps:
    """What one job may take. Prices are of a million tokens; a cost of 0 has no cap."""

    total: timedelta = timedelta(minutes=15)
    requests: int = 128
    tokens: int = 500_000
    cost: float = 0.0
    input_price: float = 0.0
    output_price: float = 0.0

    def price(self, input_tokens: int, output_tokens: int) -> float:
        """Return what so many tokens cost."""
        return (input_tokens * self.input_price + output_tokens * self.output_price) / MILLION


@dataclass(frozen=True, slots=True)
class Models:
    """The language models of an installation, the one that is asked unless told otherwise first."""

    client: ModelClient
    names: tuple[str, ...]
    caps: Caps = Caps()
    concurrency: int = 4  # requests of one job that are under way at once


def model_for(models: Models | None, operation: Operation, options: Options) -> str | None:
    """Return the name of the model to ask, None for rules alone. Raises ModelNotConfigured."""
    if operation is Operation.PARSE or options.model == NO_MODEL:
        return None
    if options.is_model_named:
        if models is None or options.model not in models.names:
            raise ModelNotConfigured
        return options.model
    return None if models is None else models.names[0]


@dataclass(slots=True)
class Spent:
    """What one job has taken, with what is still under way as it was estimated."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def allows(self, caps: Caps, input_tokens: int, output_tokens: int) -> bool:
        """Tell whether one more request of that size stays within the caps."""
        given, got = self.input_tokens + input_tokens, self.output_tokens + output_tokens
        return (
            self.requests < caps.requests
            and given + got <= caps.tokens
            and (caps.cost == 0 or caps.price(given, got) <= caps.cost)
        )

    def add(self, requests: int, input_tokens: int, output_tokens: int) -> None:
        self.requests += requests
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens


@dataclass(slots=True)
class Asking:
    """All that is asked for one attempt at a job."""

    models: Models
    name: str
    spec: Spec
    held: Claim
    replies: list[ModelReply] = field(default_factory=list)
    spent: Spent = field(default_factory=Spent)
    version: str | None = None
    refusal: str | None = None  # the code with which the child itself would not say what to ask
    broken: ModelFailure | None = None  # what will not be better for the requests that are left
    _began: float = field(default_factory=time.monotonic)

    def to_json(self) -> dict[str, object]:
        """Return what the child is told of the model."""
        asked = Asked(
            name=self.name,
            version=self.version,
            requests=self.spent.requests,
            input_tokens=self.spent.input_tokens,
            output_tokens=self.spent.output_tokens,
            failure=self.refusal,
        )
        replies = [reply.model_dump(mode="json") for reply in self.replies]
        return {"replies": replies, "asked": asked.model_dump(mode="json")}

    async def converse(
        self, request: Mapping[str, object], reading: Reading, run_child: RunChild
    ) -> Verdict | None:
        """Have the child say what to ask, and ask it, until nothing is left; return why the task failed.

        Without a model of the caller's choice, whatever goes wrong with the model is no failure.
        """
        for _ in range(ROUNDS):
            reading.await_requests()
            outcome = await run_child({**request, "kind": "prompt", **self.to_json()}, reading)
            if outcome.failure is not None:
                return self._refused(outcome, reading)
            if reading.requests is None:
                return Verdict(verdict.BAD_OUTPUT, verdict.TRIES[Ending.CRASHED])
            if not reading.requests:
                return None
            await reading.flush()
            await self.ask_all(reading.requests)
            if self.broken is not None and self.spec.options.is_model_named:
                return Verdict(_job_error(self.broken))
        return None

    def _refused(self, outcome: Outcome, reading: Reading) -> Verdict | None:
        failure = outcome.failure
        if failure is not None and failure.code == ModelLimitReached.code:
            self.refusal = failure.code
            if not self.spec.options.is_model_named:
                return None
        return verdict.of_outcome(outcome, stage=reading.stage, page=reading.page)

    async def ask_all(self, requests: Sequence[ModelRequest]) -> None:
        """Ask side by side; the client bounds how many at once. Cancelling stops them all."""
        gate = asyncio.Semaphore(self.models.concurrency)
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(self._ask(request, gate)) for request in requests]
        self.replies += [each.result() for each in asked]
        seconds = round(time.monotonic() - self._began, 3)
        code = self.broken.code if self.broken else None
        log.info("model.asked", job_id=self.held.job_id, count=len(requests), seconds=seconds, code=code)

    async def _ask(self, request: ModelRequest, gate: asyncio.Semaphore) -> ModelReply:
        given = token_count(request.instructions) + token_count(request.text)
        try:
            async with gate:
                reply = await self._within_caps(request, given)
        except ModelFailure as failure:
            metrics.MODEL_REQUESTS.labels(failure.code).inc()
            if failure.is_general:
                self.broken = self.broken or failure
            return ModelReply(id=request.id, error=failure.code)
        metrics.MODEL_REQUESTS.labels("answered").inc()
        return ModelReply(id=request.id, text=reply.text)

    async def _within_caps(self, request: ModelRequest, given: int) -> ChatReply:
        """Ask, with the estimate taken off the caps beforehand and mended afterwards."""
        if self.broken is not None:  # each of its own would wait as long for nothing
            raise self.broken
        if not self.spent.allows(self.models.caps, given, request.max_tokens):
            raise model_errors.ModelLimitReached(SPENT)
        self.spent.add(1, given, request.max_tokens)
        began = time.monotonic()
        try:
            reply = await self.models.client.ask(_chat(self.name, request), until=self._until())
        except ModelFailure:
            self.spent.add(0, 0, -request.max_tokens)  # what was sent may have been charged
            raise
        metrics.MODEL_SECONDS.observe(time.monotonic() - began)
        self._settle(reply, given, request.max_tokens)
        if len(reply.text) > CHARS_PER_TOKEN * request.max_tokens:
            raise model_errors.ModelLimitReached("The language model said more than it was asked for.")
        return reply

    def _settle(self, reply: ChatReply, given: int, most: int) -> None:
        used = given if reply.input_tokens is None else reply.input_tokens
        got = token_count(reply.text) if reply.output_tokens is None else reply.output_tokens
        self.spent.add(0, used - given, got - most)
        metrics.MODEL_TOKENS.labels("input").inc(used)
        metrics.MODEL_TOKENS.labels("output").inc(got)
        self.version = self.version or reply.fingerprint or _other_name(reply.model, self.name)

    def _until(self) -> float:
        """Return when asking must end, by the monotonic clock: the cap, or the job's deadline if sooner."""
        until = self._began + self.models.caps.total.total_seconds()
        if self.held.left_seconds is None:
            return until
        return min(until, self.held.asked_at + self.held.left_seconds - MARGIN.total_seconds())


def _chat(name: str, request: ModelRequest) -> ChatRequest:
    return ChatRequest(
        model=name,
        instructions=request.instructions,
        text=request.text,
        json_schema=request.json_schema,
        max_tokens=request.max_tokens,
    )


def _other_name(told: str | None, asked: str) -> str | None:
    """Return what the server calls the model, where that says more than its name."""
    return None if told == asked else told


def _job_error(failure: ModelFailure) -> JobError:
    return JobError(
        code=failure.code,
        message=failure.message,
        category="model",
        phase="model",
        retryable=failure.retryable,
    )
