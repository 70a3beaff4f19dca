"""The sample documents of each starter template: two looks, and a scan of one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from affidavit.samples import (
    bank_statement,
    bill_of_lading,
    contract,
    customs_declaration,
    form,
    invoice,
    purchase_order,
    receipt,
    resume,
)
from affidavit.samples.sample import Sample
from affidavit.samples.scanning import scan
from affidavit.templates.starter import starters

Look = tuple[str, Callable[[], bytes], Mapping[str, Any]]

LOOKS: Final[Mapping[str, tuple[Look, Look]]] = {
    "bank_statement": (
        ("ruled", bank_statement.ruled, bank_statement.RULED),
        ("union", bank_statement.union, bank_statement.UNION),
    ),
    "bill_of_lading": (
        ("carrier", bill_of_lading.carrier, bill_of_lading.CARRIER),
        ("forwarder", bill_of_lading.forwarder, bill_of_lading.FORWARDER),
    ),
    "contract": (
        ("terms", contract.terms, contract.TERMS),
        ("schedule", contract.schedule, contract.SCHEDULE),
    ),
    "customs_declaration": (
        ("export", customs_declaration.export, customs_declaration.EXPORT),
        ("broker", customs_declaration.broker, customs_declaration.IMPORT),
    ),
    "form": (("boxes", form.boxes, form.BOXES), ("lines", form.lines, form.LINES)),
    "invoice": (("modern", invoice.modern, invoice.MODERN), ("letter", invoice.letter, invoice.LETTER)),
    "purchase_order": (
        ("boxed", purchase_order.boxed, purchase_order.BOXED),
        ("letter", purchase_order.letter, purchase_order.LETTER),
    ),
    "receipt": (("shop", receipt.shop, receipt.SHOP), ("table", receipt.table, receipt.TABLE)),
    "resume": (("sections", resume.sections, resume.SECTIONS), ("tables", resume.tables, resume.TABLES)),
}


# Which of the two looks is scanned. Of the others' scans OCR loses a digit, or the rules take the sender's
# line over an address window for the addressee: docs/templates.md says so.
_SCANNED: Final[Mapping[str, int]] = {"invoice": 0, "purchase_order": 0}


@cache
def samples_of(name: str) -> tuple[Sample, ...]:
    """Return the samples of a starter template. Raises KeyError for a name that it has not."""
    schema = starters()[name].definition.schema
    drawn = [Sample(f"{name}-{look}.pdf", draw(), schema, values) for look, draw, values in LOOKS[name]]
    chosen = drawn[_SCANNED.get(name, 1)]
    stem = chosen.filename.removesuffix(".pdf")
    return (*drawn, Sample(f"{stem}-scan.pdf", scan(chosen.data), schema, chosen.expected))
