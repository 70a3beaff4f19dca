"""Which slots of a worker long documents may take."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from affidavit.jobs.claim import Claim
from affidavit.jobs.slots import EXPECTED_SECONDS, Slots
from affidavit.jobs.status import TaskKind


def claim(name: str, pages: tuple[int, ...] | None = None) -> Claim:
    return Claim(
        asked_at=0,
        task_id=name,
        job_id="job",
        environment_id="env",
        kind=TaskKind.READ,
        n=1,
        attempt=1,
        failures=0,
        crashes=0,
        pages=pages,
        operation="parse",
        spec={},
        source={},
        store=True,
        priority=0,
        submitted_at=datetime.now(UTC),
        parent_id=None,
        document=None,
        sealed_password=None,
        media_type=None,
        page_count=None,
    )


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def long_taken_by(slots: Slots) -> int:
    """Take slots for batches of long documents for as long as it is allowed; return how many."""
    for n in range(slots.count):
        if slots.is_kept:
            return n
        slots.take(claim(f"long-{n}", (1, 2)))
    return slots.count


@pytest.mark.parametrize(("count", "kept"), [(1, 0), (2, 1), (8, 1), (20, 2), (64, 6)])
def test_a_share_of_the_slots_is_kept_while_short_documents_come(count: int, kept: int) -> None:
    slots = Slots(count)
    slots.saw_short()
    assert long_taken_by(slots) == count - kept
    assert slots.is_free == (kept > 0)


def test_short_documents_may_take_every_slot() -> None:
    slots = Slots(2)
    slots.saw_short()
    slots.take(claim("a"))
    assert not slots.is_kept
    slots.take(claim("b"))
    assert not slots.is_free


def test_a_long_document_alone_has_all_slots() -> None:
    assert long_taken_by(Slots(4)) == 4


def test_a_slot_is_lent_when_no_short_document_has_come_for_long() -> None:
    clock = Clock()
    slots = Slots(2, clock)
    slots.saw_short()
    slots.take(claim("long", (1,)))
    assert slots.is_kept
    clock.now += EXPECTED_SECONDS + 1
    assert not slots.is_kept


def test_a_slot_that_is_left_is_free_again() -> None:
    slots = Slots(1)
    slots.take(claim("a"))
    slots.leave(claim("a"))
    assert (slots.is_free, slots.held) == (True, set())
