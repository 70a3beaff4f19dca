"""`affidavit signing-keys list|rotate|retire`: the keys that sign, from the command line."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from affidavit.errors import Conflict, NotFound, ServiceError
from affidavit.evidence import signing_keys
from affidavit.infra import isolation
from affidavit.infra.db import Database
from affidavit.infra.keyring import Keyring, KeyringUnusable

Command = Callable[[Database, Keyring, argparse.Namespace], Awaitable[None]]

NO_KEY: Final = "There is no key in {folder}: API or worker makes one at the first start."


def run(argv: Sequence[str], *, database_url: str, folder: Path) -> int:
    """Run one command and return the exit code: 0 done, 1 refused, 2 not understood."""
    arguments = parser().parse_args(argv)
    try:
        asyncio.run(_with_database(arguments, database_url, Keyring(folder)))
    except (ServiceError, isolation.Unsafe, KeyringUnusable) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the grammar of the command line."""
    top = argparse.ArgumentParser(
        prog="affidavit signing-keys", description="List and rotate the keys that sign bundles."
    )
    commands = top.add_subparsers(required=True, metavar="list|show|rotate|retire")
    listing = commands.add_parser("list", help="list all keys that ever signed here")
    listing.set_defaults(command=_list)
    show = commands.add_parser("show", help="print the public key of this machine as PEM")
    show.set_defaults(command=_show)
    rotate = commands.add_parser(
        "rotate", help="make a new key here; what runs signs with it within seconds, without a restart"
    )
    rotate.set_defaults(command=_rotate)
    retire = commands.add_parser("retire", help="say that a key signs nothing from now on")
    retire.add_argument("id", help="as listed; the first 16 characters are enough")
    retire.set_defaults(command=_retire)
    return top


async def _with_database(arguments: argparse.Namespace, url: str, keyring: Keyring) -> None:
    db = Database(url, pool_size=1, name="affidavit-signing-keys")
    command: Command = arguments.command
    try:
        isolation.refuse(await isolation.check(db))
        await command(db, keyring, arguments)
    finally:
        await db.close()


async def _list(db: Database, keyring: Keyring, _arguments: argparse.Namespace) -> None:
    here = await asyncio.to_thread(keyring.peek)
    rows: list[tuple[str, ...]] = [("ID", "STATE", "SINCE", "UNTIL", "")]
    rows += [
        (
            key.id,
            signing_keys.state(key),
            _spelled(key.created_at),
            _spelled(key.retired_at),
            "this machine's" if here is not None and here.key_id == key.id else "",
        )
        for key in await signing_keys.published(db)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


async def _show(_db: Database, keyring: Keyring, _arguments: argparse.Namespace) -> None:
    here = await asyncio.to_thread(keyring.peek)
    if here is None:
        raise KeyringUnusable(NO_KEY.format(folder=keyring.folder))
    print(here.public_pem().decode(), end="")


async def _rotate(db: Database, keyring: Keyring, _arguments: argparse.Namespace) -> None:
    before, key = await signing_keys.rotate(db, keyring)
    old = "" if before is None else f"; {before.key_id} for some minutes more at most"
    print(f"{key.key_id} signs from now on{old}.", file=sys.stderr)
    print(key.key_id)


async def _retire(db: Database, keyring: Keyring, arguments: argparse.Namespace) -> None:
    found = [key for key in await signing_keys.published(db) if key.id.startswith(arguments.id)]
    if len(found) != 1:
        raise NotFound("signing key")
    here = await asyncio.to_thread(keyring.peek)
    if here is not None and here.key_id == found[0].id:
        raise Conflict("This machine signs with it. First make another: affidavit signing-keys rotate")
    when = await signing_keys.retire(db, found[0].id, timedelta())
    print(f"{found[0].id} is retired since {_spelled(when or found[0].retired_at)}.")


def _spelled(at: datetime | None) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else "-"
