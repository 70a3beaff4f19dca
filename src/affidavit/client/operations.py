"""Say what to do with a document: one function for each operation that takes parameters.

Each returns a Submission, for `submit`, `run` and `submit_batch`:

    result = client.run(operations.ask("contract.pdf", "When does it end?"))

What the service takes beside these goes in `more`, by its own names; see /openapi.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from affidavit.client.call import Submission
from affidavit.client.source import Source

Labels = Sequence[str | Mapping[str, Any]]


def split(source: Source, topics: Labels = (), **more: Any) -> Submission:
    """Split a packet into its documents. A topic is a name, or `{"name": ..., "description": ...}`."""
    return _submission("split", source, {"topics": _labels(topics)} if topics else {}, more)


def classify(source: Source, labels: Labels = (), **more: Any) -> Submission:
    """Say what a document is: one of your labels, or of the kinds that are known."""
    return _submission("classify", source, {"labels": _labels(labels)} if labels else {}, more)


def make_schema(source: Source, examples: Sequence[Mapping[str, Any]] = (), **more: Any) -> Submission:
    """Make a JSON Schema from a document, and from examples of the data; see `generated` of the result."""
    return _submission("schema", source, {"examples": list(examples)} if examples else {}, more)


def ask(source: Source, question: str, **more: Any) -> Submission:
    """Answer a question from a document."""
    return _submission("ask", source, {"question": question}, more)


def summarize(source: Source, **more: Any) -> Submission:
    """Summarise a document; `points` and `focus` say how long and what about."""
    return _submission("summarize", source, {}, more)


def check_claims(source: Source, claims: Sequence[str], **more: Any) -> Submission:
    """Hold claims against a document."""
    return _submission("check_claims", source, {"claims": list(claims)}, more)


def translate(source: Source, language: str, **more: Any) -> Submission:
    """Translate a document. Needs a language model."""
    return _submission("translate", source, {"language": language}, more)


def detect_form(source: Source, **more: Any) -> Submission:
    """Tell the fields of a form."""
    return _submission("forms", source, {"action": "detect"}, more)


def fill_form(source: Source, values: Mapping[str, Any], **more: Any) -> Submission:
    """Fill fields of a form, by name or label; the PDF is among the artifacts."""
    return _submission("forms", source, {"action": "fill", "values": dict(values)}, more)


def clear_form(source: Source, fields: Sequence[str] = (), **more: Any) -> Submission:
    """Clear fields of a form, all of them unless some are named."""
    return _submission("forms", source, {"action": "clear", "fields": list(fields)}, more)


def pipeline(source: Source, steps: Sequence[Mapping[str, Any]], **more: Any) -> Submission:
    """Run steps over one reading: `{"operation": ..., "for": TOPIC, ...}`."""
    return _submission("pipeline", source, {"steps": list(steps)}, more)


# The members of a Submission that are no parameters of an operation.
_ABOUT = frozenset(
    {"options", "metadata", "store", "priority", "filename", "deadline_seconds", "webhook", "schema"}
)


def _submission(
    operation: str, source: Source, parameters: Mapping[str, Any], more: Mapping[str, Any]
) -> Submission:
    about = {name: value for name, value in more.items() if name in _ABOUT}
    others = {name: value for name, value in more.items() if name not in _ABOUT}
    return Submission(operation, source, parameters={**parameters, **others}, **about)


def _labels(given: Labels) -> list[dict[str, Any]]:
    return [{"name": label} if isinstance(label, str) else dict(label) for label in given]
