"""Confidence is fitted so that it never falls with the score, and judged on authors that it has not seen."""

from __future__ import annotations

import importlib
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from affidavit.engine.result import Alternative, FieldValue
from affidavit.engine.stages.fields.calibration import Calibration, between, shipped

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def reliability(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("accuracy.reliability")


def seen(reliability, score, right, author="a", path="total"):
    return reliability.Seen(author, author, path, score, right)


def test_fitted_points_rise_and_say_how_many_were_right(reliability):
    chance = Random(3)
    values = [
        seen(reliability, score, chance.random() < score**2 / 10_000)
        for score in range(1, 100)
        for _ in range(40)
    ]

    points = reliability.fitted(values)

    shares = [share for _, share in points]
    assert shares == sorted(shares)
    assert len(points) <= reliability.MOST_POINTS
    assert all(abs(share - score**2 / 100) < 8 for score, share in points)


def test_scores_that_mislead_are_pooled_to_what_all_of_them_are_worth(reliability):
    values = [seen(reliability, 30, True)] * 50 + [seen(reliability, 90, False)] * 50

    assert [share for _, share in reliability.fitted(values)] == [50.0]


def test_expected_calibration_error_is_the_mean_gap_by_tenths(reliability):
    told = [(95, True)] * 8 + [(95, False)] * 2 + [(55, True)] * 5 + [(55, False)] * 5

    assert reliability.error(told) == pytest.approx((10 * 0.15 + 10 * 0.05) / 20)


def test_no_author_is_in_two_parts(reliability):
    values = [seen(reliability, 50, True, author) for author in "aaaabbbccd"]

    parts = reliability.parted(values, 2, Random(1))

    assert sorted(name for part in parts for name in part) == ["a", "b", "c", "d"]
    assert abs(sum(each.author in parts[0] for each in values) - 5) <= 1


def test_items_that_the_truth_does_not_list_are_not_judged(reliability):
    truth = SimpleNamespace(expected={"lines": [], "parts": [{"id": 1}], "total": None})

    known = [
        reliability.is_known(truth, SimpleNamespace(path=path))
        for path in (("lines", 0, "name"), ("parts", 3, "id"), ("total",))
    ]

    assert known == [False, True, True]


def test_score_between_two_points_lies_between_their_shares():
    points = ((40.0, 50.0), (80.0, 90.0))

    assert [between(points, score) for score in (10, 40, 60, 80, 99)] == [50, 50, 70, 90, 90]


def test_alternatives_get_at_most_what_the_chosen_value_leaves():
    field = FieldValue(value=1, confidence=80, alternatives=(Alternative(value=2, confidence=70),))

    (applied,) = Calibration(((0.0, 0.0), (100.0, 100.0)), ()).applied({"total": field}).values()

    assert (applied.confidence, applied.alternatives[0].confidence) == (80, 20)


def test_no_value_has_no_confidence():
    empty = FieldValue(value=None, confidence=0)

    assert shipped().applied({"total": empty}) == {"total": empty}


def test_points_of_the_package_rise_and_stay_within_bounds():
    for points in (shipped().header, shipped().items):
        assert [share for _, share in points] == sorted(share for _, share in points)
        assert all(0 < share < 100 for _, share in points)
