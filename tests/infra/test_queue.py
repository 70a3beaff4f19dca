"""The doorbell: heard when it can be, and never in the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from affidavit.infra.queue import QUEUE_NAME, Doorbell

NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture
async def doorbell(redis_url: str) -> AsyncIterator[Doorbell]:
    bell = Doorbell(redis_url)
    yield bell
    await bell.close()


@pytest.fixture
async def heard(doorbell: Doorbell) -> AsyncIterator[asyncio.Event]:
    """Listen at the bell; the event is set by each ring."""
    event = asyncio.Event()
    listening = asyncio.create_task(doorbell.listen(event.set))
    yield event
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def is_heard(event: asyncio.Event) -> bool:
    async with asyncio.timeout(20):
        return await event.wait()


async def test_a_ring_is_heard(doorbell: Doorbell, heard: asyncio.Event) -> None:
    doorbell.ring("one")
    assert await is_heard(heard)


async def test_whatever_lies_in_redis_the_next_ring_is_heard(
    doorbell: Doorbell, heard: asyncio.Event, redis_url: str
) -> None:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.zadd(QUEUE_NAME, {"forged": 1, "\x80": 1, "no-such-job": 1})
        await client.set("arq:job:forged", b"\x80\x04 not what arq wrote")
        doorbell.ring("one")
        assert await is_heard(heard)


async def test_ringing_without_redis_is_quiet() -> None:
    bell = Doorbell(NOBODY)
    bell.ring("one")
    assert not await bell.is_up()
    await bell.close()
