"""`affidavit check`: read every stored blob that a row names, and the whole log, and tell what is wrong."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from affidavit.documents import scrub
from affidavit.evidence.log_audit import audit
from affidavit.infra.blobs import open_store
from affidavit.infra.db import Database
from affidavit.infra.logs import configure
from affidavit.settings import Settings, from_environment

MOST_SHOWN = 10_000


def main(arguments: Sequence[str]) -> int:
    """Check all blobs and the log; return 1 when anything is bad. What a restore is followed by."""
    parser = argparse.ArgumentParser(
        prog="affidavit check",
        description="Read every stored document, page and result that the database names, and compare "
        "its hash. Prints one line for each that is missing or damaged, with who needs it; damaged pages are "
        "dropped, since they can be read again. Then the log of bundles is made anew from its entries, and "
        "held against all that was signed. Safe while the service runs.",
    )
    parser.parse_args(arguments)
    configure(level="critical")  # what is found is printed here, once
    return asyncio.run(_check(from_environment()))


async def _check(settings: Settings) -> int:
    db = Database(settings.database_url, pool_size=2, name="affidavit-check")
    await db.open()
    try:
        seen = await scrub.scrub_all(db, open_store(settings.blob_url, scratch=settings.data_dir / "staging"))
        bad = (await scrub.standing(db, limit=MOST_SHOWN)).bad
        log = await audit(db)
    finally:
        await db.close()
    for blob in bad:
        print(f"{blob.state} {blob.environment_id}/{blob.sha256} needed by {', '.join(blob.owners)}")
    print(f"{seen.blobs} blobs, {seen.size_bytes} bytes; missing or damaged: {len(bad)}.")
    for wrong in log.wrong:
        print(f"log: {wrong}")
    print(f"{log.entries} entries and {log.checkpoints} checkpoints in the log; wrong: {len(log.wrong)}.")
    return 1 if bad or log.wrong else 0
