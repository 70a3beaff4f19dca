"""Sum a document up in points that each cite it: its own sentences, or a model's words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from affidavit.engine.errors import ModelLimitReached
from affidavit.engine.model import ModelRequest, answers_of, ask, outstanding, token_count
from affidavit.engine.operations.port import Context, Finished, Replies
from affidavit.engine.operations.shapes.ask import AnswerSource
from affidavit.engine.operations.shapes.summarize import (
    SummarizeOutcome,
    SummarizeParameters,
    SummaryPoint,
)
from affidavit.engine.passage import chunks_of, passages_of, spell
from affidavit.engine.result import Citation, Document
from affidavit.engine.spec import Limits
from affidavit.engine.stages.answers.evidence import borne_out, cited
from affidavit.engine.stages.answers.reader import Reader
from affidavit.engine.stages.passages.passage import PassageKind
from affidavit.engine.stages.summary.choice import choose

OVERHEAD_TOKENS: Final = 900
MODEL_SURE, MODEL_PARTLY = 80, 55  # confidence in a point with all its quotes found, and with some
LONGEST_POINT: Final = 600  # characters

TASK: Final = """\
Sum the passages up in at most {points} points, the most important ones, one sentence each, in the language of
the document. Say nothing that the passages do not say. Give with each point the words of the passages that
prove it, copied letter by letter.{focus}"""

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "points": {
            "type": "array",
            "maxItems": 50,
            "items": {
                "type": "object",
                "properties": {
                    "text": {"type": "string", "minLength": 1, "maxLength": LONGEST_POINT},
                    "quotes": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 4,
                        "items": {"type": "string", "maxLength": 1000},
                    },
                },
                "required": ["text", "quotes"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["points"],
    "additionalProperties": False,
}


def prompts(context: Context, parameters: SummarizeParameters, replies: Replies) -> tuple[ModelRequest, ...]:
    """Return what a model is to be asked: each chunk of the document. Raises ModelLimitReached."""
    return outstanding(_requests(context.document, parameters, context.spec.limits), tuple(replies))


def run(context: Context, parameters: SummarizeParameters, replies: Replies) -> Finished:
    """Sum up."""
    reader = Reader(context.document)
    if replies:
        requests = _requests(context.document, parameters, context.spec.limits)
        values = [answer.value for answer in answers_of(requests, tuple(replies)).values()]
        if values and all(value is not None for value in values):
            points, dropped = _model_points(reader, values, parameters.points)
            if points:
                return Finished(_outcome(points, AnswerSource.MODEL, dropped))
    return Finished(_outcome(list(_own_points(reader, parameters)), AnswerSource.RULES, 0))


def _outcome(points: Sequence[SummaryPoint], source: AnswerSource, dropped: int) -> SummarizeOutcome:
    return SummarizeOutcome(
        text="\n".join(f"- {point.text}" for point in points),
        points=tuple(points),
        source=source,
        dropped=dropped,
    )


def _own_points(reader: Reader, parameters: SummarizeParameters) -> Iterator[SummaryPoint]:
    for chosen in choose(reader.passages, parameters.points, parameters.focus):
        yield SummaryPoint(
            text=chosen.passage.text,
            page=chosen.passage.page,
            heading=chosen.passage.context or None,
            citations=(reader.cite(chosen.passage.tokens),),
            confidence=round(50 + 45 * min(1.0, chosen.weight)),
        )


def _requests(document: Document, parameters: SummarizeParameters, limits: Limits) -> list[ModelRequest]:
    room = limits.model_context_tokens - limits.model_reply_tokens - OVERHEAD_TOKENS
    focus = f"\nWhat matters most to the reader: {parameters.focus}" if parameters.focus else ""
    room -= token_count(focus)
    chunks = chunks_of(passages_of(document), max(room, 1))
    if len(chunks) > limits.model_requests:
        raise ModelLimitReached
    each = -(-parameters.points // max(1, len(chunks))) + (1 if len(chunks) > 1 else 0)
    task = TASK.format(points=each, focus=focus)
    return [
        ask(f"summary-{n}", task, spell(chunk), SCHEMA, max_tokens=limits.model_reply_tokens)
        for n, chunk in enumerate(chunks)
    ]


def _model_points(
    reader: Reader, values: Sequence[dict[str, Any]], most: int
) -> tuple[list[SummaryPoint], int]:
    """Return the points that the document bears out, in its order, and how many it does not."""
    kept: list[SummaryPoint] = []
    dropped = 0
    for said in (point for value in values for point in value["points"]):
        citations = cited(reader, said["quotes"])
        if citations and borne_out(said["text"], [each.quote for each in citations]):
            kept.append(_point(reader, said, citations))
        else:
            dropped += 1
    best = sorted(kept, key=lambda point: -point.confidence)[:most]
    return sorted(best, key=lambda point: (point.page or 0, point.citations[0].box[1])), dropped


def _point(reader: Reader, said: dict[str, Any], citations: tuple[Citation, ...]) -> SummaryPoint:
    words = set(citations[0].words)
    over = next(
        (
            passage.context
            for passage in reader.passages
            if passage.kind is PassageKind.SENTENCE and words & {token.word.id for token in passage.tokens}
        ),
        "",
    )
    return SummaryPoint(
        text=said["text"].strip(),
        page=citations[0].page,
        heading=over or None,
        citations=citations,
        confidence=MODEL_SURE if len(citations) == len(said["quotes"]) else MODEL_PARTLY,
    )
