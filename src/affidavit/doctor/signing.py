"""Look at the key that signs bundles: whether it is there, who may read it, and whether it is published."""

from __future__ import annotations

import asyncio
import os
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
    """Look at modes. A mounted secret belongs to root, and we are in its group: that must be so."""
    status, folder = path.stat(), path.parent.stat()
    mode = stat.S_IMODE(status.st_mode)
    is_shared = bool(mode & stat.S_IRWXG) and status.st_uid == os.geteuid()
    remedy = f"Whoever reads the key can sign in your name: chmod 600 {path}"
    yield judged(PART, f"{path.name} has mode {mode:o}", is_well=not is_shared, remedy=remedy)
    mode = stat.S_IMODE(folder.st_mode)
    is_fixed = bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)
    is_open = bool(mode & (stat.S_IWGRP | stat.S_IWOTH)) and not is_fixed
    remedy = f"Whoever writes there can put a key in its place: chmod 700 {path.parent}"
    yield judged(PART, f"the folder of the keys has mode {mode:o}", is_well=not is_open, remedy=remedy)


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
    if not known:
        return ok(PART, f"{shown} is there; API or worker publishes it at the first start")
    if key.key_id not in known:
        return warn(PART, f"{shown} is not published", "Start API or worker here: they publish it first.")
    standing = state(known[key.key_id])
    if standing != "active":
        return fail(PART, f"{shown} is {standing}", ROTATE)
    return ok(PART, f"{shown} signs and is published; {len(known)} ever did")
