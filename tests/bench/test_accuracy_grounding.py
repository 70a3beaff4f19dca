"""The bench judges citations by the words of the page: right, beside it, too wide, missing."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from affidavit.engine.result import Citation, Match
from tests.engine.test_ground_planted import laid_out

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(BENCH))
    names = ("grounding", "places", "scoring", "trial", "truth")
    return SimpleNamespace(**{name: importlib.import_module(f"accuracy.{name}") for name in names})


DOCUMENT = laid_out([["Total", "1.190,50", "EUR"], ["Date", "2", "March", "2026"], ["Ship", "DE136695976"]])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1190.5, "1.190,50"),
        ("1190,50", "1.190,50"),
        ("2026-03-02", "2 March 2026"),
        ("DE 136 695 976", "DE136695976"),
        ("DE", "DE136695976"),
        ("EUR", "EUR"),
        ("total 1.190", None),
        (1190.51, None),
        ("2026-03-03", None),
        ("otal", None),
    ],
)
def test_places_of_a_value_are_found_by_its_text_alone(bench, value, words):
    found = bench.places.places(DOCUMENT, value)

    assert [" ".join(word.text for word in place.words) for place in found] == ([words] if words else [])


def test_a_name_that_goes_on_in_the_next_line_of_its_column_is_one_place(bench):
    document = laid_out([["Harbour", "Northern"], ["Street", "Lights"]], columns=True)

    (place,) = bench.places.places(document, "Harbour Street")

    assert [word.id for word in place.words] == ["p1.w0", "p1.w2"]


def _cited(document, *ids, wider=0.0):
    words = [word for word in document.pages[0].words if word.id in ids]
    lefts, tops, rights, bottoms = zip(*(word.box for word in words), strict=True)
    box = (min(lefts) - wider, min(tops) - wider, max(rights) + wider, max(bottoms) + wider)
    return Citation(page=1, box=box, words=ids, range=None, quote="", match=Match.EXACT)


def _verdicts(bench, document, expected, fields):
    truth = bench.truth.Truth("set", "id", Path(), {}, expected, frozenset())
    result = SimpleNamespace(fields={key: SimpleNamespace(citations=cited) for key, cited in fields.items()})
    trial = bench.trial.Trial(truth, bench.trial.judged(truth, expected), 0.0, document, result)
    return [each.verdict for each in bench.grounding.judge([trial])]


@pytest.mark.parametrize(
    ("cited", "verdict"),
    [
        (lambda: (_cited(DOCUMENT, "p1.w1"),), "grounded"),
        (lambda: (_cited(DOCUMENT, "p1.w1", "p1.w2"),), "grounded"),
        (lambda: (_cited(DOCUMENT, "p1.w0"),), "elsewhere"),
        (lambda: (_cited(DOCUMENT, "p1.w1", wider=60),), "wide"),
        (lambda: (), "uncited"),
    ],
)
def test_a_citation_is_judged_by_what_its_box_covers(bench, cited, verdict):
    assert _verdicts(bench, DOCUMENT, {"total": 1190.5}, {"total": cited()}) == [verdict]


def test_a_value_that_no_page_prints_is_not_grounded_whatever_is_cited(bench):
    assert _verdicts(bench, DOCUMENT, {"total": 7.0}, {"total": (_cited(DOCUMENT, "p1.w1"),)}) == ["unknown"]


def test_an_equal_value_in_the_row_of_another_item_is_elsewhere(bench):
    document = laid_out([["bolt", "2"], [], ["gap"], [], ["nut", "2"]], columns=True)
    expected = {"lines": [{"name": "bolt", "quantity": 2}, {"name": "nut", "quantity": 2}]}
    fields = {
        "lines[0].name": (_cited(document, "p1.w0"),),
        "lines[0].quantity": (_cited(document, "p1.w1"),),
        "lines[1].name": (_cited(document, "p1.w3"),),
        "lines[1].quantity": (_cited(document, "p1.w1"),),
    }

    assert _verdicts(bench, document, expected, fields) == ["grounded", "grounded", "grounded", "elsewhere"]
