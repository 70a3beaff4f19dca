"""`affidavit keys create|list|revoke`: API keys from the command line."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from affidavit.accounts.principal import Scope
from affidavit.accounts.service import Accounts, KeyView
from affidavit.errors import ServiceError
from affidavit.infra import isolation
from affidavit.infra.db import Database

DEFAULT_ENVIRONMENT: Final = "default"
_UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")


def run(argv: Sequence[str], *, database_url: str, secret_key: str) -> int:
    """Run one command and return the exit code: 0 done, 1 refused, 2 not understood."""
    arguments = parser().parse_args(argv)
    command: Callable[[Accounts, argparse.Namespace], Awaitable[None]] = arguments.command
    try:
        asyncio.run(_with_accounts(command, arguments, database_url, secret_key))
    except (ServiceError, isolation.Unsafe) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the grammar of the command line."""
    top = argparse.ArgumentParser(prog="affidavit keys", description="Make, list and revoke API keys.")
    commands = top.add_subparsers(required=True, metavar="create|list|revoke")
    create = commands.add_parser("create", help="make a key and print it, this once")
    create.add_argument("--environment", type=_name, default=DEFAULT_ENVIRONMENT, help="made if it is new")
    create.add_argument("--name", type=_name, default="key", help="what the key is for")
    create.add_argument(
        "--scope", type=Scope, choices=list(Scope), action="append", help="repeat; default: all"
    )
    create.add_argument("--expires", type=expiry, metavar="WHEN", help="90d, 12h, 4w or 2027-01-31T00:00:00Z")
    create.set_defaults(command=_create)
    listing = commands.add_parser("list", help="list keys, never their secrets")
    listing.add_argument("--environment", type=_name, help="only of this environment")
    listing.set_defaults(command=_list)
    revoke = commands.add_parser("revoke", help="refuse a key from now on (within 5 s everywhere)")
    revoke.add_argument("id", help="key_..., as listed")
    revoke.set_defaults(command=_revoke)
    return top


def expiry(text: str) -> datetime:
    """Read `90d`, `12h`, `4w` or an RFC 3339 time, which must be in the future."""
    now = datetime.now(UTC)
    span = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if span is not None:
        return now + int(span[1]) * _UNITS[span[2]]
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("write 90d, 12h, 4w or 2027-01-31T00:00:00Z") from None
    when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    if when <= now:
        raise argparse.ArgumentTypeError("is in the past")
    return when


async def _with_accounts(
    command: Callable[[Accounts, argparse.Namespace], Awaitable[None]],
    arguments: argparse.Namespace,
    database_url: str,
    secret_key: str,
) -> None:
    db = Database(database_url, pool_size=1, name="affidavit-keys")
    try:
        isolation.refuse(await isolation.check(db))
        await command(Accounts(db, secret_key), arguments)
    finally:
        await db.close()


async def _create(accounts: Accounts, arguments: argparse.Namespace) -> None:
    scopes = arguments.scope or tuple(Scope)
    made = await accounts.create_key(arguments.environment, arguments.name, scopes, arguments.expires)
    # The key alone on standard output, so that KEY=$(affidavit keys create) works.
    print(f"{made.view.id} for environment '{made.view.environment}'. Shown this once:", file=sys.stderr)
    print(made.text)


async def _list(accounts: Accounts, arguments: argparse.Namespace) -> None:
    rows: list[tuple[str, ...]] = [("ID", "ENVIRONMENT", "NAME", "ENDS IN", "STATE", "EXPIRES", "SCOPES")]
    rows += [_row(key, datetime.now(UTC)) for key in await accounts.list_keys(arguments.environment)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


async def _revoke(accounts: Accounts, arguments: argparse.Namespace) -> None:
    when = await accounts.revoke_key(arguments.id)
    print(f"{arguments.id} is revoked since {when:%Y-%m-%dT%H:%M:%SZ}.")


def _row(key: KeyView, now: datetime) -> tuple[str, ...]:
    expires = f"{key.expires_at:%Y-%m-%dT%H:%M:%SZ}" if key.expires_at else "never"
    return key.id, key.environment, key.name, key.last4, key.state(now), expires, ",".join(key.scopes)


def _name(text: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise argparse.ArgumentTypeError("1 to 100 printable characters")
    return text
