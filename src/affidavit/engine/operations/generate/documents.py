"""Make a shape from a document: labelled values become properties, headed groups objects, tables arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from affidavit.engine.operations.generate.naming import distinct, name_of
from affidavit.engine.operations.generate.pairs import Pair, concept_of, doubled, find_pairs, type_with
from affidavit.engine.operations.generate.shape import Shape, leaf
from affidavit.engine.operations.generate.typing import TEXT, type_of, type_of_column
from affidavit.engine.operations.shapes.generate import GenerateParameters
from affidavit.engine.result import Cell, Document, Table
from affidavit.engine.stages.fields.view import Token, View
from affidavit.engine.stages.values.folding import squash

MOST_TABLES: Final = 60
MOST_COLUMNS: Final = 30
MIN_COLUMNS: Final = 2
MIN_GROUP: Final = 2  # values under a heading that make an object of it
MOST_CELLS: Final = 400  # rows of a table that are looked at
LINE_CONCEPTS: Final = 2  # columns known from business documents that make rows line items


@dataclass(slots=True)
class Found:
    """The shape of a document, and the words that each property is named after, by its path."""

    shape: Shape
    places: dict[tuple[str, ...], tuple[str, tuple[Token, ...]]] = field(default_factory=dict)


def shape_of_document(document: Document, view: View, parameters: GenerateParameters) -> Found:
    """Return the shape of what a document states."""
    tables = [table for page in document.pages for table in page.tables][:MOST_TABLES]
    lists = [table for table in tables if _is_list(table)] if parameters.tables else []
    pairs = find_pairs(view, lists)
    repeated = doubled(pairs)
    single = [pair for pair in pairs if squash(pair.label) not in repeated]
    found = Found(Shape(frozenset({"object"})))
    properties: dict[str, Shape] = {}
    taken: set[str] = set()
    groups = _groups(single) if parameters.sections else {}
    loose = [pair for pair in single if pair.section not in groups]
    _add_pairs(loose, properties, taken, (), found)
    for section, members in groups.items():
        _add_group(section, members, properties, taken, found)
    for table in lists:
        _add_table(table, view, properties, taken, found)
    found.shape = Shape(frozenset({"object"}), properties=properties, required=frozenset(properties))
    return found


def _groups(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    """Return the values under each heading that has several; one heading alone is the document's own."""
    by_section: dict[str, list[Pair]] = {}
    for pair in pairs:
        if pair.section:
            by_section.setdefault(pair.section, []).append(pair)
    groups = {section: found for section, found in by_section.items() if len(found) >= MIN_GROUP}
    return groups if len(groups) > 1 else {}


def _add_group(
    section: str, members: Sequence[Pair], properties: dict[str, Shape], taken: set[str], found: Found
) -> None:
    name = distinct(name_of(section), taken, "section")
    inside: dict[str, Shape] = {}
    _add_pairs(members, inside, set(), ("properties", name), found)
    properties[name] = Shape(
        frozenset({"object"}), labels=(section,), properties=inside, required=frozenset(inside)
    )


def _add_pairs(
    pairs: Sequence[Pair],
    properties: dict[str, Shape],
    taken: set[str],
    path: tuple[str, ...],
    found: Found,
) -> None:
    known: set[str] = set()
    for pair in pairs:
        if squash(pair.label) in known:
            continue
        known.add(squash(pair.label))
        concept = pair.concept if pair.concept not in taken else None
        name = distinct(concept or name_of(pair.label), taken, "field")
        kind = type_with(pair.concept, type_of(pair.value, pair.label))
        properties[name] = leaf(kind.type, kind.format, pair.label)
        found.places[(*path, "properties", name)] = pair.label, pair.tokens


def _is_list(table: Table) -> bool:
    """Tell whether a table lists things: named columns, and rows under them."""
    names, rows = _columns(table)
    if len(names) < MIN_COLUMNS or not rows:
        return False
    # Two columns of which the first names the second are labelled values, row by row.
    return len(names) > MIN_COLUMNS or (len(rows) > 1 and any(cell.header for cell in table.cells))


def _columns(table: Table) -> tuple[list[str], list[list[str]]]:
    """Return the names of a table's columns and its rows of texts; none when no row names them."""
    rows = _rows(table)
    count = _header_rows(table)
    if not count or len(rows) <= count:
        return [], []
    heads = rows[:count]
    names = [
        " ".join(dict.fromkeys(row[at].strip() for row in heads if row[at].strip()))
        for at in range(len(rows[0]))
    ]
    named = sum(any(map(str.isalpha, name)) for name in names)
    return (names, rows[count:]) if named >= max(MIN_COLUMNS, 0.6 * len(names)) else ([], [])


def _rows(table: Table) -> list[list[str]]:
    columns = min(table.columns, MOST_COLUMNS)
    rows = [[""] * columns for _ in range(min(table.rows, MOST_CELLS))]
    for cell in table.cells:
        for at in range(cell.column, min(columns, cell.column + cell.column_span)):
            if cell.row < len(rows):
                rows[cell.row][at] = cell.text.replace("\n", " ")
    return rows


def _header_rows(table: Table) -> int:
    """Return how many rows at the top name the columns: those marked, else the first if it holds no value."""
    marked = {cell.row for cell in table.cells if cell.header}
    count = 0
    while count in marked:
        count += 1
    if count:
        return min(count, 3)
    first = [cell for cell in table.cells if cell.row == 0 and cell.text.strip()]
    return int(len(first) >= MIN_COLUMNS and all(_names(cell) for cell in first))


def _names(cell: Cell) -> bool:
    return type_of(cell.text) == TEXT and any(map(str.isalpha, cell.text))


def _add_table(table: Table, view: View, properties: dict[str, Shape], taken: set[str], found: Found) -> None:
    names, rows = _columns(table)
    columns: dict[str, Shape] = {}
    used: set[str] = set()
    places: dict[str, tuple[str, tuple[Token, ...]]] = {}
    for at, label in enumerate(names):
        if not any(map(str.isalpha, label)):
            continue
        concept = concept_of(label, in_line=True)
        known = concept if concept and concept not in used else name_of(label)
        name = distinct(known, used, "column")
        kind = type_with(concept, type_of_column([row[at] for row in rows], label))
        columns[name] = leaf(kind.type, kind.format, label)
        places[name] = label, _header_tokens(table, view, at)
    if len(columns) < MIN_COLUMNS or _is_known(columns, properties):
        return
    name = distinct(_table_name(columns), taken, "rows")
    item = Shape(frozenset({"object"}), properties=columns)
    properties[name] = Shape(frozenset({"array"}), items=item)
    path = ("properties", name, "items", "properties")
    found.places.update({(*path, column): place for column, place in places.items()})


def _is_known(columns: dict[str, Shape], properties: dict[str, Shape]) -> bool:
    """Tell whether another table with these columns is there: a table that goes on over pages."""
    return any(
        shape.items is not None and set(shape.items.properties) == set(columns)
        for shape in properties.values()
    )


def _table_name(columns: dict[str, Shape]) -> str:
    labels = [label for shape in columns.values() for label in shape.labels]
    if any(shape.formats == {"date"} for shape in columns.values()) and any(
        squash(label) in _MONEY_MOVES for label in labels
    ):
        return "transactions"
    lines = sum(concept_of(label, in_line=True) is not None for label in labels)
    return "line_items" if lines >= LINE_CONCEPTS else "rows"


_MONEY_WORDS = """
balance saldo solde debit credit soll haben withdrawals deposits withdrawal deposit paidin paidout moneyin
moneyout amount betrag montant importe bedrag
"""
_MONEY_MOVES = frozenset(_MONEY_WORDS.split())


def _header_tokens(table: Table, view: View, column: int) -> tuple[Token, ...]:
    head = next((cell for cell in table.cells if cell.row == 0 and cell.column == column), None)
    return view.tokens_of(head.words) if head else ()
