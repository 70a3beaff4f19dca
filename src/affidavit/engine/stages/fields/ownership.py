"""Say whose each value of a schema is: of a known party, of an object that describes one, or of no one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from affidavit.engine.schema import Node, ObjectNode
from affidavit.engine.schema_check import pointer
from affidavit.engine.stages.fields.lexicon import ADDRESS_PARTS, PARTIES, SELLER, Kind
from affidavit.engine.stages.fields.phrases import label_key
from affidavit.engine.stages.fields.plans import Plan
from affidavit.engine.stages.values.folding import split_name

OWN_PARTY = "party:"  # before the path of an object that describes a party of its own
_OF_ADDRESS = ADDRESS_PARTS - {"name"}


def with_owners(plans: Sequence[Plan]) -> list[Plan]:
    """Return the plans with a party for the leaves that need one to be told apart.

    An object with an address describes someone, whatever it is called: its name then is the label of
    the party. An address beside one party's name is that party's.
    """
    groups: dict[tuple[str, ...], list[Plan]] = defaultdict(list)
    for plan in plans:
        groups[plan.leaf.path[:-1]].append(plan)
    owners = {path: _owner(path, group) for path, group in groups.items()}
    return [_owned(plan, owners[plan.leaf.path[:-1]]) for plan in plans]


def party_labels(plans: Sequence[Plan], root: ObjectNode) -> dict[str, str]:
    """Return the squashed labels that a schema gives its parties, and the key of each party.

    An object's title and `x-labels` name its party; its name too, where no lexicon knows the party.
    """
    nodes = {node.path: node for node in _objects(root)}
    labels: dict[str, str] = {}
    for plan in plans:
        node = nodes.get(plan.leaf.path[:-1])
        if node is None or not node.path or plan.party is None:
            continue
        own = [" ".join(split_name(node.name))] if plan.party.startswith(OWN_PARTY) else []
        for label in (*own, *node.labels, *((node.title,) if node.title else ())):
            labels.setdefault(label_key(label), plan.party)
    return labels


def _objects(node: Node) -> Iterator[ObjectNode]:
    if isinstance(node, ObjectNode):
        yield node
        for _, child in node.children:
            yield from _objects(child)


def parties_of(plans: Sequence[Plan]) -> tuple[str, ...]:
    """Return the keys of all parties that a document of this schema may name."""
    own = dict.fromkeys(plan.party for plan in plans if plan.party and plan.party.startswith(OWN_PARTY))
    return (*PARTIES, *own)


def _owner(path: tuple[str, ...], group: Sequence[Plan]) -> str | None:
    parts = {plan.concept.key for plan in group if plan.concept} & ADDRESS_PARTS
    if not parts & _OF_ADDRESS or "[]" in path:
        return None
    named = [plan.concept.key for plan in group if plan.concept and plan.concept.key in PARTIES]
    if named:
        return SELLER if SELLER in named else named[0]
    return OWN_PARTY + pointer(path) if path and parts - {"country", "city"} else None


def _owned(plan: Plan, owner: str | None) -> Plan:
    is_part = plan.concept is not None and plan.concept.key in ADDRESS_PARTS
    is_name = plan.concept is None and plan.kind is Kind.TEXT and plan.leaf.name == "name"
    if owner is None or plan.party is not None or not (is_part or is_name):
        return plan
    return replace(plan, party=owner)
