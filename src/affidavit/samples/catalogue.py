"""The sample documents of each starter template: two looks, and a scan of the second."""

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


@cache
def samples_of(name: str) -> tuple[Sample, ...]:
    """Return the samples of a starter template. Raises KeyError for a name that it has not."""
    schema = starters()[name].definition.schema
    (first, draw_first, expected_first), (second, draw_second, expected_second) = LOOKS[name]
    paper = draw_second()
    return (
        Sample(f"{name}-{first}.pdf", draw_first(), schema, expected_first),
        Sample(f"{name}-{second}.pdf", paper, schema, expected_second),
        Sample(f"{name}-{second}-scan.pdf", scan(paper), schema, expected_second),
    )
