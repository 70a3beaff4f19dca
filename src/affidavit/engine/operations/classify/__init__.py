"""Classify a document, and its pages, into the caller's labels or the kinds that are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from affidavit.engine.errors import model_error
from affidavit.engine.model import UNANSWERED, ModelReply, ModelRequest, answers_of, ask, outstanding
from affidavit.engine.operations.classify.evidence import PageText, read_pages
from affidavit.engine.operations.classify.scoring import Classifier, Verdict, quotes_of
from affidavit.engine.operations.kinds import KINDS
from affidavit.engine.operations.port import Context, Finished, Replies
from affidavit.engine.operations.shapes.classify import (
    UNKNOWN,
    ClassifyOutcome,
    ClassifyParameters,
    Label,
    LabelScore,
    PageClass,
    Scope,
)
from affidavit.engine.passage import chunks_of, passages_of, spell
from affidavit.engine.result import Citation, Document, Match
from affidavit.engine.stages.fields.citation import cite
from affidavit.engine.stages.fields.view import View
from affidavit.engine.stages.ground import locate

__all__ = ["classify", "prompts", "run"]

QUESTION: Final = "classify"
SHOWN: Final = 10
LEAST_SHOWN: Final = 1  # per cent
PROMPT_SHARE: Final = 0.5  # of the tokens of a request that the document may take
REPLY_TOKENS: Final = 300
AGREED: Final = 92  # per cent, at least, where a model and the rules say the same
OVERRULED: Final = 60  # where the model says otherwise; the rules' answer stays among the scores
UNPROVEN: Final = 45  # where its quote is not in the document

_TASK = """\
Say which one of these classes the document belongs to:
{labels}
Give the name of the class, and a short quote, word for word from the document, that shows it.
If it belongs to none of them, answer "{unknown}"."""


def run(context: Context, parameters: ClassifyParameters, replies: Replies) -> Finished:
    """Classify by rules, and by a model's answer where there is one."""
    outcome = classify(context.document, parameters)
    requests = _requests(context, parameters) if replies else ()
    answer = answers_of(requests, tuple(replies)).get(QUESTION)
    if answer is None:
        return Finished(outcome)
    if answer.value is None:
        if context.spec.options.is_model_named:
            raise model_error(answer.error or UNANSWERED)
        return Finished(outcome)
    return Finished(_combined(context.document, outcome, answer.value))


def prompts(
    context: Context, parameters: ClassifyParameters, replies: tuple[ModelReply, ...]
) -> tuple[ModelRequest, ...]:
    """Return what a model is to be asked: one question, about the start of the document."""
    return outstanding(_requests(context, parameters), tuple(replies))


def classify(document: Document, parameters: ClassifyParameters) -> ClassifyOutcome:
    """Return the class of a document, and of each page where that is asked for, by rules."""
    view = View(document)
    texts = read_pages(view)
    classifier = Classifier(parameters.labels)
    verdict = classifier.judge(texts, allow_unknown=parameters.allow_unknown)
    label, confidence = _decided(verdict, parameters)
    return ClassifyOutcome(
        label=label,
        confidence=confidence,
        scores=_scores(verdict),
        citations=_citations(view, verdict, texts) if label != UNKNOWN else (),
        pages=_pages(view, classifier, texts, parameters) if parameters.scope is Scope.PAGE else (),
    )


def _pages(
    view: View, classifier: Classifier, texts: Sequence[PageText], parameters: ClassifyParameters
) -> tuple[PageClass, ...]:
    classes = []
    for text in texts:
        verdict = classifier.judge([text], allow_unknown=parameters.allow_unknown)
        label, confidence = _decided(verdict, parameters)
        citations = _citations(view, verdict, [text]) if label != UNKNOWN else ()
        classes.append(
            PageClass(page=text.page.number, label=label, confidence=confidence, citations=citations)
        )
    return tuple(classes)


def _decided(verdict: Verdict, parameters: ClassifyParameters) -> tuple[str, int]:
    """Return the label, or `unknown` where it is allowed and no label is likely enough."""
    is_weak = verdict.confidence < parameters.threshold
    if verdict.label != UNKNOWN and is_weak and parameters.allow_unknown:
        return UNKNOWN, 100 - verdict.confidence
    return verdict.label, verdict.confidence


def _scores(verdict: Verdict) -> tuple[LabelScore, ...]:
    shown = [
        LabelScore(label=name, confidence=round(100 * chance))
        for name, chance in verdict.chances
        if name != UNKNOWN and round(100 * chance) >= LEAST_SHOWN
    ]
    return tuple(shown[:SHOWN])


def _citations(view: View, verdict: Verdict, texts: Sequence[PageText]) -> tuple[Citation, ...]:
    return tuple(cite(view, tokens, Match.EXACT) for tokens in quotes_of(verdict, texts))


def _requests(context: Context, parameters: ClassifyParameters) -> tuple[ModelRequest, ...]:
    room = int(context.spec.limits.model_context_tokens * PROMPT_SHARE)
    chunks = chunks_of(passages_of(context.document), room)
    if not chunks:
        return ()
    labels = parameters.labels or tuple(
        Label(name=kind.key, description=", ".join(kind.names[:3])) for kind in KINDS
    )
    names = [label.name for label in labels] + [UNKNOWN] * parameters.allow_unknown
    task = _TASK.format(labels="\n".join(map(_spelled, labels)), unknown=UNKNOWN)
    return (ask(QUESTION, task, spell(chunks[0]), _reply_schema(names), max_tokens=REPLY_TOKENS),)


def _spelled(label: Label) -> str:
    words = f" Its documents say: {', '.join(label.labels)}." if label.labels else ""
    return f"- {label.name}: {label.description}{words}"


def _reply_schema(names: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"class": {"enum": list(dict.fromkeys(names))}, "quote": {"type": "string"}},
        "required": ["class", "quote"],
        "additionalProperties": False,
    }


def _combined(document: Document, rules: ClassifyOutcome, value: dict[str, str]) -> ClassifyOutcome:
    """Lay a model's answer over the rules': agreement raises confidence, dissent lowers it."""
    label, quote = value["class"], value["quote"]
    if label == rules.label:
        return rules.model_copy(update={"source": "both", "confidence": max(AGREED, rules.confidence)})
    citation = locate(document, quote) if quote.strip() else None
    is_proven = citation is not None or label == UNKNOWN
    return rules.model_copy(
        update={
            "label": label,
            "confidence": OVERRULED if is_proven else UNPROVEN,
            "citations": (citation,) if citation else (),
            "source": "model",
            "notes": (*rules.notes, f"The rules say '{rules.label}' ({rules.confidence})."),
        }
    )
