"""Someone with the database and the store, but without the signing key, changes what is on record."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from affidavit.evidence.log import append_due, origin
from affidavit.evidence.sealing import SealedBundle
from tests.api.bundles import Sealer
from tests.api.conftest import Api
from tests.bundle.archive import with_crc32
from tests.bundle.making import STRANGER, envelope, key_id
from tests.conftest import execute

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def sealer(tenant: Api) -> Sealer:
    return Sealer(tenant)


class Insider:
    """Writes to the database past all triggers and rules."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def write(self, statement: str) -> None:
        await execute(self._url, f"SET session_replication_role = replica; {statement}")

    async def change(self, sealed: SealedBundle, **columns: str) -> None:
        changes = ", ".join(f"{name} = {value}" for name, value in columns.items())
        await self.write(f"UPDATE bundles SET {changes} WHERE id = '{sealed.contents.bundle_id}'")

    async def exchange(self, one: SealedBundle, other: SealedBundle) -> None:
        """Put all that `other` sealed in the place of `one`: manifest, envelope, hash and files."""
        here, there = one.contents.bundle_id, other.contents.bundle_id
        columns = "manifest, envelope, manifest_sha256, merkle_root, signing_key_id"
        await self.write(
            f"UPDATE bundles SET ({columns}) = (SELECT {columns} FROM bundles WHERE id = '{there}') "
            f"WHERE id = '{here}'; DELETE FROM bundle_artifacts WHERE bundle_id = '{here}';"
            f"INSERT INTO bundle_artifacts SELECT '{here}', n, environment_id, name, media_type, size_bytes, "
            "sha256, crc32, blob_sha256, encoding "
            f"FROM bundle_artifacts WHERE bundle_id = '{there}'"
        )


@pytest.fixture
def insider(module_database_url: str) -> Insider:
    return Insider(module_database_url)


async def verified(api: Api, sealed: SealedBundle, query: str = "") -> dict[str, Any]:
    answer = await api.get(f"/v1/bundles/{sealed.contents.bundle_id}/verify{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def both(api: Api, sealed: SealedBundle) -> tuple[dict[str, Any], dict[str, Any]]:
    return await verified(api, sealed), await verified(api, sealed, "?quick=true")


def codes(report: Mapping[str, Any]) -> set[str]:
    return {check["code"] for check in report["checks"] if check["status"] == "failed"}


async def test_bundle_in_the_place_of_another_is_found(
    tenant: Api,
    sealer: Sealer,
    insider: Insider,
) -> None:
    """What lies there is genuine and whole, and is not the bundle that was asked for."""
    asked, genuine = await sealer.seal(), await sealer.seal()
    await insider.exchange(asked, genuine)

    full, quick = await both(tenant, asked)

    assert (full["verdict"], quick["verdict"]) == ("failed", "failed")
    assert "RECORD_WRONG" in codes(full) & codes(quick)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("job_id", "'job_of_somebody'"),
        ("sealed_at", "sealed_at - interval '1 year'"),
        ("parent_id", "'ev_that_never_was'"),
        ("operation", "'parse'"),
        ("merkle_root", f"'{'0' * 64}'"),
        ("signing_key_id", f"'{key_id(STRANGER)}'"),
        ("source_sha256", f"'{'0' * 64}'"),
        ("chunk_count", "7"),
        ("manifest_sha256", f"'{'0' * 64}'"),
    ],
)
async def test_record_that_says_else_than_the_manifest_is_found(
    tenant: Api,
    sealer: Sealer,
    insider: Insider,
    column: str,
    value: str,
) -> None:
    sealed = await sealer.seal()
    await insider.change(sealed, **{column: value})

    full, quick = await both(tenant, sealed)

    assert "RECORD_WRONG" in codes(full) & codes(quick)


@pytest.mark.parametrize(
    "change",
    [
        "name = 'files/other.pdf'",
        "size_bytes = size_bytes + 1",
        f"sha256 = '{'0' * 64}'",
        "crc32 = 1",
        "encoding = 'identity'",
        f"blob_sha256 = '{'0' * 64}'",
        "n = 99",
    ],
)
async def test_changed_row_of_a_file_is_found(
    tenant: Api,
    sealer: Sealer,
    insider: Insider,
    change: str,
) -> None:
    sealed = await sealer.seal()
    await insider.write(
        f"UPDATE bundle_artifacts SET {change} "
        f"WHERE bundle_id = '{sealed.contents.bundle_id}' AND name = 'document.md'"
    )

    full = await verified(tenant, sealed)

    assert full["verdict"] == "failed", full


async def test_removed_and_added_rows_of_files_are_found(
    tenant: Api,
    sealer: Sealer,
    insider: Insider,
) -> None:
    less, more = await sealer.seal(), await sealer.seal()
    await insider.write(
        f"DELETE FROM bundle_artifacts WHERE bundle_id = '{less.contents.bundle_id}' AND n = 3;"
        f"INSERT INTO bundle_artifacts SELECT bundle_id, 50, environment_id, 'files/x.bin', media_type, "
        f"size_bytes, sha256, crc32, blob_sha256, encoding FROM bundle_artifacts "
        f"WHERE bundle_id = '{more.contents.bundle_id}' AND n = 1"
    )

    for sealed, code in ((less, "ENTRY_MISSING"), (more, "ENTRY_EXTRA")):
        full, quick = await both(tenant, sealed)
        assert code in codes(full)
        assert quick["verdict"] == "failed"


async def test_manifest_signed_by_the_key_of_another_installation_is_found(
    tenant: Api,
    sealer: Sealer,
    insider: Insider,
) -> None:
    sealed = await sealer.seal()
    forged = sealed.manifest.replace(b'"attempt":1', b'"attempt":2')
    said = json.loads(base64.b64decode(json.loads(sealed.envelope)["payload"]))
    said["subject"][0]["digest"]["sha256"] = hashlib.sha256(forged).hexdigest()
    payload = json.dumps(said, separators=(",", ":"), sort_keys=True).encode()
    await insider.change(
        sealed,
        manifest=f"'\\x{forged.hex()}'",
        envelope=f"'\\x{envelope(payload, STRANGER).hex()}'",
        manifest_sha256=f"'{hashlib.sha256(forged).hexdigest()}'",
        signing_key_id=f"'{key_id(STRANGER)}'",
    )

    full, quick = await both(tenant, sealed)

    assert "KEY_UNKNOWN" in codes(full) & codes(quick)


async def test_receipt_in_the_place_of_another_is_not_valid(
    tenant: Api,
    sealer: Sealer,
    insider: Insider,
) -> None:
    one, other = await sealer.seal(), await sealer.seal()
    receipts = [(await verified(tenant, sealed))["receipt_id"] for sealed in (one, other)]
    await insider.write(
        f"UPDATE receipts SET envelope = (SELECT envelope FROM receipts WHERE id = '{receipts[1]}') "
        f"WHERE id = '{receipts[0]}'"
    )

    changed = (await tenant.get(f"/v1/receipts/{receipts[0]}")).json()
    kept = (await tenant.get(f"/v1/receipts/{receipts[1]}")).json()

    assert (changed["valid"], kept["valid"]) == (False, True)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("action", "'download'"),
        ("agent_id", "'somebody'"),
        ("key_id", "'key_of_somebody'"),
        ("manifest_sha256", f"'{'0' * 64}'"),
        ("created_at", "created_at - interval '1 day'"),
        ("bundle_id", "'ev_other'"),
        ("signing_key_id", f"'{key_id(STRANGER)}'"),
    ],
)
async def test_receipt_whose_record_was_changed_is_not_valid(
    tenant: Api,
    sealer: Sealer,
    insider: Insider,
    column: str,
    value: str,
) -> None:
    receipt = (await verified(tenant, await sealer.seal(), "?quick=true"))["receipt_id"]
    await insider.write(f"UPDATE receipts SET {column} = {value} WHERE id = '{receipt}'")

    assert (await tenant.get(f"/v1/receipts/{receipt}")).json()["valid"] is False


async def test_store_of_one_environment_is_not_read_for_another(
    tenant: Api,
    neighbour: Api,
    sealer: Sealer,
    insider: Insider,
) -> None:
    """A row that points at a blob of somebody else finds nothing there."""
    mine, theirs = await sealer.seal(), await Sealer(neighbour).seal(image=b"RIFF of the neighbour")
    blob = theirs.contents.artifacts[-1].blob_sha256
    await insider.write(
        f"UPDATE bundle_artifacts SET blob_sha256 = '{blob}' "
        f"WHERE bundle_id = '{mine.contents.bundle_id}' AND name = 'pages/0001.webp'"
    )

    full = await verified(tenant, mine)

    assert "STORED_BYTES_MISSING" in codes(full)


async def test_place_in_the_log_that_is_not_its_own_is_found(
    tenant: Api, sealer: Sealer, insider: Insider
) -> None:
    one, other = await sealer.seal(), await sealer.seal()
    used = tenant.services
    await origin(used.db, "affidavit.test/log")
    await append_due(used.db, used.keyring.current)
    assert {check["code"] for check in (await verified(tenant, one))["checks"] if check["name"] == "log"} == {
        None
    }
    await insider.write(
        f"UPDATE bundles SET log_index = -1 WHERE id = '{other.contents.bundle_id}';"
        f"UPDATE bundles SET log_index = log_index + 1 WHERE id = '{one.contents.bundle_id}'"
    )

    full = await verified(tenant, one)

    assert "LOG_ENTRY_NOT_INCLUDED" in codes(full)


async def test_download_of_a_bundle_with_an_altered_file_does_not_come_to_its_end(
    tenant: Api, sealer: Sealer
) -> None:
    """Its size and its CRC-32 are as before: only the hash of the blob tells."""
    sealed = await sealer.seal()
    source = sealed.contents.artifacts[0]
    folder = tenant.app.state.settings.data_dir / "blobs" / "env" / await sealer.environment()
    stored = folder / source.blob_sha256
    stored.chmod(0o600)
    stored.write_bytes(with_crc32(b"%PDF-1.7 another".ljust(source.size_bytes - 4), source.crc32))
    assert zlib.crc32(stored.read_bytes()) == source.crc32

    with pytest.raises(httpx.RemoteProtocolError):
        await tenant.get(f"/v1/bundles/{sealed.contents.bundle_id}/download")
