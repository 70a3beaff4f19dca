"""The arithmetic of the benches, and that each of them can be started."""

from __future__ import annotations

import asyncio
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch):
    """Import a script of the folder as its neighbours do."""

    def load(name: str) -> ModuleType:
        monkeypatch.syspath_prepend(str(BENCH))
        return importlib.import_module(name)

    return load


@pytest.mark.parametrize(
    "script", ["api.py", "jobs.py", "robustness.py", "floor.py", "engine.py", "accuracy.py", "calibrate.py"]
)
def test_each_bench_says_how_it_is_called(script):
    told = subprocess.run(
        [sys.executable, str(BENCH / script), "--help"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert "usage:" in told.stdout


def test_a_ratio_pairs_each_round_with_the_floor_beside_it(module):
    figures = module("figures")

    reached = figures.ratios([50.0, 90.0, 60.0], [100.0, 100.0, 200.0])

    assert reached == figures.Spread(median=0.5, least=0.3, greatest=0.9)


def test_a_percentile_lies_between_its_neighbours(module):
    figures = module("figures")

    assert figures.percentile([30.0, 10.0, 20.0], 0.5) == 20.0
    assert figures.percentile([10.0, 20.0], 0.5) == 15.0
    assert figures.percentile([7.0], 0.99) == 7.0


def test_a_verdict_tells_a_missed_target_from_a_met_one(module):
    figures = module("figures")

    assert figures.verdict(0.5, 0.5) == "target ≥ 0.5: met"
    assert figures.verdict(0.49, 0.5) == "target ≥ 0.5: MISSED"
    assert figures.verdict(0.2, 0.1, at_most=True) == "target ≤ 0.1: MISSED"


async def test_the_load_counts_every_answer_that_is_not_a_success(module):
    load = module("load")
    statuses = iter(["200 OK", "503 Service Unavailable", "202 Accepted", "200 OK"])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(f"HTTP/1.1 {next(statuses)}\r\nContent-Length: 2\r\n\r\nok".encode())

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        outcome = await load.send(load.Load(port, 1, 10.0, 4, [load.request("GET", "/x")]))

    assert (outcome.sent, outcome.answered, outcome.errors) == (4, 3, 1)
    assert outcome.statuses == {"200": 2, "503": 1, "202": 1}


async def test_the_load_counts_a_connection_that_breaks(module):
    load = module("load")

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        outcome = await load.send(load.Load(port, 1, 10.0, 4, [load.request("GET", "/x")]))

    assert (outcome.answered, outcome.errors) == (0, 1)


def test_a_server_error_or_an_unlisted_code_is_a_violation(module, tmp_path):
    robustness = module("robustness")
    case = robustness.Case(tmp_path / "a.pdf", "a set", None)
    good = robustness.End(case, "failed", "NO_PAGES", is_documented=True, status=200, seconds=1.0)
    unlisted = robustness.End(case, "failed", "OOPS", is_documented=False, status=200, seconds=1.0)
    crash = robustness.End(case, "refused", "INTERNAL_ERROR", is_documented=True, status=500, seconds=1.0)

    found = robustness.violations([good, unlisted, crash])

    assert len(found) == 2
    assert "OOPS" in found[0]
    assert "HTTP 500" in found[1]


def test_a_set_is_read_with_its_passwords_and_classes(module, tmp_path):
    robustness = module("robustness")
    lines = [
        {"file": "a.pdf", "probe_class": "clean"},
        {"file": "b.pdf", "password": "geheim"},
        {"file": "c.pdf", "password": ""},
    ]
    (tmp_path / "truth.jsonl").write_text("\n".join(json.dumps(line) for line in lines))

    cases = robustness.read_cases(tmp_path)

    assert [case.password for case in cases] == [None, "geheim", None]
    assert cases[0].group == f"{tmp_path.name}: clean"


def test_documents_of_different_numbers_differ(module):
    reading = module("reading")

    assert reading.document(1) != reading.document(2)
