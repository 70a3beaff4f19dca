"""Look at Redis or Valkey, the doorbell."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio import Redis, from_url

from affidavit.doctor.finding import Finding, fail, judged, ok

PART: Final = "redis"
POLICY: Final = "noeviction"
OLDEST: Final = 6  # major version; older ones are not looked after any more
SECONDS: Final = 5


async def examine(url: str) -> list[Finding]:
    """Say how it is. Raises RedisError, OSError when it is away."""
    client: Redis = from_url(  # type: ignore[no-untyped-call]
        url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS
    )
    try:
        facts: Mapping[str, Any] = await client.info()
    finally:
        await client.aclose()
    return [*_server(facts), *_memory(facts), _persistence(facts), _door(url)]


def _server(facts: Mapping[str, Any]) -> Iterator[Finding]:
    name = "Valkey" if "valkey_version" in facts else "Redis"
    version = facts[f"{name.lower()}_version"]
    is_well = int(str(version).split(".", 1)[0]) >= OLDEST
    remedy = f"Use Redis {OLDEST} or newer, or Valkey."
    yield judged(PART, f"reachable, {name} {version}", is_well=is_well, remedy=remedy)
    if facts.get("role") not in ("master", None):
        yield fail(PART, "it is a replica, which takes no writes", "Name the primary in AFFIDAVIT_REDIS_URL.")


def _memory(facts: Mapping[str, Any]) -> Iterator[Finding]:
    policy = facts.get("maxmemory_policy", "unknown")
    limit = int(facts.get("maxmemory", 0))
    told = f"maxmemory-policy = {policy}, maxmemory = {limit or 'unlimited'}"
    if policy == POLICY:
        yield ok(PART, told)
    else:
        remedy = f"`CONFIG SET maxmemory-policy {POLICY}`: else rings vanish unseen, and work starts late."
        yield fail(PART, told, remedy)


def _persistence(facts: Mapping[str, Any]) -> Finding:
    kept = "append-only file" if facts.get("aof_enabled") else "snapshots or nothing"
    return ok(PART, f"persistence: {kept}; nothing lies in it that Postgres does not have")


def _door(url: str) -> Finding:
    parts = urlsplit(url)
    is_guarded = bool(parts.password) or parts.scheme == "unix" or _is_loopback(parts.hostname or "localhost")
    told = "has a password or is on this machine" if is_guarded else "is elsewhere and has no password"
    return judged(PART, told, is_well=is_guarded, remedy="Set a password: requirepass, or an ACL user.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
