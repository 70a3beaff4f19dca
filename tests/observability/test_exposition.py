"""Metrics are served apart from the API, and say what happened."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from affidavit.infra import metrics
from affidavit.infra.exposition import exposed

SAMPLE = re.compile(r'(affidavit_\w+|process_\w+)(\{(\w+="[^"]*",?)*\})? [-+0-9.eEinfNa]+')


@pytest.fixture
async def served() -> AsyncIterator[str]:
    async with exposed("127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}"


async def get(url: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        return await client.get(url)


async def test_metrics_are_in_the_form_that_prometheus_reads(served: str) -> None:
    answer = await get(f"{served}/metrics")

    assert answer.headers["content-type"] == metrics.CONTENT_TYPE
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    assert lines
    assert all(SAMPLE.fullmatch(line) for line in lines), lines
    assert "affidavit_task_fences_total" in answer.text
    assert "process_resident_memory_bytes" in answer.text


async def test_liveness_answers_on_the_same_address_and_nothing_else_does(served: str) -> None:
    assert (await get(f"{served}/livez")).status_code == 200
    assert (await get(f"{served}/v1/jobs")).status_code == 404


async def test_what_is_refreshed_at_a_scrape_is_in_its_answer() -> None:
    async def refresh() -> None:
        metrics.QUEUE_AGE.labels("low").set(4711.0)

    async with exposed("127.0.0.1", 0, refresh) as port:
        answer = await get(f"http://127.0.0.1:{port}/metrics")

    assert 'affidavit_queue_oldest_seconds{priority="low"} 4711.0' in answer.text


async def test_without_a_port_nothing_is_served() -> None:
    async with exposed("127.0.0.1", None) as port:
        assert port is None


async def test_an_address_that_is_taken_is_done_without() -> None:
    async with exposed("127.0.0.1", 0) as taken, exposed("127.0.0.1", taken) as port:
        assert taken is not None
        assert port is None


@pytest.mark.parametrize("sent", [b"x" * 20_000, b"POST /metrics HTTP/1.1\r\n\r\n", b"\r\n\r\n"])
async def test_what_is_no_scrape_is_turned_away_and_the_next_one_is_served(served: str, sent: bytes) -> None:
    port = int(served.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        said = await reader.read()
    except ConnectionError:  # it hung up while we still sent
        said = b""
    writer.close()

    assert b"200" not in said
    assert (await get(f"{served}/livez")).status_code == 200


def test_codes_from_behind_the_walls_cannot_make_labels_without_end() -> None:
    labels = {metrics.code_label(f"MADE_UP_{number}") for number in range(1000)}
    labels |= {metrics.code_label(text) for text in ("lower", "x" * 100, "A B", "", 'A"')}

    assert len(labels) <= 151
    assert "OTHER" in labels


def test_labels_come_from_closed_sets() -> None:
    allowed = {
        "code", "direction", "ending", "kind", "method", "operation", "outcome", "priority", "reason",
        "route", "source", "state", "status", "sweep",
    }  # fmt: skip
    for metric in metrics.declared():
        assert set(metric.labels) <= allowed, metric.name


def test_names_end_in_their_unit_and_counters_in_total() -> None:
    for metric in metrics.declared():
        assert metric.name.startswith("affidavit_")
        assert metric.text.endswith(".")
        if metric.kind == "histogram":
            assert metric.name.endswith("_seconds"), metric.name
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric.name
