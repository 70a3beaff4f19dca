"""Answer a question about a document, with the words that the answer was read from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from affidavit.engine.model import ModelRequest, answers_of, ask, outstanding, token_count
from affidavit.engine.operations.port import Context, Finished, Replies
from affidavit.engine.operations.shapes.ask import (
    AnswerPassage,
    AnswerSource,
    AnswerStatus,
    AskOutcome,
    AskParameters,
)
from affidavit.engine.operations.shapes.check_claims import Verdict
from affidavit.engine.spec import Limits
from affidavit.engine.stages.answers.answer import LEAST, Found, answer
from affidavit.engine.stages.answers.evidence import borne_out, cited
from affidavit.engine.stages.answers.question import Asked, Question, read_question
from affidavit.engine.stages.answers.reader import Reader
from affidavit.engine.stages.answers.values import TYPED, json_value, values_in
from affidavit.engine.stages.claims.fact import read_claim
from affidavit.engine.stages.claims.judge import judge
from affidavit.engine.stages.fields.view import Segment
from affidavit.engine.stages.passages.passage import Passage
from affidavit.engine.stages.values.folding import squash

NAME: Final = "ask"
SHOWN_TO_MODEL: Final = 60  # passages at most
OVERHEAD_TOKENS: Final = 900  # of the instructions and the schema
MODEL_GROUNDED, MODEL_UNGROUNDED = 78, 20  # confidence in a model's answer, with its quotes found and not
BOTH_SURE: Final = 96
DOUBTED: Final = 0.6  # what is left of a confidence when the other path says otherwise
UNGROUNDED: Final = "The language model's answer was not found in the document."
DISAGREES: Final = "The rules found another answer than the language model."

TASK: Final = """\
Answer the question from the passages of the document, and from nothing else you know.
Give the answer as short as it can be, in the document's own words where that is possible. Give as quotes the
words of the passages that prove it, copied letter by letter. If the passages do not answer the question, set
found to false and leave the rest empty: that is a good answer, a guess is a bad one.

Question: {question}"""

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "found": {"type": "boolean"},
        "answer": {"type": "string", "maxLength": 2000},
        "quotes": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 1000}},
    },
    "required": ["found", "answer", "quotes"],
    "additionalProperties": False,
}


def prompts(context: Context, parameters: AskParameters, replies: Replies) -> tuple[ModelRequest, ...]:
    """Return what a model is to be asked: the question over the nearest passages."""
    return outstanding(_requests(Reader(context.document), parameters, context.spec.limits), tuple(replies))


def run(context: Context, parameters: AskParameters, replies: Replies) -> Finished:
    """Answer, or say that the document does not."""
    reader = Reader(context.document)
    question = read_question(parameters.question)
    found = _by_rules(reader, question)
    outcome = _outcome(question, found).model_copy(
        update={"passages": tuple(_nearest(reader, question, parameters.passages))}
    )
    if replies:
        requests = _requests(reader, parameters, context.spec.limits)
        value = next(iter(answers_of(requests, tuple(replies)).values())).value if requests else None
        if value is not None:
            outcome = _combined(reader, outcome, value, strict=context.spec.options.strict)
    return Finished(outcome)


def _by_rules(reader: Reader, question: Question) -> Found | None:
    if question.asked is not Asked.YES_NO:
        return answer(reader, question)
    judgement = judge(reader, read_claim(question.text.rstrip(" ?")))
    if judgement.verdict is Verdict.NOT_FOUND or judgement.confidence < LEAST:
        return None
    is_so = judgement.verdict is Verdict.SUPPORTED
    return Found("yes" if is_so else "no", is_so, judgement.confidence, judgement.citations)


def _outcome(question: Question, found: Found | None) -> AskOutcome:
    if found is None:
        return AskOutcome(question=question.text, status=AnswerStatus.NOT_FOUND, kind=question.asked.value)
    return AskOutcome(
        question=question.text,
        status=AnswerStatus.ANSWERED,
        kind=question.asked.value,
        answer=found.text,
        value=found.value,
        confidence=round(100 * found.confidence),
        citations=found.citations,
    )


def _nearest(reader: Reader, question: Question, count: int) -> list[AnswerPassage]:
    """Return the passages nearest to the question, each place once."""
    shown: list[AnswerPassage] = []
    seen: set[str] = set()
    for ranked in reader.index.rank((*question.stems, *question.soft), 4 * count):
        key = squash(ranked.passage.text)
        if any(key in other or other in key for other in seen) or len(shown) >= count:
            continue
        seen.add(key)
        shown.append(
            AnswerPassage(
                text=ranked.passage.text,
                relevance=round(100 * ranked.coverage),
                citation=reader.cite(ranked.passage.tokens),
            )
        )
    return shown


def _requests(reader: Reader, parameters: AskParameters, limits: Limits) -> list[ModelRequest]:
    question = read_question(parameters.question)
    task = TASK.format(question=parameters.question)
    room = limits.model_context_tokens - limits.model_reply_tokens - OVERHEAD_TOKENS - token_count(task)
    text = passages_text(_for_model(reader, question), room)
    return [ask(NAME, task, text, SCHEMA, max_tokens=limits.model_reply_tokens)] if text else []


def _for_model(reader: Reader, question: Question) -> list[Passage]:
    ranked = reader.index.rank((*question.stems, *question.soft), SHOWN_TO_MODEL)
    rest = reader.passages if len(reader.passages) <= SHOWN_TO_MODEL else ()
    return list({each.number: each for each in (*(one.passage for one in ranked), *rest)}.values())


def passages_text(passages: Sequence[Passage], tokens: int) -> str:
    """Return as many of the passages, best first, as fit, in the order of the document."""
    kept: list[Passage] = []
    for passage in passages:
        tokens -= token_count(spelled(passage)) + 1
        if tokens < 0:
            break
        kept.append(passage)
    return "\n".join(map(spelled, sorted(kept, key=lambda each: each.number)))


def spelled(passage: Passage) -> str:
    """Return a passage as a model is shown it: its id, what stands over it, and its words."""
    cells = "; ".join(f"{cell.header}: {cell.segment.text}" for cell in passage.cells if cell.header)
    return f"[p{passage.page}.s{passage.number}] {cells or passage.text}"


def _combined(reader: Reader, rules: AskOutcome, value: dict[str, Any], *, strict: bool) -> AskOutcome:
    """Return the answer of both paths. A model's quote counts only when the document has it."""
    if not value["found"] or not value["answer"].strip():
        doubted = round(rules.confidence * DOUBTED)
        is_kept = rules.status is AnswerStatus.ANSWERED and doubted >= 100 * LEAST * DOUBTED * 1.3
        if is_kept:
            return rules.model_copy(update={"confidence": doubted})
        return _without_answer(rules)
    said = value["answer"].strip()
    citations = cited(reader, value["quotes"])
    is_borne = bool(citations) and borne_out(said, [citation.quote for citation in citations])
    if not is_borne:
        return _ungrounded(rules, said, strict=strict)
    agrees = rules.status is AnswerStatus.ANSWERED and _alike(said, rules.answer or "")
    if agrees:
        return rules.model_copy(
            update={"confidence": max(rules.confidence, BOTH_SURE), "source": AnswerSource.BOTH}
        )
    disagrees = rules.status is AnswerStatus.ANSWERED
    missing = len(citations) / max(1, len(value["quotes"]))
    confidence = MODEL_GROUNDED * (DOUBTED if disagrees else 1.0) * (0.5 + 0.5 * missing)
    return rules.model_copy(
        update={
            "status": AnswerStatus.ANSWERED,
            "answer": said,
            "value": _typed(reader, rules.kind, said, citations[0].words),
            "confidence": round(confidence),
            "citations": citations,
            "source": AnswerSource.MODEL,
            "notes": (DISAGREES,) if disagrees else (),
        }
    )


def _ungrounded(rules: AskOutcome, said: str, *, strict: bool) -> AskOutcome:
    """Return the rules' answer where they have one; a model's that nothing bears out only if not strict."""
    if rules.status is AnswerStatus.ANSWERED:
        return rules.model_copy(
            update={"confidence": round(rules.confidence * DOUBTED), "notes": (DISAGREES,)}
        )
    if strict:
        return _without_answer(rules).model_copy(update={"notes": (UNGROUNDED,)})
    return rules.model_copy(
        update={
            "status": AnswerStatus.ANSWERED,
            "answer": said,
            "value": said,
            "confidence": MODEL_UNGROUNDED,
            "source": AnswerSource.MODEL,
            "notes": (UNGROUNDED,),
        }
    )


def _without_answer(rules: AskOutcome) -> AskOutcome:
    return rules.model_copy(
        update={
            "status": AnswerStatus.NOT_FOUND,
            "answer": None,
            "value": None,
            "confidence": 0,
            "citations": (),
            "source": AnswerSource.MODEL,
        }
    )


def _typed(reader: Reader, kind: str, said: str, words: Sequence[str]) -> Any:
    """Return a model's answer typed, as it stands in the words that it quotes."""
    asked = Asked(kind)
    tokens = reader.view.tokens_of(words)
    if asked in TYPED and tokens:
        segment = Segment(page=tokens[0].page, row=-1, tokens=tokens)
        for value in values_in(segment, asked, reader.spans):
            if squash(value.text) in squash(said) or squash(said) in squash(value.text):
                return json_value(value.value)
    return said


def _alike(one: str, other: str) -> bool:
    mine, theirs = squash(one), squash(other)
    return bool(mine and theirs) and (mine in theirs or theirs in mine)
