"""Look at the key that signs bundles: whether it is there, who may read it, and whether it is published."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from affidavit.doctor.finding import Finding, fail, judged, ok, warn
from affidavit.evidence.signing_keys import published, state
from affidavit.infra.db import Database
from affidavit.infra.keyring import Keyring, KeyringUnusable, SigningKey, file_name

PART: Final = "signing"
ROTATE: Final = "Make another: affidavit signing-keys rotate"


async def examine(url: str, folder: Path, data_dir: Path) -> list[Finding]:
    """Say how the key is; makes none. Raises OSError, TimeoutError and asyncpg errors without a database."""
    try:
        key = await asyncio.to_thread(Keyring(folder).peek)
    except KeyringUnusable as unusable:
        return [fail(PART, str(unusable), "Mend it: nothing can be sealed without it.")]
    if key is None:
        return [ok(PART, "there is no key yet: API or worker makes one at the first start")]
    path = folder / file_name(key.number)
    return [*_file(path), *_place(folder, data_dir), await _standing(url, key)]


def _file(path: Path) -> Iterator[Finding]:
    for what, shown in ((path, path.name), (path.parent, "its folder")):
        mode = stat.S_IMODE(what.stat().st_mode)
        is_private = not mode & (stat.S_IRWXG | stat.S_IRWXO)
        only = "600" if what is path else "700"
        yield judged(
            PART,
            f"{shown} has mode {mode:o}",
            is_well=is_private,
            remedy=f"Whoever reads the key can sign in your name: chmod {only} {what}",
        )


def _place(folder: Path, data_dir: Path) -> Iterator[Finding]:
    blobs = data_dir.absolute() / "blobs"
    if folder.absolute().is_relative_to(blobs):
        yield fail(PART, "the keys lie among the blobs", "Move AFFIDAVIT_SIGNING_KEY_DIR elsewhere.")


async def _standing(url: str, key: SigningKey) -> Finding:
    db = Database(url, pool_size=1, name="affidavit-doctor")
    try:
        known = {each.id: each for each in await published(db)}
    finally:
        await db.close()
    shown = f"key {key.key_id[:16]}…"
    if key.key_id not in known:
        return warn(PART, f"{shown} is not published", "Start API or worker here: they publish it first.")
    standing = state(known[key.key_id])
    if standing != "active":
        return fail(PART, f"{shown} is {standing}", ROTATE)
    return ok(PART, f"{shown} signs and is published; {len(known)} ever did")
