"""API keys: made once, stored as digests, refused alike, forgotten soon after they are revoked."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from affidavit.accounts import key as keys
from affidavit.accounts.principal import Principal, Scope
from affidavit.accounts.service import Accounts
from affidavit.errors import Forbidden, NotFound, Unauthenticated
from affidavit.infra.db import Database

SECRET_KEY = "a-secret-key-for-tests-of-accounts-0123456789"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(db: Database, clock: Clock) -> Accounts:
    return Accounts(db, SECRET_KEY, clock)


def test_key_says_what_it_is_and_holds_at_least_160_random_bits() -> None:
    key = keys.make()

    assert re.fullmatch(r"afd_[0-9a-z]{26}_[0-9a-z]{39}", key.text)
    assert len(key.secret) * 5 >= 160
    assert keys.parse(key.text) == key


@pytest.mark.parametrize("place", [0, 5, 20, 35, 60, -1])
def test_mistyped_key_is_recognised_without_a_lookup(place: int) -> None:
    text = keys.make().text
    wrong = "0" if text[place] != "0" else "1"

    assert keys.parse(text[:place] + wrong + text[place:][1:]) is None


@pytest.mark.parametrize("text", ["", "afd_", "x" * 10_000, "afd_\x00", "afd_ü"])
def test_what_is_no_key_is_none(text: str) -> None:
    assert keys.parse(text) is None


async def test_new_key_stands_for_its_environment_and_scopes(accounts: Accounts) -> None:
    made = await accounts.create_key("default", "ci", [Scope.JOBS_READ])

    principal = await accounts.authenticate(made.text)

    assert principal.scopes == {"jobs:read"}
    assert principal.key_id == made.view.id
    with pytest.raises(Forbidden, match="jobs:write"):
        principal.require(Scope.JOBS_READ, Scope.JOBS_WRITE)


async def test_keys_of_one_name_share_the_environment(accounts: Accounts) -> None:
    first, second, third = [
        await accounts.authenticate((await accounts.create_key(name, "k")).text) for name in ("a", "a", "b")
    ]

    assert first.environment_id == second.environment_id != third.environment_id


async def test_database_holds_no_secret(accounts: Accounts, db: Database) -> None:
    made = await accounts.create_key("default", "k")

    row = await db.fetch_row("SELECT to_jsonb(k)::text AS k FROM api_keys k")

    assert row is not None
    secret = keys.parse(made.text)
    assert secret is not None
    assert secret.secret not in row["k"]


async def test_another_secret_key_makes_every_key_unknown(accounts: Accounts, db: Database) -> None:
    made = await accounts.create_key("default", "k")

    with pytest.raises(Unauthenticated):
        await Accounts(db, SECRET_KEY[::-1]).authenticate(made.text)


async def test_right_id_with_another_secret_is_refused(accounts: Accounts) -> None:
    made = await accounts.create_key("default", "k")
    await accounts.authenticate(made.text)
    forged = keys.Key(made.view.id, keys.make().secret)

    with pytest.raises(Unauthenticated):
        await accounts.authenticate(forged.text)


async def test_unknown_key_is_refused(accounts: Accounts) -> None:
    with pytest.raises(Unauthenticated):
        await accounts.authenticate(keys.make().text)


async def test_key_revoked_elsewhere_is_refused_within_five_seconds(
    accounts: Accounts, db: Database, clock: Clock
) -> None:
    made = await accounts.create_key("default", "k")
    await accounts.authenticate(made.text)
    await Accounts(db, SECRET_KEY).revoke_key(made.view.id)
    clock.now += 5

    with pytest.raises(Unauthenticated):
        await accounts.authenticate(made.text)


async def test_cached_key_needs_no_database(accounts: Accounts, db: Database, clock: Clock) -> None:
    made = await accounts.create_key("default", "k")
    first = await accounts.authenticate(made.text)
    await db.close()
    clock.now += 4.9

    assert await accounts.authenticate(made.text) == first


async def test_key_revoked_here_is_refused_at_once(accounts: Accounts) -> None:
    made = await accounts.create_key("default", "k")
    await accounts.authenticate(made.text)
    await accounts.revoke_key(made.view.id)

    with pytest.raises(Unauthenticated):
        await accounts.authenticate(made.text)


async def test_expired_key_is_refused_even_while_it_is_cached(
    accounts: Accounts, clock: Clock, db: Database
) -> None:
    made = await accounts.create_key("default", "k", expires_at=datetime.now(UTC) + timedelta(seconds=2))
    assert isinstance(await accounts.authenticate(made.text), Principal)
    await db.fetch("UPDATE api_keys SET expires_at = now() - interval '1 second'")
    clock.now += 2.1

    with pytest.raises(Unauthenticated):
        await accounts.authenticate(made.text)


async def test_revoking_twice_keeps_the_first_time_and_unknown_keys_are_not_found(accounts: Accounts) -> None:
    made = await accounts.create_key("default", "k")

    assert await accounts.revoke_key(made.view.id) == await accounts.revoke_key(made.view.id)
    with pytest.raises(NotFound):
        await accounts.revoke_key("key_00000000000000000000000000")


async def test_list_names_the_state_of_every_key(accounts: Accounts) -> None:
    active = await accounts.create_key("a", "k")
    revoked = await accounts.create_key("b", "k")
    await accounts.revoke_key(revoked.view.id)

    now = datetime.now(UTC)
    listed = {key.id: key.state(now) for key in await accounts.list_keys()}

    assert listed == {active.view.id: "active", revoked.view.id: "revoked"}
    assert [key.id for key in await accounts.list_keys("a")] == [active.view.id]
    assert active.view.state(now) == "active"
