"""A verifier that was written from the page on the format comes to what the command comes to."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from affidavit.bundle.report import Report, Status
from affidavit.bundle.signature import check_statement
from affidavit.bundle.verify import CHECKS, verify
from tests.bundle import second_verifier, specimens
from tests.bundle.broken import all_broken
from tests.bundle.making import KEY, key_id
from tests.bundle.mutations import all_mutations
from tests.bundle.test_mutations import KEYS
from tests.bundle.vectors import FOLDER, ROOTS
from tests.evidence.authority import openssl

EXPECTED: list[dict[str, Any]] = json.loads((FOLDER / "vectors.json").read_text())
EXITS = {"passed": 0, "failed": 1, "not_checked": 3}
SECOND_KEYS = {id_: (key.public, key.retired_at) for id_, key in KEYS.items()}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of names that are there twice
        yield


def test_it_has_at_most_150_lines_and_nothing_of_the_first() -> None:
    text = Path(second_verifier.__file__).read_text()

    assert len(text.splitlines()) <= 150
    assert "affidavit" not in text.replace("affidavit-bundle", "").replace("urn:affidavit", "")


@pytest.mark.parametrize("vector", EXPECTED, ids=lambda vector: vector["file"])
def test_it_agrees_on_every_vector(vector: dict[str, Any], tmp_path: Path) -> None:
    def is_stamped(envelope: bytes, token: bytes) -> bool:
        (tmp_path / "data").write_bytes(envelope)
        (tmp_path / "token").write_bytes(token)
        given = ("-data", tmp_path / "data", "-in", tmp_path / "token", "-CAfile", FOLDER / ROOTS)
        try:
            openssl("ts", "-verify", *given)
        except AssertionError:
            return False
        return True

    data, keys = (FOLDER / vector["file"]).read_bytes(), published(vector["keys"])
    verdict, _ = second_verifier.verify(data, keys, is_stamped if vector["authority"] else None)

    assert EXITS[verdict] == (1 if vector["exit"] == 2 else vector["exit"])  # to it, no bundle is a wrong one


def published(name: str | None) -> dict[str, tuple[Any, datetime | None]]:
    """Read keys as a stranger would: JSON of the server, or a PEM."""
    if name is None:
        return {}
    data = (FOLDER / name).read_bytes()
    if name.endswith(".pem"):
        return {key_id_of(load_pem_public_key(data)): (load_pem_public_key(data), None)}
    listed = json.loads(data)["keys"]
    return {
        each["key_id"]: (
            load_pem_public_key(each["pem"].encode()),
            each["retired_at"] and datetime.fromisoformat(each["retired_at"]),
        )
        for each in listed
    }


def key_id_of(key: Any) -> str:
    prefix = bytes.fromhex("302a300506032b6570032100")
    return second_verifier.sha256(prefix + key.public_bytes_raw()).hexdigest()


def test_key_ids_are_those_of_the_page() -> None:
    assert key_id_of(KEY.public_key()) == key_id(KEY)


def test_it_agrees_on_every_change_and_names_the_same_reason() -> None:
    changed = {mutation.name: mutation.data for mutation in all_mutations(specimens.with_log_proof())}

    assert [name for name, data in changed.items() if second(data) != first(data)] == []


def test_it_agrees_on_what_is_signed_and_wrong() -> None:
    broken = {name: broken.data for name, broken in all_broken().items()}

    assert [name for name, data in broken.items() if second(data) != first(data)] == []


def second(data: bytes) -> tuple[str, str | None]:
    verdict, failed = second_verifier.verify(data, SECOND_KEYS)
    return verdict, failed


def first(data: bytes) -> tuple[str, str | None]:
    """Return the verdict and the first check that failed, in the order of the page."""
    report: Report = check_statement(data, KEYS) if data[:1] == b"{" else verify(io.BytesIO(data), KEYS)
    failed = [check for check in report.checks if check.status is Status.FAILED]
    if not failed:
        return str(report.verdict), None
    check = min(failed, key=lambda check: CHECKS.index(check.name))
    is_one_of_many = check.name == "artifact" or (
        check.name == "citation" and ".json" not in str(check.entry)
    )
    return str(report.verdict), check.entry if is_one_of_many else check.name
