"""Fill a schema with a model's help: ask, find each value that it gives, and weigh it against the rules'."""

from __future__ import annotations

from statistics import mean

from affidavit.engine.model import ModelRequest, Replies, answers_of, outstanding
from affidavit.engine.result import Document
from affidavit.engine.schema import ObjectNode, compile_schema
from affidavit.engine.spec import Spec
from affidavit.engine.stages import fields
from affidavit.engine.stages.combination import combine
from affidavit.engine.stages.conformance import check
from affidavit.engine.stages.field_tree import Tree, changed, lay_out, tree_of, without_empty
from affidavit.engine.stages.fields import Extraction
from affidavit.engine.stages.fields.extraction import grounded
from affidavit.engine.stages.model_answers import Grounder, joined
from affidavit.engine.stages.model_questions import chunks_for, requests_of


def prompts(document: Document, spec: Spec, replies: Replies) -> tuple[ModelRequest, ...]:
    """Return what a model is to be asked next. Raises ModelLimitReached."""
    root = compile_schema(spec.json_schema or {}).root
    return outstanding(requests_of(document, root, spec.limits), replies)


def combined(document: Document, spec: Spec, replies: Replies) -> Extraction:
    """Return the values of rules and model together. With `strict`, what no words speak for is null."""
    compiled = compile_schema(spec.json_schema or {})
    rules = fields.extract(document, compiled.schema)
    answered = _answered(document, compiled.root, spec, replies)
    if answered is None:
        tree = tree_of(compiled.root, rules.data, rules.fields)
    else:
        tree = combine(compiled.root, tree_of(compiled.root, rules.data, rules.fields), answered)
    if spec.options.strict:
        tree = without_empty(changed(tree, grounded))
    filled = lay_out(compiled.root, tree)
    found = [value for value in filled.fields.values() if value.value is not None]
    return Extraction(
        data=filled.data,
        fields=filled.fields,
        ungrounded_fields=tuple(
            path for path, value in filled.fields.items() if value.value is not None and not value.citations
        ),
        schema_violations=check(filled.data, compiled.schema),
        confidence=round(mean(value.confidence for value in found)) if found else None,
    )


def _answered(document: Document, root: ObjectNode, spec: Spec, replies: Replies) -> Tree | None:
    """Return what the model says, found on the pages; None when nothing that it said fits."""
    requests = requests_of(document, root, spec.limits)
    answers = answers_of(requests, replies)
    grounder = Grounder(document)
    parts = [
        (grounder.tree(root, answer.value), chunk)
        for request, chunk in zip(requests, chunks_for(document, root, spec.limits), strict=True)
        if (answer := answers[request.id]).error is None
    ]
    if not parts:
        return None
    return joined(root, [tree for tree, _ in parts], [chunk for _, chunk in parts], grounder)
