"""Ask each part whether it is up, each within its own time, all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

import structlog

from affidavit.api.errors import NotReady
from affidavit.api.services import Services

log = structlog.get_logger()

CHECK_SECONDS: Final = 3.0  # below the 5 s that probes commonly wait

Check = dict[str, Any]


async def check_ready(used: Services) -> dict[str, Check]:
    """Return how database, queue and disk are. Raises NotReady naming those that are not up.

    A silent bell is reported and not held against us: workers find their tasks without it.
    """
    database, queue, disk = await asyncio.gather(
        _guarded("database", _database(used)), _guarded("queue", _queue(used)), _guarded("disk", _disk(used))
    )
    checks = {"database": database, "queue": queue, "disk": disk}
    if not all(check["ok"] for check in checks.values()):
        raise NotReady(checks)
    return checks


async def _guarded(name: str, check: Awaitable[Check]) -> Check:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is not up
        log.warning("health.down", part=name, error=type(error).__name__)
        return {"ok": False, "detail": "does not answer"}


async def _database(used: Services) -> Check:
    await used.db.fetch_row("SELECT 1")
    return {"ok": True}


async def _queue(used: Services) -> Check:
    # How much waits is nobody's business without a key: /metrics has it, on an address of its own.
    health = await used.jobs.queue_health()
    bell = {} if health.bell else {"detail": "the bell is silent; workers poll"}
    return {"ok": True, "bell": health.bell, **bell}


async def _disk(used: Services) -> Check:
    health = await used.blobs.probe()
    least = used.policy.min_free_disk_bytes
    if not health.is_writable:
        return {"ok": False, "detail": "cannot be written to"}
    if health.free_bytes is not None and health.free_bytes < least:
        return {"ok": False, "detail": f"less than {least} bytes are free"}
    return {"ok": True}
