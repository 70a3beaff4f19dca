"""Keys are published before they sign, on every machine, and rotated while processes run."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from affidavit.evidence import command
from affidavit.evidence.signing_keys import (
    RETIRE_AFTER,
    follow,
    open_keyring,
    published,
    retire,
    rotate,
    state,
)
from affidavit.infra.db import Database
from affidavit.infra.keyring import Keyring, KeyringUnusable, SigningKey
from tests.conftest import as_service


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


async def states(db: Database) -> dict[str, str]:
    return {key.id: state(key) for key in await published(db)}


async def test_processes_of_one_machine_publish_one_key(db: Database, folder: Path) -> None:
    rings = [Keyring(folder) for _ in range(5)]

    keys = await asyncio.gather(*(open_keyring(db, ring) for ring in rings))

    assert len({key.key_id for key in keys}) == 1
    [known] = await published(db)
    assert (known.id, known.public) == (keys[0].key_id, keys[0].public)
    assert known.retired_at is None


async def test_each_machine_publishes_a_key_of_its_own(db: Database, tmp_path: Path) -> None:
    keys = await asyncio.gather(
        *(open_keyring(db, Keyring(tmp_path / f"machine-{number}")) for number in range(3))
    )

    assert await states(db) == {key.key_id: "active" for key in keys}


async def test_publishing_again_changes_nothing(db: Database, folder: Path) -> None:
    await open_keyring(db, Keyring(folder))
    before = await published(db)

    await open_keyring(db, Keyring(folder))

    assert await published(db) == before


async def test_rotation_is_taken_up_by_what_runs(db: Database, folder: Path) -> None:
    running, other = Keyring(folder), Keyring(folder)
    first = await open_keyring(db, running)
    await open_keyring(db, other)

    before, after = await rotate(db, Keyring(folder))
    assert before is not None
    assert (before.key_id, running.current().key_id) == (first.key_id, first.key_id)
    await asyncio.gather(follow(db, running), follow(db, other))

    assert running.current().key_id == other.current().key_id == after.key_id
    assert await states(db) == {first.key_id: "retiring", after.key_id: "active"}
    assert after.number == 2
    assert not (folder / "0001.pem").exists()


async def test_rotation_on_one_machine_leaves_the_others_alone(db: Database, tmp_path: Path) -> None:
    here, there = Keyring(tmp_path / "here"), Keyring(tmp_path / "there")
    mine, theirs = await open_keyring(db, here), await open_keyring(db, there)

    _, after = await rotate(db, here)
    await follow(db, there)

    assert there.current().key_id == theirs.key_id
    assert await states(db) == {mine.key_id: "retiring", theirs.key_id: "active", after.key_id: "active"}


async def test_key_that_is_put_there_by_hand_is_published_before_it_signs(db: Database, folder: Path) -> None:
    ring = Keyring(folder)
    first = await open_keyring(db, ring)
    added = Keyring(folder).add(SigningKey.generate())  # as a mounted secret that was changed
    assert added.key_id not in await states(db)

    await follow(db, ring)

    assert ring.current().key_id == added.key_id
    assert await states(db) == {first.key_id: "retiring", added.key_id: "active"}


async def test_old_key_signs_on_while_the_database_is_away(
    db: Database, folder: Path, database_url: str
) -> None:
    ring = Keyring(folder)
    first = await open_keyring(db, ring)
    Keyring(folder).add(SigningKey.generate())
    away = Database("postgresql://nobody@127.0.0.1:1/none", pool_size=1)

    with pytest.raises(OSError):
        await follow(away, ring)

    assert ring.current().key_id == first.key_id


async def test_retired_key_signs_nothing_more(db: Database, folder: Path) -> None:
    key = await open_keyring(db, Keyring(folder))
    await retire(db, key.key_id, timedelta())

    with pytest.raises(KeyringUnusable, match="signing-keys rotate"):
        await open_keyring(db, Keyring(folder))

    _, after = await rotate(db, Keyring(folder))
    assert (await open_keyring(db, Keyring(folder))).key_id == after.key_id


async def test_retirement_lies_ahead_until_every_process_has_looked(db: Database, folder: Path) -> None:
    first = await open_keyring(db, Keyring(folder))
    await rotate(db, Keyring(folder))

    [old] = [key for key in await published(db) if key.id == first.key_id]

    assert old.retired_at is not None
    assert abs(old.retired_at - datetime.now(UTC) - RETIRE_AFTER) < timedelta(minutes=1)


async def test_retirement_comes_forward_and_never_goes_back(db: Database, folder: Path) -> None:
    key = await open_keyring(db, Keyring(folder))
    await retire(db, key.key_id, timedelta(days=1))
    sooner = await retire(db, key.key_id, timedelta())

    assert await retire(db, key.key_id, timedelta(days=1)) is None
    assert [known.retired_at for known in await published(db)] == [sooner]


async def test_private_half_is_nowhere_in_the_database(db: Database, folder: Path, database_url: str) -> None:
    key = await open_keyring(db, Keyring(folder))
    await rotate(db, Keyring(folder))
    private = [key.pem(), Keyring(folder).current().pem()]
    tables = await db.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")

    text = ""
    for row in tables:
        found = await db.fetch(f'SELECT "{row["tablename"]}"::text AS line FROM "{row["tablename"]}"')
        text += "".join(each["line"] for each in found)

    assert key.public.hex() in text  # what is looked for would be found
    for pem in private:
        seed = load_pem_private_key(pem, None).private_bytes_raw()
        assert seed.hex() not in text
        assert pem.splitlines()[1].decode() not in text
        assert pem.hex() not in text


async def run(database_url: str, folder: Path, *arguments: str) -> int:
    """Run a command, which has an event loop of its own."""
    url = as_service(database_url)
    return await asyncio.to_thread(command.run, arguments, database_url=url, folder=folder)


async def test_command_lists_shows_rotates_and_retires(
    database_url: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(database_url, folder, "show") == 1
    assert "There is no key" in capsys.readouterr().err
    assert await run(database_url, folder, "rotate") == 0
    first = capsys.readouterr().out.strip()
    assert await run(database_url, folder, "rotate") == 0
    new = capsys.readouterr().out.strip()
    assert await run(database_url, folder, "show") == 0
    assert capsys.readouterr().out == Keyring(folder).current().public_pem().decode()
    assert await run(database_url, folder, "list") == 0
    listed = capsys.readouterr().out
    [mine] = [line for line in listed.splitlines() if "this machine's" in line]
    assert mine.split()[:2] == [new, "active"]
    assert [line.split()[0] for line in listed.splitlines() if "retiring" in line] == [first]
    assert await run(database_url, folder, "retire", first[:16]) == 0
    assert "is retired since" in capsys.readouterr().out
    assert await run(database_url, folder, "retire", "") == 1
    assert await run(database_url, folder, "retire", new) == 1
    assert "rotate" in capsys.readouterr().err
    assert "PRIVATE" not in listed
