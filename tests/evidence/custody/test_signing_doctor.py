"""What the doctor says of the key that signs: well, missing, open to others, not published, retired."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from affidavit.doctor.finding import Finding, Level
from affidavit.doctor.signing import examine
from affidavit.evidence.signing_keys import open_keyring, retire
from affidavit.infra.db import Database
from affidavit.infra.keyring import Keyring
from tests.conftest import as_service


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def set_modes(modes: dict[Path, int]) -> None:
    for path, mode in modes.items():
        path.chmod(mode)


async def findings(database_url: str, folder: Path, data_dir: Path | None = None) -> dict[str, Finding]:
    found = await examine(as_service(database_url), folder, data_dir or folder.parent)
    assert {each.part for each in found} == {"signing"}
    return {each.what: each for each in found}


async def test_a_key_that_is_published_is_well(db: Database, database_url: str, folder: Path) -> None:
    key = await open_keyring(db, Keyring(folder))

    found = await findings(database_url, folder)

    assert {each.level for each in found.values()} == {Level.OK}
    assert f"key {key.key_id[:16]}… signs and is published; 1 ever did" in found


async def test_no_key_yet_is_well_and_none_is_made(database_url: str, folder: Path) -> None:
    [found] = (await findings(database_url, folder)).values()

    assert found.level is Level.OK
    assert not Keyring(folder).peek()


async def test_a_key_before_the_first_start_is_well(database_url: str, folder: Path) -> None:
    Keyring(folder).current()

    assert {each.level for each in (await findings(database_url, folder)).values()} == {Level.OK}


async def test_a_key_that_is_not_published_is_a_warning(
    db: Database, database_url: str, folder: Path
) -> None:
    await open_keyring(db, Keyring(folder.parent / "another machine's"))
    Keyring(folder).current()

    found = await findings(database_url, folder)

    [weak] = [each for each in found.values() if each.level is not Level.OK]
    assert weak.level is Level.WARN
    assert weak.what.endswith("is not published")


async def test_a_key_that_is_retired_fails(db: Database, database_url: str, folder: Path) -> None:
    key = await open_keyring(db, Keyring(folder))
    await retire(db, key.key_id, timedelta())

    found = await findings(database_url, folder)

    [bad] = [each for each in found.values() if each.level is not Level.OK]
    assert (bad.level, bad.remedy) == (Level.FAIL, "Make another: affidavit signing-keys rotate")


@pytest.mark.parametrize(
    ("key_mode", "folder_mode", "level", "words"),
    [
        (0o640, 0o700, Level.WARN, "0001.pem has mode 640"),
        (0o600, 0o770, Level.WARN, "the folder of the keys has mode 770"),
        (0o600, 0o777, Level.WARN, "the folder of the keys has mode 777"),
        (0o604, 0o700, Level.FAIL, "is open to other users"),
    ],
)
async def test_what_is_open_to_others_is_said_with_what_to_do(
    db: Database, database_url: str, folder: Path, key_mode: int, folder_mode: int, level: Level, words: str
) -> None:
    await open_keyring(db, Keyring(folder))
    set_modes({folder / "0001.pem": key_mode, folder: folder_mode})

    found = await findings(database_url, folder)

    [bad] = [each for each in found.values() if each.level is not Level.OK]
    assert (bad.level, words in bad.what) == (level, True)
    assert bad.remedy


async def test_keys_among_the_blobs_fail(db: Database, database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "blobs" / "keys"
    await open_keyring(db, Keyring(folder))

    found = await findings(database_url, folder, tmp_path)

    assert found["the keys lie among the blobs"].level is Level.FAIL
