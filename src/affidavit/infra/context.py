"""What the work at hand belongs to: the ids that each of its log lines carries.

One immutable mapping in one context variable: a task that is created inherits it, and setting it
costs a request less than a microsecond.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import MappingProxyType
from typing import Final

Ids = Mapping[str, str | int | None]

_NONE: Final[Ids] = MappingProxyType({})
_ids: ContextVar[Ids] = ContextVar("affidavit_ids", default=_NONE)


def current() -> Ids:
    """Return the ids of the work at hand, as they were bound."""
    return _ids.get()


def request_id() -> str | None:
    """Return the id of the request that the work at hand came from, if it is known."""
    found = _ids.get().get("request_id")
    return None if found is None else str(found)


def enter(ids: Ids) -> Token[Ids]:
    """Replace the ids; `leave` brings the former ones back. Cheaper than `bound`, for the hot path."""
    return _ids.set(ids)


def leave(token: Token[Ids]) -> None:
    """Bring back the ids that `enter` replaced."""
    _ids.reset(token)


@contextmanager
def bound(**ids: str | int | None) -> Iterator[None]:
    """Add ids for the length of the block; those that are None are not known and stay away."""
    known = {name: value for name, value in ids.items() if value is not None}
    token = _ids.set({**_ids.get(), **known})
    try:
        yield
    finally:
        _ids.reset(token)
