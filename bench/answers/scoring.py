"""Score answers and verdicts, ours and a baseline's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from affidavit.engine.model import Replies
from affidavit.engine.operations import ask, check_claims
from affidavit.engine.operations.port import Context
from affidavit.engine.operations.shapes.ask import AskParameters
from affidavit.engine.operations.shapes.check_claims import CheckClaimsParameters, Verdict
from affidavit.engine.stages.answers.reader import Reader
from affidavit.engine.stages.claims.fact import is_negated
from affidavit.engine.stages.passages.passage import PassageKind
from affidavit.engine.stages.passages.terms import terms_of
from affidavit.engine.stages.values.folding import squash

NO_REPLIES: Replies = ()

Answering = Callable[[Context, str], str | None]
Judging = Callable[[Context, str], str]


def our_answer(context: Context, question: str) -> str | None:
    outcome = ask.run(context, AskParameters(question=question), NO_REPLIES).outcome
    return outcome.answer  # type: ignore[attr-defined, no-any-return]


def best_sentence(context: Context, question: str) -> str | None:
    """Return the baseline's answer: the sentence or row that BM25 puts first, if any word meets."""
    ranked = _ranked(context, question)
    return ranked[0] if ranked else None


def our_verdict(context: Context, claim: str) -> str:
    outcome = check_claims.run(context, CheckClaimsParameters(claims=(claim,)), NO_REPLIES).outcome
    return str(outcome.claims[0].verdict.value)  # type: ignore[attr-defined]


def verdict_of_best_sentence(context: Context, claim: str) -> str:
    """Return the baseline's verdict: by the numbers and the negation of the best sentence."""
    ranked = _ranked(context, claim)
    if not ranked:
        return Verdict.NOT_FOUND
    mine, other = _numbers(claim), _numbers(ranked[0])
    if mine and not other:
        return Verdict.NOT_FOUND
    agrees = mine <= other and is_negated(claim) == is_negated(ranked[0])
    return Verdict.SUPPORTED if agrees else Verdict.CONTRADICTED


def _ranked(context: Context, text: str) -> list[str]:
    index = Reader(context.document).index
    ranked = index.rank([term.stem for term in terms_of(text)], 10)
    return [each.passage.text for each in ranked if each.passage.kind is not PassageKind.PAIR]


def _numbers(text: str) -> frozenset[str]:
    return frozenset(found.strip(".,") for found in re.findall(r"\d[\d.,]*", text))


@dataclass
class AnswerScore:
    """Of the questions with an answer: how often it is in what was said, and is all that was said."""

    answerable: int = 0
    contained: int = 0
    exact: int = 0
    answered: int = 0
    unanswerable: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, question: str, gold: str | None, said: str | None) -> None:
        if gold is None:
            self.unanswerable += 1
            self.refused += said is None
        else:
            self.answerable += 1
            self.answered += said is not None
            self.contained += said is not None and squash(gold) in squash(said)
            self.exact += said is not None and squash(gold) == squash(said)
        is_right = said is None if gold is None else said is not None and squash(gold) in squash(said)
        if not is_right:
            self.wrong.append(f"{question} -> {said!r}, not {gold!r}")


@dataclass
class VerdictScore:
    """How many claims of each verdict were given which."""

    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, claim: str, gold: str, said: str) -> None:
        self.pairs[gold, said] += 1
        if gold != said:
            self.wrong.append(f"{claim} -> {said}, not {gold}")

    def precision(self, verdict: str) -> float:
        given = sum(count for (_, said), count in self.pairs.items() if said == verdict)
        return self.pairs[verdict, verdict] / given if given else 1.0

    def recall(self, verdict: str) -> float:
        wanted = sum(count for (gold, _), count in self.pairs.items() if gold == verdict)
        return self.pairs[verdict, verdict] / wanted if wanted else 1.0

    @property
    def right(self) -> int:
        return sum(count for (gold, said), count in self.pairs.items() if gold == said)

    @property
    def total(self) -> int:
        return sum(self.pairs.values())


def answer_lines(name: str, score: AnswerScore) -> Iterator[str]:
    yield (
        f"| {name} | {score.contained}/{score.answerable} | {score.exact}/{score.answerable} "
        f"| {score.refused}/{score.unanswerable} |"
    )


def verdict_lines(name: str, score: VerdictScore) -> Iterator[str]:
    parts: Sequence[str] = [
        f"{score.precision(each):.2f} / {score.recall(each):.2f}"
        for each in (Verdict.SUPPORTED, Verdict.CONTRADICTED)
    ]
    yield f"| {name} | {score.right}/{score.total} | {parts[0]} | {parts[1]} |"
