"""Look at the settings and at this process: what is allowed that need not be."""

from __future__ import annotations

import ipaddress
import resource
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from affidavit.doctor.finding import Finding, judged, ok
from affidavit.settings import Network, Settings, usable_cpus

PART: Final = "settings"
LEAST_FILES: Final = 1024  # an upload takes two, a connection one
LEAST_LETTERS: Final = 10  # different ones; 32 hexadecimal digits at random have fewer once in a thousand


def examine(settings: Settings) -> list[Finding]:
    """Say what is unusual; that nothing is secret here is the point of a line for each."""
    return [*_secrets(settings), *_doors(settings), *_reach(settings), *_size(settings)]


def _secrets(settings: Settings) -> Iterator[Finding]:
    letters = len(set(settings.secret_key.get_secret_value()))
    is_random = letters >= LEAST_LETTERS
    told = "AFFIDAVIT_SECRET_KEY is long enough" + ("" if is_random else " and made of few letters")
    yield judged(PART, told, is_well=is_random, remedy="Make one with `openssl rand -hex 32`.")
    told = "AFFIDAVIT_STRICT is " + ("on" if settings.strict else "off: a missing wall is only logged")
    yield ok(PART, told)


def _doors(settings: Settings) -> Iterator[Finding]:
    parts = urlsplit(settings.public_url)
    is_safe = parts.scheme == "https" or _is_loopback(parts.hostname or "")
    yield judged(
        PART,
        f"AFFIDAVIT_PUBLIC_URL starts with {parts.scheme}://",
        is_well=is_safe,
        remedy="Put a proxy with TLS in front and name its https address: keys travel in every request.",
    )


def _reach(settings: Settings) -> Iterator[Finding]:
    for name, networks in (
        ("AFFIDAVIT_FETCH_ALLOWED_NETWORKS", settings.fetch_allowed_networks),
        ("AFFIDAVIT_WEBHOOK_ALLOWED_NETWORKS", settings.webhook_allowed_networks),
    ):
        yield judged(
            PART,
            f"{name}: {_networks(networks)}",
            is_well=not networks,
            remedy="Callers can make this machine ask servers there; keep it as narrow as it can be.",
        )
    for name, is_plain in (
        ("AFFIDAVIT_FETCH_ALLOW_HTTP", settings.fetch_allow_http),
        ("AFFIDAVIT_WEBHOOK_ALLOW_HTTP", settings.webhook_allow_http),
    ):
        told = f"{name} is {'on' if is_plain else 'off'}"
        yield judged(PART, told, is_well=not is_plain, remedy="Anyone on the way can read and alter http.")
    scale = settings.webhook_schedule_scale
    yield judged(
        PART,
        f"AFFIDAVIT_WEBHOOK_SCHEDULE_SCALE is {scale:g}",
        is_well=scale >= 1,
        remedy="Set it to 1: webhooks are given up before a receiver's outage is over.",
    )


def _size(settings: Settings) -> Iterator[Finding]:
    cpus = usable_cpus()
    yield judged(
        "machine",
        f"{settings.worker_slots} worker slots on {cpus} usable CPUs",
        is_well=settings.worker_slots <= cpus,
        remedy="Lower AFFIDAVIT_WORKER_SLOTS: pages would take turns and time out sooner.",
    )
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_well = soft in (resource.RLIM_INFINITY, -1) or soft >= LEAST_FILES
    told = f"{soft} files may be open at once"
    yield judged("machine", told, is_well=is_well, remedy=f"Raise it: ulimit -n {LEAST_FILES} or more.")


def _networks(networks: Sequence[Network]) -> str:
    return ", ".join(map(str, networks)) or "public addresses only"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
