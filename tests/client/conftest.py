"""Run each test of the client twice: blocking, and with asyncio."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from affidavit.client import AsyncClient, Client, RetryPolicy
from tests.client.service import KEY, Service, running

QUICK = RetryPolicy(first_seconds=0.01)

Use = Callable[..., Any]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.delenv("AFFIDAVIT_URL", raising=False)
    monkeypatch.delenv("AFFIDAVIT_API_KEY", raising=False)
    with running() as started:
        yield started


@pytest.fixture(params=["sync", "async"])
def use(request: pytest.FixtureRequest, service: Service) -> Use:
    """Return a function that runs `act(client)` with one kind of client and gives back its value."""

    def run(act: Callable[[Any], Any], retry: RetryPolicy = QUICK, key: str = KEY) -> Any:
        if request.param == "async":
            return asyncio.run(run_async(act, service.url, key, retry))
        with Client(service.url, key, retry=retry) as client:
            found = act(client)
            return list(found) if inspect.isgenerator(found) else found

    return run


async def run_async(act: Callable[[Any], Any], url: str, key: str, retry: RetryPolicy) -> Any:
    async with AsyncClient(url, key, retry=retry) as client:
        found = act(client)
        return [item async for item in found] if inspect.isasyncgen(found) else await found
