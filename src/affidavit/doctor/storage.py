"""Look at where blobs are kept, by keeping one, and at the folder of this machine."""

from __future__ import annotations

import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from affidavit.doctor.finding import Finding, fail, judged, ok, warn
from affidavit.infra.blobs import BlobError, open_store

PART: Final = "blobs"
ENVIRONMENT: Final = "doctor"  # no environment has such an id, so nobody's blob is touched


async def examine(url: str, data_dir: Path, least_free_bytes: int) -> list[Finding]:
    """Write, read and delete a blob; say what room there is."""
    return [await _probe(url, data_dir), *_folder(data_dir, least_free_bytes)]


async def _probe(url: str, data_dir: Path) -> Finding:
    kind = "bucket" if url.startswith("s3:") else "folder"
    content = b"probe " + secrets.token_bytes(16)
    try:
        store = open_store(url, scratch=data_dir / "staging")
        sha256 = await store.put_bytes(ENVIRONMENT, content)
        again = await store.put_bytes(ENVIRONMENT, content)  # what is there is kept, not written anew
        found = await (await store.open(ENVIRONMENT, sha256)).read()
        is_gone = await store.delete(ENVIRONMENT, sha256) and not await store.exists(ENVIRONMENT, sha256)
    except (BlobError, OSError, ModuleNotFoundError) as error:
        remedy = "Check AFFIDAVIT_BLOB_URL, its credentials and the rights of this user."
        return fail(PART, f"the {kind} cannot be used: {type(error).__name__}", remedy)
    if found != content or again != sha256:
        return fail(PART, f"the {kind} gives back something else", "Do not use this store.")
    if not is_gone:
        return warn(PART, f"the {kind} keeps what is deleted", "Allow this user to delete objects.")
    return ok(PART, f"the {kind} takes, gives back and deletes a blob; a second put of it is harmless")


def _folder(data_dir: Path, least_free_bytes: int) -> Iterator[Finding]:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(data_dir).free
        mode = stat.S_IMODE(data_dir.stat().st_mode)
    except OSError as error:
        yield fail("disk", f"AFFIDAVIT_DATA_DIR cannot be used: {type(error).__name__}", "Mend its rights.")
        return
    told = f"{free / 1e9:.1f} GB free in AFFIDAVIT_DATA_DIR"
    if free < least_free_bytes:
        yield fail("disk", told, "Make room, or lower AFFIDAVIT_MIN_FREE_DISK_BYTES.")
    else:
        yield judged("disk", told, is_well=free >= 2 * least_free_bytes, remedy="Make room soon.")
    is_private = not mode & stat.S_IWOTH
    yield judged(
        "disk",
        f"AFFIDAVIT_DATA_DIR has mode {mode:o}",
        is_well=is_private,
        remedy="Take others' right to write.",
    )
