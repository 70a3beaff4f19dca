"""`affidavit keys` as a person uses it."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime, timedelta

import pytest

from affidavit.accounts import command

SECRET_KEY = "a-secret-key-for-tests-of-accounts-0123456789"


def run(database_url: str, *arguments: str) -> int:
    return command.run(arguments, database_url=database_url, secret_key=SECRET_KEY)


def test_create_prints_the_key_alone_on_standard_output(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(database_url, "create", "--environment", "default", "--name", "x", "--scope", "jobs:read") == 0

    assert re.fullmatch(r"afd_[0-9a-z_]+\n", capsys.readouterr().out)


def test_list_shows_no_secret_and_revoke_is_seen_there(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(database_url, "create", "--name", "reader", "--expires", "90d")
    secret = capsys.readouterr().out.strip()
    run(database_url, "list")
    listed = capsys.readouterr().out
    key_id = re.search(r"key_\w+", listed)
    assert key_id is not None

    assert run(database_url, "revoke", key_id[0]) == 0

    assert secret not in listed
    assert "reader" in listed
    run(database_url, "list", "--environment", "default")
    assert "revoked" in capsys.readouterr().out


def test_revoking_an_unknown_key_says_so(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(database_url, "revoke", "key_00000000000000000000000000") == 1

    assert "no such API key" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["make"],
        ["create", "--scope", "everything"],
        ["create", "--expires", "soon"],
        ["create", "--expires", "2020-01-01"],
        ["create", "--name", "\n"],
        ["revoke"],
    ],
)
def test_what_is_not_understood_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        run("postgresql://nowhere/none", *arguments)

    assert exit_.value.code == 2


def test_expiry_is_a_span_or_a_time() -> None:
    assert command.expiry("2w") - datetime.now(UTC) > timedelta(days=13, hours=23)
    assert command.expiry("2999-01-01T00:00:00") == datetime(2999, 1, 1, tzinfo=UTC)
    with pytest.raises(argparse.ArgumentTypeError):
        command.expiry("99999999999d")
