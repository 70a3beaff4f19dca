"""The requests of operations that take parameters: their own shapes, beside what all submissions say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union

from pydantic import BaseModel, Field, create_model

from affidavit.api.wire import AnyWebhook, ExtractItem, ItemBase, Metadata, ParseBody, ParseItem, Wire
from affidavit.engine import operations
from affidavit.engine.operations import Entry
from affidavit.engine.result import Result
from affidavit.engine.spec import Operation
from affidavit.jobs.submission import Priority


def _named(entry: Entry, what: str) -> str:
    return entry.operation.value.title().replace("_", "") + what


def _body(entry: Entry) -> type[ParseBody]:
    """Return the body of the operation's own endpoint: its parameters stand beside `source`."""
    body: type[ParseBody] = _joined(_named(entry, "Body"), ParseBody, entry.parameters)
    return body


def _item(entry: Entry) -> type[ItemBase]:
    """Return the item of a batch that asks for the operation."""
    kind: Any = Literal[entry.operation]
    item: type[ItemBase] = _joined(_named(entry, "Item"), ItemBase, entry.parameters, operation=(kind, ...))
    return item


def _joined(name: str, base: type[BaseModel], parameters: type[BaseModel], **members: Any) -> Any:
    bases: Any = (base, parameters)
    return create_model(name, __base__=bases, __doc__=parameters.__doc__, **members)


def _result(name: str, entries: Iterable[Entry], *, is_optional: bool) -> type[Result]:
    """Return what `/result` serves, with the shapes of what these operations show."""
    members: dict[str, Any] = {
        entry.member: (entry.outcome | None, None) if is_optional else (entry.outcome, ...)
        for entry in entries
    }
    return create_model(name, __base__=Result, __doc__=Result.__doc__, **members)


BODIES: Final[Mapping[Operation, type[ParseBody]]] = {
    entry.operation: _body(entry) for entry in operations.ENTRIES
}
ITEMS: Final[Mapping[Operation, type[ItemBase]]] = {
    entry.operation: _item(entry) for entry in operations.ENTRIES
}
RESULTS: Final[Mapping[Operation, type[Result]]] = {
    entry.operation: _result(_named(entry, "Result"), [entry], is_optional=False)
    for entry in operations.ENTRIES
}
ANY_RESULT: Final = _result("Result", operations.ENTRIES, is_optional=True)


def parameters_in(operation: Operation, body: BaseModel) -> dict[str, Any]:
    """Return what the body says beyond every submission, as JSON; what is default is left out."""
    entry = operations.entry_of(operation)
    if entry is None:
        return {}
    own = set(entry.parameters.model_fields)
    return body.model_dump(mode="json", by_alias=True, include=own, exclude_defaults=True)


def json_members(model: type[BaseModel]) -> frozenset[str]:
    """Return the members that no plain text can be, so that a form has to say them as JSON."""
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    return frozenset(
        name for name, described in schema["properties"].items() if not _may_be_text(described, definitions)
    )


def _may_be_text(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> bool:
    if "$ref" in schema:
        return _may_be_text(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    choices = schema.get("anyOf", ())
    return schema.get("type") == "string" or any(_may_be_text(choice, definitions) for choice in choices)


if TYPE_CHECKING:
    AnyItem = ParseItem | ExtractItem
else:
    AnyItem = Annotated[Union[ParseItem, ExtractItem, *ITEMS.values()], Field(discriminator="operation")]


class BatchBody(Wire):
    """Many submissions under one parent job; all are accepted, or none."""

    items: Annotated[
        tuple[AnyItem, ...],
        Field(min_length=1, description="The submissions. The installation's limit is in /v1/capabilities."),
    ]
    priority: Priority = Priority.NORMAL
    metadata: Metadata = Field(default_factory=dict)
    webhook: AnyWebhook = None
