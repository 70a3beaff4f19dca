"""Hold claims against a document: supported, contradicted or not found, with the words that decide."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from affidavit.engine.model import ModelRequest, answers_of, ask, outstanding, token_count
from affidavit.engine.operations.ask import passages_text
from affidavit.engine.operations.port import Context, Finished, Replies
from affidavit.engine.operations.shapes.ask import AnswerSource
from affidavit.engine.operations.shapes.check_claims import (
    CheckClaimsOutcome,
    CheckClaimsParameters,
    CheckedClaim,
    Verdict,
)
from affidavit.engine.spec import Limits
from affidavit.engine.stages.answers.evidence import borne_out, cited
from affidavit.engine.stages.answers.reader import Reader
from affidavit.engine.stages.claims.fact import read_claim
from affidavit.engine.stages.claims.judge import judge
from affidavit.engine.stages.passages.terms import terms_of

PASSAGES_EACH: Final = 12  # that a model is shown for one claim
CLAIMS_AT_ONCE: Final = 8  # in one request
OVERHEAD_TOKENS: Final = 1000
MODEL_ALONE, MODEL_DENIES = 72, 62  # confidence in a model's verdict that the rules did not reach
BOTH_SURE: Final = 96
DOUBTED: Final = 0.6
UNSUPPORTED: Final = 0.85  # of a confidence, when a model finds nothing where the rules did

TASK: Final = """\
Judge each claim by the passages of the document, and by nothing else you know.
supported: a passage says it. contradicted: a passage says another value of the same thing, or the opposite.
not_found: anything else, also when it is likely; a wrong verdict is worse than not_found.
Give as quotes the words of the passages that decide, copied letter by letter; none for not_found.

Claims:
{claims}"""

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "verdicts": {
            "type": "array",
            "maxItems": CLAIMS_AT_ONCE,
            "items": {
                "type": "object",
                "properties": {
                    "claim": {"type": "integer", "minimum": 1, "maximum": CLAIMS_AT_ONCE},
                    "verdict": {"enum": [verdict.value for verdict in Verdict]},
                    "quotes": {
                        "type": "array",
                        "maxItems": 3,
                        "items": {"type": "string", "maxLength": 1000},
                    },
                },
                "required": ["claim", "verdict", "quotes"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["verdicts"],
    "additionalProperties": False,
}


def prompts(
    context: Context, parameters: CheckClaimsParameters, replies: Replies
) -> tuple[ModelRequest, ...]:
    """Return what a model is to be asked: some claims at a time over the passages near them."""
    return outstanding(_requests(Reader(context.document), parameters, context.spec.limits), tuple(replies))


def run(context: Context, parameters: CheckClaimsParameters, replies: Replies) -> Finished:
    """Judge every claim."""
    reader = Reader(context.document)
    checked = [_by_rules(reader, claim) for claim in parameters.claims]
    if replies:
        requests = _requests(reader, parameters, context.spec.limits)
        for start, request in zip(range(0, len(checked), CLAIMS_AT_ONCE), requests, strict=False):
            value = answers_of([request], tuple(replies))[request.id].value
            for each in (value or {}).get("verdicts", ()):
                at = start + each["claim"] - 1
                if at < len(checked):
                    checked[at] = _combined(reader, checked[at], each)
    counts = Counter(each.verdict for each in checked)
    return Finished(
        CheckClaimsOutcome(
            claims=tuple(checked),
            supported=counts[Verdict.SUPPORTED],
            contradicted=counts[Verdict.CONTRADICTED],
            not_found=counts[Verdict.NOT_FOUND],
        )
    )


def _by_rules(reader: Reader, claim: str) -> CheckedClaim:
    judgement = judge(reader, read_claim(claim))
    return CheckedClaim(
        claim=claim,
        verdict=judgement.verdict,
        confidence=round(100 * judgement.confidence),
        citations=judgement.citations,
    )


def _requests(reader: Reader, parameters: CheckClaimsParameters, limits: Limits) -> list[ModelRequest]:
    requests = []
    for start in range(0, len(parameters.claims), CLAIMS_AT_ONCE):
        claims = parameters.claims[start : start + CLAIMS_AT_ONCE]
        listed = "\n".join(f"{n}. {claim}" for n, claim in enumerate(claims, start=1))
        task = TASK.format(claims=listed)
        near = [
            ranked.passage
            for claim in claims
            for ranked in reader.index.rank([term.stem for term in terms_of(claim)], PASSAGES_EACH)
        ]
        once = list({each.number: each for each in near}.values())
        room = limits.model_context_tokens - limits.model_reply_tokens - OVERHEAD_TOKENS - token_count(task)
        text = passages_text(once, room)
        requests.append(ask(f"claims-{start}", task, text, SCHEMA, max_tokens=limits.model_reply_tokens))
    return requests


def _combined(reader: Reader, rules: CheckedClaim, said: dict[str, Any]) -> CheckedClaim:
    """Return the verdict of both paths. A model's verdict counts only with a quote that the document has."""
    verdict = Verdict(said["verdict"])
    citations = cited(reader, said["quotes"])
    is_decided = rules.verdict is not Verdict.NOT_FOUND
    if verdict is Verdict.NOT_FOUND or not citations:
        lowered = round(rules.confidence * UNSUPPORTED)
        return rules.model_copy(update={"confidence": lowered}) if is_decided else rules
    if is_decided and verdict is rules.verdict:
        return rules.model_copy(
            update={"confidence": max(rules.confidence, BOTH_SURE), "source": AnswerSource.BOTH}
        )
    if is_decided:
        return rules.model_copy(update={"confidence": round(rules.confidence * DOUBTED)})
    if verdict is Verdict.SUPPORTED and not borne_out(rules.claim, [each.quote for each in citations]):
        return rules
    return CheckedClaim(
        claim=rules.claim,
        verdict=verdict,
        confidence=MODEL_ALONE if verdict is Verdict.SUPPORTED else MODEL_DENIES,
        citations=citations,
        source=AnswerSource.MODEL,
    )
