"""A bundle that was logged gets a timestamp, however often the authority has to be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from affidavit.doctor.finding import Level
from affidavit.doctor.timestamps import examine
from affidavit.evidence import log
from affidavit.evidence.timestamping import (
    BATCH,
    DELAYS,
    Timestamper,
    delay_after,
    read_roots,
    request_for,
)
from affidavit.infra.authority import Authority as Client
from affidavit.infra.db import Database
from affidavit.infra.keyring import SigningKey
from tests.api.conftest import settings_for
from tests.conftest import as_service
from tests.evidence.authority import Act, Authority, authority, busy, endless, garbled, replays
from tests.evidence.log_rows import ORIGIN, Rows

KEY = SigningKey.generate()
ROW = """
SELECT timestamp_token AS token, timestamped_at AS at, timestamp_due_at AS due_at, timestamp_tries AS tries,
    timestamp_error AS error, envelope FROM bundles WHERE id LIKE '%a'
"""
DUE_AGAIN = "UPDATE bundles SET timestamp_due_at = now() WHERE timestamp_due_at IS NOT NULL"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    with authority(tmp_path_factory.mktemp("tsa")) as made:
        yield made


@pytest.fixture
def tsa(served: Authority) -> Authority:
    served.script.clear()
    served.asked.clear()
    return served


@pytest.fixture
async def rows(db: Database, database_url: str) -> Rows:
    await log.origin(db, ORIGIN)
    return Rows(database_url)


@pytest.fixture
def asking(db: Database, tsa: Authority) -> Timestamper:
    return Timestamper(db, Client(tsa.url, 5), read_roots(tsa.ca_file))


async def logged(db: Database, rows: Rows, *names: str) -> None:
    await rows.seal(*names)
    await log.append_due(db, lambda: KEY, timestamped=True)


async def test_a_logged_bundle_gets_a_timestamp_that_openssl_accepts(
    db: Database, rows: Rows, tsa: Authority, asking: Timestamper
) -> None:
    await logged(db, rows, "a")

    assert await asking.ask_due() == 1

    [row] = await rows.run(ROW)
    assert tsa.verify(row["envelope"], row["token"])
    assert abs(row["at"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert (row["due_at"], row["error"]) == (None, None)
    events = await rows.run("SELECT type FROM bundle_events ORDER BY seq")
    assert [event["type"] for event in events] == ["logged", "timestamped"]


async def test_what_has_a_timestamp_is_not_asked_for_again(
    db: Database, rows: Rows, tsa: Authority, asking: Timestamper
) -> None:
    await logged(db, rows, "a")
    await asking.ask_due()

    assert await asking.ask_due() == 0
    assert len(tsa.asked) == 1


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (busy, "AUTHORITY_REFUSED"),
        (garbled, "TIMESTAMP_MALFORMED"),
        (endless, "AUTHORITY_ANSWER_TOO_LARGE"),
    ],
)
async def test_a_failure_is_kept_and_the_authority_asked_again_later(
    db: Database, rows: Rows, tsa: Authority, asking: Timestamper, act: Act, code: str
) -> None:
    await logged(db, rows, "a")
    tsa.script.append(act)

    assert await asking.ask_due() == 0
    [failed] = await rows.run(ROW)
    assert (failed["token"], failed["error"]) == (None, code)
    assert failed["due_at"] > datetime.now(UTC)
    assert await asking.ask_due() == 0  # not yet

    await rows.run(DUE_AGAIN)
    assert await asking.ask_due() == 1
    [row] = await rows.run(ROW)
    assert (row["error"], row["tries"]) == (None, 2)


async def test_an_answer_to_another_request_is_not_kept(
    db: Database, rows: Rows, tsa: Authority, asking: Timestamper
) -> None:
    await logged(db, rows, "a")
    [row] = await rows.run(ROW)
    tsa.script.append(replays(tsa.grant(request_for(row["envelope"])[0])))

    assert await asking.ask_due() == 0

    assert (await rows.run(ROW))[0]["error"] == "TIMESTAMP_OF_OTHER_REQUEST"


async def test_a_token_that_the_roots_do_not_vouch_for_is_not_kept(
    db: Database, rows: Rows, tsa: Authority
) -> None:
    await logged(db, rows, "a")

    assert await Timestamper(db, Client(tsa.url), read_roots(None)).ask_due() == 0

    assert (await rows.run(ROW))[0]["error"] == "TIMESTAMP_NOT_VOUCHED"


async def test_an_authority_that_is_away_is_asked_again_later(
    db: Database, rows: Rows, tsa: Authority
) -> None:
    await logged(db, rows, "a")

    assert await Timestamper(db, Client("http://127.0.0.1:9/tsa"), read_roots(tsa.ca_file)).ask_due() == 0

    assert (await rows.run(ROW))[0]["error"] == "AUTHORITY_UNREACHABLE"


async def test_an_authority_that_says_nothing_is_not_waited_for(
    db: Database, rows: Rows, tsa: Authority
) -> None:
    await logged(db, rows, "a")
    silent = await asyncio.start_server(lambda _reader, _writer: asyncio.Event().wait(), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]

    url = f"http://127.0.0.1:{port}/"
    assert await Timestamper(db, Client(url, 0.2), read_roots(tsa.ca_file)).ask_due() == 0

    assert (await rows.run(ROW))[0]["error"] == "AUTHORITY_TIMED_OUT"
    silent.close()


async def test_workers_share_what_is_due(
    db: Database, rows: Rows, tsa: Authority, asking: Timestamper, database_url: str
) -> None:
    await logged(db, rows, *(f"{n:02}" for n in range(BATCH + 4)))
    other = Database(as_service(database_url), pool_size=5)

    counts = await asyncio.gather(
        asking.ask_due(), Timestamper(other, asking.authority, asking.roots).ask_due()
    )

    assert sorted(counts) == [4, BATCH]
    assert len(tsa.asked) == BATCH + 4
    await other.close()


async def test_a_worker_that_dies_leaves_its_bundles_due(
    db: Database, rows: Rows, tsa: Authority, asking: Timestamper
) -> None:
    await logged(db, rows, "a")
    silent = await asyncio.start_server(lambda _reader, _writer: asyncio.Event().wait(), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/"
    dying = asyncio.create_task(Timestamper(db, Client(url, 60), asking.roots).ask_due())
    while not (await rows.run(ROW))[0]["tries"]:
        pass  # each look is a round trip, in which the other goes on
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    silent.close()

    [row] = await rows.run(ROW)
    assert row["due_at"] is not None
    await rows.run(DUE_AGAIN)
    assert await asking.ask_due() == 1


async def test_a_deleted_bundle_is_not_asked_for(
    db: Database, rows: Rows, tsa: Authority, asking: Timestamper
) -> None:
    await logged(db, rows, "a")
    await rows.bury("a")

    assert await asking.ask_due() == 0
    assert tsa.asked == []


async def test_what_is_asked_holds_a_hash_and_nothing_of_the_bundle(
    db: Database, rows: Rows, tsa: Authority, asking: Timestamper
) -> None:
    await logged(db, rows, "a")
    await asking.ask_due()

    assert len(tsa.asked[0]) < 100
    assert b"envelope" not in tsa.asked[0]


def test_pauses_grow_and_end_at_a_day() -> None:
    assert [delay_after(tries) >= delay for tries, delay in enumerate(DELAYS, 1)] == [True] * len(DELAYS)
    assert timedelta(days=1) <= delay_after(1000) <= timedelta(days=1) * 1.2


async def test_the_doctor_asks_the_authority_and_says_what_is_wrong(tsa: Authority, tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("nothing")
    wrong = {
        "AUTHORITY_UNREACHABLE": ("http://127.0.0.1:9/", tsa.ca_file),
        "TIMESTAMP_NOT_VOUCHED": (tsa.url, None),
        "roots cannot be read": (tsa.url, broken),
    }

    for told, (url, ca_file) in wrong.items():
        [found] = await examine(url, ca_file, 5)
        assert found.level is Level.FAIL
        assert told in found.what
    for url in (tsa.url, ""):
        [found] = await examine(url, tsa.ca_file, 5)
        assert found.level is Level.OK


def test_nothing_starts_with_roots_that_cannot_be_read(tsa: Authority, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="certificates in PEM"):
        settings_for(
            "postgresql://localhost/x",
            "redis://localhost",
            tmp_path,
            timestamp_url=tsa.url,
            timestamp_ca_file=tmp_path / "no.pem",
        )
