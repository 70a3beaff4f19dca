"""`affidavit verify` says of a file what it is worth, to people and to programs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from affidavit.cli import main
from affidavit.verify import EXIT
from tests.bundle import making, specimens
from tests.bundle.making import KEY, STRANGER, Draft, pem


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "key.pem").write_bytes(pem(KEY))
    (tmp_path / "stranger.pem").write_bytes(pem(STRANGER))
    (tmp_path / "bundle.zip").write_bytes(specimens.plain().zip())
    return tmp_path


def verify(folder: Path, *options: str, file: str = "bundle.zip") -> int:
    return main(["verify", str(folder / file), *options])


def key(folder: Path, name: str = "key.pem") -> str:
    return f"--key={folder / name}"


def report(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def put(folder: Path, draft: Draft) -> None:
    (folder / "bundle.zip").write_bytes(draft.zip())


def test_bundle_that_is_right_passes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(folder, key(folder)) == 0
    said = capsys.readouterr().out
    assert "Everything is as it was sealed." in said
    assert "ok      artifact   7\n" in said
    assert "What this does not show:" in said


def test_bundle_that_was_changed_fails_and_the_file_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = specimens.plain().zip().replace(b"119.00 EUR", b"999.00 EUR", 1)
    (folder / "bundle.zip").write_bytes(changed)
    assert verify(folder, key(folder)) == 1
    said = capsys.readouterr().out
    assert "FAILED  container  source/invoice.txt  CRC_WRONG" in said
    assert "FAILED  artifact   source/invoice.txt  UNREADABLE" in said


def test_without_a_key_nothing_is_trusted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(folder, "--json") == EXIT["not_checked"] == 3
    found = report(capsys)
    assert found["verdict"] == "not_checked"
    assert [(c["name"], c["code"]) for c in found["checks"] if c["code"] == "NO_KEY"] == [
        ("signature", "NO_KEY")
    ]


def test_key_of_somebody_else_fails(folder: Path) -> None:
    assert verify(folder, key(folder, "stranger.pem")) == 1


def test_keys_of_a_folder_are_trusted(folder: Path) -> None:
    assert verify(folder, f"--trust={folder}") == 0


def test_json_says_what_the_bundle_is_and_every_check(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verify(folder, key(folder), "--json")
    found = report(capsys)
    assert found["subject"]["bundle_id"] == "ev_vector_plain"
    assert found["subject"]["manifest_sha256"] == making.sha256(specimens.plain().manifest_bytes())
    assert {check["name"] for check in found["checks"]} == {
        *("container", "manifest", "entries", "artifact", "statement"),
        *("signature", "chunks", "citation", "log", "timestamp"),
    }
    assert set(found["checks"][0]) == {"name", "status", "code", "entry", "detail"}
    assert found["not_proven"]


@pytest.mark.parametrize("name", ["missing.zip", "key.pem"])
def test_file_that_is_no_bundle_is_told_apart(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(folder, key(folder), file=name) == 2
    assert name in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--key", "--trust", "--authority"])
def test_trust_that_cannot_be_read_stops_before_the_bundle(
    folder: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "empty").mkdir()
    nothing = folder / "empty" if option == "--trust" else folder / "bundle.zip"
    assert verify(folder, f"{option}={nothing}") == 2
    assert capsys.readouterr().err.startswith("affidavit verify: ")


def test_bundle_cannot_write_to_the_terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bundle.zip").write_bytes(
        specimens.plain().zip().replace(b"request.json", b"\x1b[31mred\x9b!!!")
    )
    verify(folder, key(folder))
    said = capsys.readouterr().out
    assert "NAME_INVALID" in said
    assert "\x1b" not in said
    assert "\x9b" not in said


def test_tombstone_verifies_by_itself(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    statement = making.statement(
        "urn:affidavit:tombstone:1", "ab" * 32, {"bundle_id": "ev_1", "deleted_at": making.SEALED_AT}
    )
    (folder / "tombstone.json").write_bytes(making.envelope(making.rfc8785.dumps(statement), KEY))
    assert verify(folder, key(folder), file="tombstone.json") == 0
    said = capsys.readouterr().out
    assert "ev_1" in said
    assert "That the bytes are gone" in said
    assert "sealed" not in said
    assert verify(folder, key(folder, "stranger.pem"), file="tombstone.json") == 1


def retired(folder: Path, at: str) -> str:
    entry = {"key_id": making.key_id(KEY), "pem": pem(KEY).decode(), "retired_at": at}
    (folder / "keys.json").write_text(json.dumps({"keys": [entry]}))
    return key(folder, "keys.json")


def test_key_that_was_retired_later_is_fine_and_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(folder, retired(folder, "2026-01-02T03:04:06.000007Z")) == 0
    assert "KEY_RETIRED" in capsys.readouterr().out


def test_key_that_was_retired_before_could_not_sign(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(folder, retired(folder, "2026-01-02T03:04:06.000006Z")) == 1
    assert "KEY_NOT_VALID_THEN" in capsys.readouterr().out


def test_contents_are_not_unpacked_unless_their_hash_is_right(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    honest = specimens.plain()
    swapped = honest.with_artifact("extraction.json", b"[" * 100_000)
    put(folder, replace(swapped, manifest={**swapped.manifest, "artifacts": listed(honest)}))
    assert verify(folder, key(folder), "--json") == 1
    codes = {(check["name"], check["code"]) for check in report(capsys)["checks"]}
    assert ("citation", "ARTIFACT_WRONG") in codes
    assert ("artifact", "SIZE_WRONG") in codes


def listed(draft: Draft) -> list[dict[str, Any]]:
    return [artifact.listed() for artifact in draft.artifacts]


def test_verifying_imports_nothing_but_cryptography(folder: Path) -> None:
    code = (
        "import sys; from affidavit.cli import main; main(sys.argv[1:]);"
        "print(sorted({name.split('.')[0] for name in sys.modules}"
        " & {'pydantic', 'fastapi', 'httpx', 'sqlalchemy', 'numpy', 'asyncio', 'structlog', 'rfc8785'}))"
    )
    command = [sys.executable, "-c", code, "verify", str(folder / "bundle.zip"), key(folder)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert said.splitlines()[-1] == "[]"


def test_receipt_tells_the_api_key_and_the_signing_key_apart(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predicate = {"bundle_id": "ev_1", "key_id": "key_api", "type": "x", "manifest_sha256": "y"}
    statement = making.statement("urn:affidavit:receipt:1", "ab" * 32, predicate)
    (folder / "receipt.json").write_bytes(making.envelope(making.rfc8785.dumps(statement), KEY))
    assert verify(folder, key(folder), "--json", file="receipt.json") == 0
    assert report(capsys)["subject"] == {
        "bundle_id": "ev_1",
        "key_id": "key_api",
        "type": "urn:affidavit:receipt:1",
        "manifest_sha256": "ab" * 32,
        "signing_key_id": making.key_id(KEY),
    }


def test_sound_bundle_that_is_another_than_promised_fails(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(folder, key(folder), "--json") == 0
    promised = report(capsys)["subject"]["manifest_sha256"]

    assert verify(folder, key(folder), f"--manifest-sha256={promised.upper()}") == 0
    capsys.readouterr()
    assert verify(folder, key(folder), f"--manifest-sha256={'0' * 64}", "--json") == 1
    failed = [check for check in report(capsys)["checks"] if check["status"] == "failed"]
    assert [(check["name"], check["code"]) for check in failed] == [("promised", "OTHER_BUNDLE")]
