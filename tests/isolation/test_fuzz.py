"""Whatever a stranger sends, generated from the description of the API, nothing of another's comes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from affidavit.app import create_app
from tests.api.conftest import Api, Hand, settings_for
from tests.isolation import control
from tests.isolation.belongings import SECRET_WORD, Belongings, make
from tests.isolation.conftest import GENEROUS
from tests.isolation.identifiers import DOCUMENT, MISSING
from tests.isolation.rows import contents

EXAMPLES = 250
SERVER_ERROR = 500


@dataclass(frozen=True)
class Attack:
    """A served application, the key of a stranger, and what it must never see."""

    url: str
    key: str
    theirs: Belongings


@pytest.fixture
def attack(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Attack]:
    if control.is_off(control.FORCED_RLS):
        pytest.skip("the application refuses to start without forced row-level security")
    app = create_app(settings_for(database_url, redis_url, tmp_path, sync_wait_seconds=0.05, **GENEROUS))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    loop = server.servers[0].get_loop()
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        key, theirs = asyncio.run_coroutine_threadsafe(prepare(app, url), loop).result()
        yield Attack(url, key, theirs)
    finally:
        server.should_exit = True
        thread.join()


async def prepare(app: Any, url: str) -> tuple[str, Belongings]:
    """Give the owner everything, and return a stranger's key."""
    async with httpx.AsyncClient(base_url=url) as client:
        anybody = Api(app, client)
        theirs = await make(await anybody.as_key("owner"), Hand(anybody.services), SECRET_WORD)
        stranger = await anybody.services.accounts.create_key("stranger", "fuzz")
    return stranger.text, theirs


def ids_in(case: Any, theirs: Belongings, draw: Any) -> set[str]:
    """Put the owner's ids where the route takes one, and return those that were put."""
    put = set()
    for name in case.path_parameters or {}:
        if name in MISSING:
            case.path_parameters[name] = draw(st.sampled_from(theirs.ids[name]))
            put.add(case.path_parameters[name])
    return put


def test_stranger_that_names_anothers_objects_in_all_it_sends_sees_and_changes_nothing(
    attack: Attack, database_url: str
) -> None:
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.config.update(base_url=attack.url)
    before = asyncio.run(contents(database_url))
    answered: list[int] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=schema.as_strategy(), data=st.data())
    def fuzz(case: Any, data: Any) -> None:
        put = ids_in(case, attack.theirs, data.draw)
        answer = case.call(headers={"Authorization": f"Bearer {attack.key}"})
        answered.append(answer.status_code)
        assert answer.status_code < SERVER_ERROR or answer.status_code == 503, answer.text
        assert not put or answer.status_code >= 400, (case.method, case.path, answer.text)
        seen = answer.content.decode("utf-8", "replace")
        for said in put:  # the path comes back in `instance`, as the stranger itself has written it
            seen = seen.replace(said, "")
        assert SECRET_WORD not in seen
        assert not [each for each in attack.theirs.everything() - put if each in seen]

    fuzz()

    assert len(answered) >= EXAMPLES // 2
    assert {200, 404} <= set(answered)
    after = asyncio.run(contents(database_url))
    for table, rows in before.items():
        assert set(rows) <= set(after[table]), f"{table}: rows of the owner were changed"
