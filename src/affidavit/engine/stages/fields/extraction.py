"""Run the rules over a document: find labels and items, weigh candidates, assign, lay out, check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import mean
from typing import Any

from affidavit.engine.result import Alternative, Document, FieldValue, SchemaViolation
from affidavit.engine.schema import (
    CompiledSchema,
    Leaf,
    compile_schema,
)
from affidavit.engine.schema_check import Schema
from affidavit.engine.stages.conformance import check
from affidavit.engine.stages.fields.arithmetic import completed, favour_sums
from affidavit.engine.stages.fields.arrays import ArrayFinder, arrays
from affidavit.engine.stages.fields.assembly import Item, Items, fill
from affidavit.engine.stages.fields.assignment import assign
from affidavit.engine.stages.fields.belonging import Belonging
from affidavit.engine.stages.fields.calibration import Calibration, shipped
from affidavit.engine.stages.fields.candidates import Candidate, Finder
from affidavit.engine.stages.fields.citation import cite, match_of
from affidavit.engine.stages.fields.confidence import confidence_of
from affidavit.engine.stages.fields.entries import Entry, Found, Path
from affidavit.engine.stages.fields.headlines import find_headlines, issuer_of
from affidavit.engine.stages.fields.labels import find_labels, phrases_of
from affidavit.engine.stages.fields.lexicon import LINE_AMOUNT, PREPAID, Kind
from affidavit.engine.stages.fields.ownership import parties_of, party_labels, with_owners
from affidavit.engine.stages.fields.plans import Plan, plan_leaf
from affidavit.engine.stages.fields.scalars import scalar_items
from affidavit.engine.stages.fields.sources import Sources
from affidavit.engine.stages.fields.spans import Span, Spans, convert
from affidavit.engine.stages.fields.view import View
from affidavit.engine.stages.fields.weighing import Weigher, with_shared

PERSONAL = frozenset({Kind.VAT_ID, Kind.IBAN, Kind.EMAIL, Kind.PHONE})
MOST_AMOUNTS = 200  # that are tried in a sum
CLEARLY_MONEY = 0.9
ALTERNATIVES = 2


@dataclass(frozen=True, slots=True)
class Extraction:
    """What the rules made of a document.

    `data` follows the schema; `fields` has an entry per leaf of it, keyed by its path in `data`.
    `ungrounded_fields` are the paths of values without a citation. `confidence` is the mean over
    the leaves that have a value, None when none has.
    """

    data: Any
    fields: dict[str, FieldValue]
    ungrounded_fields: tuple[str, ...]
    schema_violations: tuple[SchemaViolation, ...]
    confidence: int | None


def extract(
    document: Document, schema: Schema, *, strict: bool = False, calibration: Calibration | None = None
) -> Extraction:
    """Fill `schema` from `document`. With `strict`, a value without a citation becomes null.

    `calibration` turns scores into confidence; without one, the one that is shipped.
    Raises SchemaInvalid for a schema that `compile_schema` refuses.
    """
    compiled = compile_schema(schema)
    values, items = _Rules(document, compiled).run()
    if strict:
        values = {path: grounded(value) for path, value in values.items()}
    filled = fill(compiled.root, values, items)
    fields = (calibration or shipped()).applied(filled.fields)
    found = [value for value in fields.values() if value.value is not None]
    return Extraction(
        data=filled.data,
        fields=fields,
        ungrounded_fields=tuple(
            path for path, value in fields.items() if value.value is not None and not value.citations
        ),
        schema_violations=check(filled.data, schema),
        confidence=round(mean(value.confidence for value in found)) if found else None,
    )


def grounded(value: FieldValue) -> FieldValue:
    """Return the value if words speak for it, else no value."""
    return value if value.citations else FieldValue(value=None, confidence=0)


class _Rules:
    """One document and one schema, with all that was found on the way."""

    def __init__(self, document: Document, compiled: CompiledSchema) -> None:
        self._compiled = compiled
        plans = with_owners([plan_leaf(leaf) for leaf in compiled.leaves])
        self._plans = {plan.key: plan for plan in plans}
        self._view = View(document)
        self._spans = Spans(self._view)
        phrases = phrases_of(plans, party_labels(plans, compiled.root))
        self._hits = find_labels(self._view, phrases)
        self._by_path = {plan.leaf.path: plan for plan in plans}
        self._arrays = ArrayFinder.of(self._view, self._spans, phrases, self._hits, self._by_path)
        headlines = find_headlines(self._view, self._spans)
        self._belonging = Belonging(self._view, self._hits, parties_of(plans), issuer_of(headlines))
        self._sources = Sources(self._view, self._spans, self._belonging, headlines)

    def run(self) -> tuple[dict[Path, FieldValue], Items]:
        items = self._arrays.find(self._compiled.root)
        used_rows = frozenset(row for found in items.values() for row in self._rows_up_to_last(found))
        finder = Finder(self._view, self._spans, self._hits, used_rows)
        plans = {key: plan for key, plan in self._plans.items() if not plan.leaf.repeats}
        weigher = Weigher(self._view, finder, self._sources, self._belonging)
        options = {key: weigher.options(plan) for key, plan in plans.items()}
        options = favour_sums(plans, options, self._amounts(), self._line_sum(items))
        whole = completed(plans, assign(options), self._clear_amounts())
        chosen = distinct_parties(plans, with_shared(plans, options, whole))
        values = {
            plans[key].leaf.path: self._value(plans[key], candidate, options[key])
            for key, candidate in chosen.items()
        }
        return values, self._items(items, finder)

    def _value(self, plan: Plan, chosen: Candidate, options: Sequence[Candidate]) -> FieldValue:
        value = written(plan, chosen)
        others = [each for each in options if each.span.value != chosen.span.value][:ALTERNATIVES]
        return FieldValue(
            value=value,
            confidence=confidence_of(chosen, options),
            citations=(cite(self._view, chosen.span.tokens, match_of(value, chosen.span.text)),),
            alternatives=tuple(self._alternative(plan, each) for each in others),
        )

    def _alternative(self, plan: Plan, candidate: Candidate) -> Alternative:
        value = written(plan, candidate)
        return Alternative(
            value=value,
            confidence=confidence_of(candidate, ()) // 2,
            citations=(cite(self._view, candidate.span.tokens, match_of(value, candidate.span.text)),),
        )

    def _rows_up_to_last(self, items: Found) -> frozenset[int]:
        """Return the items' rows as far as their values go: what follows is free to be a header field."""
        spans = (each.span for entry in items.entries for each in entry.candidates())
        ends = [row for span in spans if (row := self._view.row_of(span.tokens[-1])) is not None]
        return frozenset(row for row in items.rows if row <= max(ends, default=-1))

    def _amounts(self) -> frozenset[Decimal]:
        """Return the amounts with cents or a currency that the last pages print."""
        return frozenset(span.value for span in self._clear_amounts())

    def _clear_amounts(self) -> list[Span]:
        spans = self._spans.all(Kind.MONEY)[-MOST_AMOUNTS:]
        return [span for span in spans if span.fit >= CLEARLY_MONEY]

    def _line_sum(self, items: Mapping[Path, Found]) -> Decimal | None:
        """Return what the items' amounts add up to, None when they have none."""
        amount = next((key for key, plan in self._plans.items() if _is_line_amount(plan)), "")
        for found in items.values():
            amounts = [entry.record[amount].span.value for entry in found.entries if amount in entry.record]
            if amounts:
                return sum((each for each in amounts if isinstance(each, Decimal)), Decimal(0))
        return None

    def _items(self, found: Mapping[Path, Found], finder: Finder) -> Items:
        items: dict[Path, list[Item]] = {
            path: [self._item(entry) for entry in each.entries] for path, each in found.items()
        }
        for array in arrays(self._compiled.root):
            if isinstance(array.item, Leaf):
                leaf = array.item
                plan = self._by_path[leaf.path]
                values = scalar_items(plan, finder, self._sources)
                items[array.path] = [Item({leaf.path: self._value(plan, each, ())}) for each in values]
        return items

    def _item(self, entry: Entry) -> Item:
        values = {
            self._plans[key].leaf.path: self._value(self._plans[key], each, ())
            for key, each in entry.record.items()
        }
        inner = {path: [self._item(each) for each in entries] for path, entries in entry.arrays.items()}
        return Item(values, inner)


def _is_line_amount(plan: Plan) -> bool:
    return plan.leaf.is_in_item and plan.concept is not None and plan.concept.key == LINE_AMOUNT


def distinct_parties(plans: Mapping[str, Plan], chosen: Mapping[str, Candidate]) -> dict[str, Candidate]:
    """Drop the weaker of two equal values of different parties: no two have one VAT number or account."""
    kept: dict[str, Candidate] = {}
    owners: dict[tuple[str, str], str] = {}
    for key, candidate in sorted(chosen.items(), key=lambda item: -item[1].score):
        plan = plans[key]
        if plan.party and plan.kind in PERSONAL:
            owner = owners.setdefault((plan.kind, str(candidate.span.value)), plan.party)
            if owner != plan.party:
                continue
        kept[key] = candidate
    return kept


def written(plan: Plan, candidate: Candidate) -> Any:
    """Return a candidate's value as the leaf wants it; what was paid before is an amount, not a deduction."""
    value = convert(candidate.span.value, plan.leaf, candidate.span.text)
    is_paid = plan.concept is not None and plan.concept.key == PREPAID
    return abs(value) if is_paid and isinstance(value, int | float) else value
