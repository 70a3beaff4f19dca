"""Fill a schema with a model's help: ask, find each value that it gives, and weigh it against the rules'."""

from __future__ import annotations

from affidavit.engine.model import ModelRequest, Replies, outstanding
from affidavit.engine.result import Document
from affidavit.engine.schema import compile_schema
from affidavit.engine.spec import Spec
from affidavit.engine.stages import fields
from affidavit.engine.stages.fields import Extraction
from affidavit.engine.stages.model_questions import requests_of


def prompts(document: Document, spec: Spec, replies: Replies) -> tuple[ModelRequest, ...]:
    """Return what a model is to be asked next. Raises ModelLimitReached."""
    root = compile_schema(spec.json_schema or {}).root
    return outstanding(requests_of(document, root, spec.limits), replies)


def combined(document: Document, spec: Spec, replies: Replies) -> Extraction:
    """Return the values of rules and model together."""
    found = fields.extract(document, spec.json_schema or {}, strict=spec.options.strict)
    return found if replies else found
