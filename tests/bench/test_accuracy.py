"""The bench of accuracy counts rightly: data with a score that can be reckoned by hand."""

from __future__ import annotations

import importlib
import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pymupdf
import pytest

from tests.documents import invoice_pdf

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(BENCH))
    names = ("scoring", "equality", "matching", "truth", "trial", "copies", "reading")
    return SimpleNamespace(**{name: importlib.import_module(f"accuracy.{name}") for name in names})


EXPECTED = {
    "number": "A-1",
    "date": "2026-03-01",
    "total": 119.0,
    "order": None,
    "seller": {"name": "Müller GmbH", "vat_id": None},
    "lines": [{"name": "Bolt", "quantity": 2.0}, {"name": "Nut", "quantity": 5.0}],
}
GOT = {
    "number": "A-1",
    "date": "2026-03-02",
    "total": None,
    "order": "7",
    "seller": {"name": "MÜLLER  GmbH", "vat_id": None},
    "lines": [
        {"name": "Nut", "quantity": 5.0},
        {"name": "Bolt", "quantity": 3.0},
        {"name": "Pin", "quantity": None},
    ],
}


def test_counts_of_a_document_are_those_reckoned_by_hand(bench):
    counted = bench.scoring.tally(bench.scoring.compare(EXPECTED, GOT))

    # leaves: number date total order name vat_id, 2 x 2 of items, 2 of the invented item
    # right: number, name, vat_id (null), Nut, 5, Bolt
    assert (counted.leaves, counted.right) == (12, 6)
    assert (counted.expected, counted.got, counted.values) == (8, 9, 5)
    assert counted.accuracy == pytest.approx(6 / 12)
    assert counted.precision == pytest.approx(5 / 9)
    assert counted.recall == pytest.approx(5 / 8)
    assert counted.f1 == pytest.approx(2 * 5 / (8 + 9))


def test_leaves_in_arrays_are_told_from_those_outside(bench):
    outcomes = list(bench.scoring.compare(EXPECTED, GOT))

    assert bench.scoring.tally(each for each in outcomes if each.in_array).values == 3
    assert bench.scoring.tally(each for each in outcomes if not each.in_array).values == 2


def test_the_truth_itself_scores_one_whatever_the_order_of_its_items(bench):
    turned = {**EXPECTED, "lines": EXPECTED["lines"][::-1]}

    counted = bench.scoring.tally(bench.scoring.compare(EXPECTED, turned))

    assert counted.accuracy == counted.precision == counted.recall == counted.f1 == 1.0


def test_a_document_that_failed_has_every_leaf_wrong_even_the_empty_ones(bench):
    counted = bench.scoring.tally(bench.scoring.compare(EXPECTED, bench.scoring.MISSING))

    assert (counted.leaves, counted.right, counted.got, counted.expected) == (10, 0, 0, 8)


def test_empty_data_earn_the_nulls_alone(bench):
    counted = bench.scoring.tally(bench.scoring.compare(EXPECTED, {}))

    assert (counted.right, counted.got, counted.f1) == (2, 0, 0.0)


def test_what_is_not_printed_counts_on_neither_side(bench):
    hidden = frozenset({("date",), ("lines", 0, "quantity")})

    outcomes = list(bench.scoring.compare(EXPECTED, GOT, hidden))

    assert not [each for each in outcomes if each.path in hidden]
    assert bench.scoring.tally(outcomes).leaves == 10


def test_a_hidden_item_takes_the_item_that_is_like_it_out_of_the_count(bench):
    outcomes = list(
        bench.scoring.compare({"names": ["a", "b"]}, {"names": ["b", "a"]}, frozenset({("names", 0)}))
    )

    assert [(each.expected, each.got, each.right) for each in outcomes] == [("b", "b", True)]


def test_nested_arrays_are_paired_within_their_items(bench):
    expected = {"groups": [{"id": 1, "parts": ["x", "y"]}, {"id": 2, "parts": ["z"]}]}
    got = {"groups": [{"id": 2, "parts": ["z", "q"]}, {"id": 1, "parts": ["y", "x"]}]}

    counted = bench.scoring.tally(bench.scoring.compare(expected, got))

    assert (counted.expected, counted.got, counted.values) == (5, 6, 5)


def test_pairs_have_the_greatest_sum_that_any_pairing_has(bench):
    chance = np.random.default_rng(7)
    for _ in range(200):
        gains = chance.integers(0, 4, chance.integers(1, 6, 2)).astype(float)
        short = gains if gains.shape[0] <= gains.shape[1] else gains.T
        orders = itertools.permutations(range(short.shape[1]), short.shape[0])
        best = max(sum(short[row, column] for row, column in enumerate(order)) for order in orders)

        found = bench.matching.pairs(gains)

        assert sum(gains[row, column] for row, column in found) == pytest.approx(best)
        assert len({row for row, _ in found}) == len({column for _, column in found}) == min(gains.shape)


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (119.0, 119),
        (119.0, "119.00"),
        ("2026-03-01", "2026-03-01T10:00:00Z"),
        ("DE 123 456 789", "DE123456789"),
        ("Bolt  M8\n12 x", "bolt m8 12 x"),
        ("Müller \u2013 Söhne", "MÜLLER - SÖHNE"),
        (None, None),
        (True, True),
    ],
)
def test_spellings_of_one_value_are_equal(bench, expected, got):
    assert bench.equality.same(expected, got)


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (119.0, 119.01),
        (119.0, "1,190.0"),
        ("2026-03-01", "2026-01-03"),
        ("2026-03-01", "1 March 2026"),
        ("Müller", "Muller"),
        ("GmbH Nord", "GmbHNord"),
        ("A-1", "A-l"),
        (0.0, None),
        (None, ""),
        (True, 1),
        (1, True),
        (True, "true"),
    ],
)
def test_different_values_are_not_equal(bench, expected, got):
    assert not bench.equality.same(expected, got)


def test_a_pointer_names_the_steps_to_a_leaf(bench):
    assert bench.truth.steps_of("/lines/0/a~1b") == ("lines", 0, "a/b")


def test_places_are_spelled_as_results_spell_them(bench):
    assert bench.trial.key_of(("lines", 0, "a.b")) == 'lines[0]["a.b"]'
    assert bench.trial.key_of(("seller", "name")) == "seller.name"


def test_a_poor_copy_is_the_same_for_the_same_seed_and_has_no_text(bench):
    data = invoice_pdf()

    first, again, other = (bench.copies.poor_copy(data, "a.pdf", seed) for seed in ("1", "1", "2"))

    assert first == again != other
    assert pymupdf.open(stream=first, filetype="pdf")[0].get_text().strip() == ""


def test_the_code_of_the_rules_is_not_the_code_that_reads(bench):
    assert bench.reading.code_of(("engine.stages.reading",)) != bench.reading.code_of(
        ("engine.stages.fields",)
    )
