"""Fill the arrays of a schema together: each from the place that fits it best, no table serving two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from affidavit.engine.schema import ArrayNode, Leaf, Node, ObjectNode, walk_leaves
from affidavit.engine.stages.fields.cell import CellReader
from affidavit.engine.stages.fields.entries import Entry, Found, Path, Record, found
from affidavit.engine.stages.fields.labelled import LabelReader
from affidavit.engine.stages.fields.labels import Hit, Phrases
from affidavit.engine.stages.fields.listing import ListReader
from affidavit.engine.stages.fields.matching import ColumnMatcher
from affidavit.engine.stages.fields.plans import Plan
from affidavit.engine.stages.fields.records import RecordFinder, Table
from affidavit.engine.stages.fields.sections import SectionReader
from affidavit.engine.stages.fields.spans import Spans
from affidavit.engine.stages.fields.view import View

SAME_ROWS = 0.5  # of a table's rows that another array has, from which it is that one's
REACH = 12  # rows over a table that may say what its rows share


@dataclass(frozen=True)
class Piece:
    """Items that stand together, the first row of the view that they take, and all of them."""

    entries: tuple[Entry, ...]
    first_row: int
    rows: frozenset[int]


class ArrayFinder:
    """Finds the items of all arrays of objects in one document."""

    def __init__(
        self,
        tables: RecordFinder,
        labels: LabelReader,
        lists: ListReader,
        sections: SectionReader,
        plans: Mapping[Path, Plan],
    ) -> None:
        self._tables = tables
        self._labels = labels
        self._lists = lists
        self._sections = sections
        self._plans = plans

    @classmethod
    def of(
        cls, view: View, spans: Spans, phrases: Phrases, hits: Sequence[Hit], plans: Mapping[Path, Plan]
    ) -> ArrayFinder:
        """Return the finder of a document's arrays with all that it looks through."""
        reader = CellReader(view, spans)
        return cls(
            RecordFinder(view, ColumnMatcher(view, spans, phrases, reader), phrases, hits),
            LabelReader(view, reader, hits),
            ListReader(view, spans),
            SectionReader(view, spans),
            plans,
        )

    def find(self, root: ObjectNode) -> dict[Path, Found]:
        """Return the items by the array's path; the best fitting array has the first choice."""
        wanted = {node.path: node for node in arrays(root) if isinstance(node.item, ObjectNode)}
        options = [(option, path) for path, node in wanted.items() for option in self._options(node)]
        options.sort(key=lambda each: -each[0].score)
        chosen: dict[Path, Found] = {}
        taken: set[int] = set()
        for option, path in options:
            if path not in chosen and len(option.rows & taken) <= SAME_ROWS * len(option.rows):
                chosen[path] = option
                taken |= option.rows
        for path, node in wanted.items():
            if path not in chosen:
                other = self._elsewhere(node, frozenset(taken))
                if other:
                    chosen[path] = other
        return chosen

    def _options(self, node: ArrayNode) -> Iterator[Found]:
        flat, inner = self._flat(node.item), [each for each in arrays(node.item) if _holds_objects(each)]
        for tables in self._tables.options(flat):
            records = (Entry(record) for table in tables for record in table.records)
            yield found(records, _rows(tables))
        for each in inner:
            yield from self._nested(node, flat, each)

    def _elsewhere(self, node: ArrayNode, taken: frozenset[int]) -> Found | None:
        """Return items in no table: blocks with labels, a plain list with amounts, or a section."""
        plans = self._flat(node.item)
        return (
            self._labels.blocks(plans, taken)
            or self._lists.items(plans)
            or self._sections.items(node, plans, taken)
        )

    def _nested(self, node: ArrayNode, flat: Sequence[Plan], inner: ArrayNode) -> Iterator[Found]:
        """Yield items whose inner items stand in tables: one table each, or beside them in one table."""
        below = self._flat(inner.item)
        for tables in self._tables.options([*flat, *below]):
            if any(plan.key in record for plan in flat for table in tables for record in table.records):
                records = [record for table in tables for record in table.records]
                yield found(_grouped(records, flat, below, inner.path), _rows(tables))
        pieces = self._headed(node, inner)
        if pieces:
            yield found((entry for piece in pieces for entry in piece.entries), _all_rows(pieces))

    def _pieces(self, node: ArrayNode) -> list[Piece]:
        """Return the tables that hold an array's items, or its inner ones'; whichever has more."""
        tables = max(self._tables.options(self._flat(node.item)), key=_worth, default=[])
        plain = [Piece(tuple(map(Entry, each.records)), each.first_row, each.rows) for each in tables]
        deeper = [self._headed(node, inner) for inner in arrays(node.item) if _holds_objects(inner)]
        return max([plain, *deeper], key=lambda pieces: len(_all_rows(pieces)))

    def _headed(self, node: ArrayNode, inner: ArrayNode) -> list[Piece]:
        """Return items that say themselves over the tables of their inner items; equal ones are one."""
        flat = self._flat(node.item)
        headed: list[tuple[Record, Piece]] = []
        end = 0
        for piece in self._pieces(inner):
            record = self._labels.between(flat, max(end, piece.first_row - REACH), piece.first_row)
            headed.append((record, piece))
            end = max(piece.rows, default=end)
        return [_joined(list(group), inner.path) for _, group in groupby(headed, key=_said)]

    def _flat(self, node: Node) -> list[Plan]:
        """Return the plans of the leaves of an item that stand in no further array."""
        depth = node.path.count("[]")
        leaves = (leaf for leaf in walk_leaves(node) if leaf.path.count("[]") == depth)
        return [self._plans[leaf.path] for leaf in leaves]


def arrays(node: Node) -> Iterator[ArrayNode]:
    """Yield the arrays that stand in no other array."""
    match node:
        case ArrayNode():
            yield node
        case ObjectNode():
            for _, child in node.children:
                yield from arrays(child)
        case Leaf():
            return


def _holds_objects(node: ArrayNode) -> bool:
    return isinstance(node.item, ObjectNode)


def _rows(tables: Sequence[Table]) -> frozenset[int]:
    return frozenset(row for table in tables for row in table.rows)


def _worth(tables: Sequence[Table]) -> float:
    return sum(each.score for table in tables for record in table.records for each in record.values())


def _all_rows(pieces: Sequence[Piece]) -> frozenset[int]:
    return frozenset(row for piece in pieces for row in piece.rows)


def _said(headed: tuple[Record, Piece]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, str(each.span.value)) for key, each in headed[0].items()))


def _joined(members: Sequence[tuple[Record, Piece]], path: Path) -> Piece:
    inside = tuple(entry for _, piece in members for entry in piece.entries)
    pieces = [piece for _, piece in members]
    return Piece((Entry(members[0][0], {path: inside}),), pieces[0].first_row, _all_rows(pieces))


def _grouped(
    records: Sequence[Record], flat: Sequence[Plan], below: Sequence[Plan], path: Path
) -> Iterator[Entry]:
    """Yield an item for each row that fills its own columns anew, with the rows under it as its items."""
    outer, inner = {plan.key for plan in flat}, {plan.key for plan in below}
    current: Record | None = None
    inside: list[Entry] = []
    for record in records:
        own = {key: each for key, each in record.items() if key in outer}
        if own and (current is None or not _repeats(own, current)):
            if current is not None:
                yield Entry(current, {path: tuple(inside)})
            current, inside = own, []
        below_it = {key: each for key, each in record.items() if key in inner}
        if below_it:
            inside.append(Entry(below_it))
    if current is not None:
        yield Entry(current, {path: tuple(inside)})


def _repeats(own: Record, current: Record) -> bool:
    return all(key in current and current[key].span.value == each.span.value for key, each in own.items())
