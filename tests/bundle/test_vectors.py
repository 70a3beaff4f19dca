"""The vectors that are shipped: what the command says of each, and that they are what the code makes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from affidavit.verify import main
from tests.bundle import vectors
from tests.bundle.vectors import FOLDER, ROOTS, TOKEN
from tests.evidence.authority import openssl

EXPECTED: list[dict[str, Any]] = json.loads((FOLDER / "vectors.json").read_text())


@pytest.mark.parametrize("vector", EXPECTED, ids=lambda vector: vector["file"])
def test_the_command_says_of_each_vector_what_was_foretold(
    vector: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    given = [f"--{option}={FOLDER / name}" for option, name in trusted(vector)]

    code = main([str(FOLDER / vector["file"]), "--json", *given])

    assert code == vector["exit"]
    if vector["code"] is not None:
        assert reason(vector) in {
            (check["code"], check["entry"] if vector["entry"] else None)
            for check in json.loads(capsys.readouterr().out)["checks"]
            if check["status"] != "passed"
        }


def trusted(vector: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if vector["keys"] is not None:
        yield "key", vector["keys"]
    if vector["authority"] is not None:
        yield "authority", vector["authority"]


def reason(vector: dict[str, Any]) -> tuple[str, str | None]:
    return vector["code"], vector["entry"]


def test_the_vectors_are_made_by_the_code_to_the_byte() -> None:
    made = dict(vectors.files((FOLDER / TOKEN).read_bytes()))

    assert [name for name, data in made.items() if (FOLDER / name).read_bytes() != data] == []
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}
    assert there - set(made) == {TOKEN, ROOTS, "timestamp.sha256", "README.md"}


def test_openssl_accepts_the_timestamp(tmp_path: Path) -> None:
    envelope = tmp_path / "manifest.dsse.json"
    envelope.write_bytes(vectors.stamped().envelope())

    said = openssl("ts", "-verify", "-data", envelope, "-in", FOLDER / TOKEN, "-CAfile", FOLDER / ROOTS)

    assert b"OK" in said or said == b""
