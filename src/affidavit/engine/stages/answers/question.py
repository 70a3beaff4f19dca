"""Read a question: what kind of answer it asks for, and what about."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

from affidavit.engine.stages.passages.terms import stem_of, terms_of
from affidavit.engine.stages.values.folding import fold

_MARKS = '"\u201c\u201d\u201e\u00ab\u00bb'
QUOTED = re.compile(rf"[{_MARKS}]([^{_MARKS}]{{2,120}})[{_MARKS}]")
_NUMBER = re.compile(r"\d[\d.,/-]*")
_POSSESSIVE = re.compile(r"['\u2019]s\b")
LONGEST_PHRASE = 6  # words; a longer subject is no label


class Asked(StrEnum):
    """What kind of answer a question wants."""

    AMOUNT = "amount"
    DATE = "date"
    DURATION = "duration"
    PERCENT = "percent"
    NUMBER = "number"
    PARTY = "party"  # a person or an organisation
    EMAIL = "email"
    PHONE = "phone"
    IBAN = "iban"
    URL = "url"
    CODE = "code"
    YES_NO = "yes_no"
    LIST = "list"
    DEFINITION = "definition"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Question:
    """A question as it is looked up.

    `stems` must be met by what answers it; `soft` are those that only say what kind of answer is
    wanted. `phrase` is the subject in the question's own words, empty when it is too long for a
    label. `exact` are quotes and numbers that must stand in the evidence.
    """

    text: str
    asked: Asked
    phrase: str
    stems: tuple[str, ...]
    soft: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()


def read_question(text: str) -> Question:
    """Return what `text` asks. Anything is a question: without a known opening it asks for text."""
    folded = " ".join(fold(_POSSESSIVE.sub("", text)).split()).strip(" ?!.\u00bf\u00a1")
    asked, rest = _opening(folded)
    asked = _refined(asked, folded)
    quoted = tuple(found[1].strip() for found in QUOTED.finditer(text))
    numbers = tuple(found[0].strip(".,-/") for found in _NUMBER.finditer(rest))
    return question_about(asked, rest, text=text, exact=tuple(dict.fromkeys((*quoted, *numbers))))


def question_about(asked: Asked, subject: str, *, text: str = "", exact: tuple[str, ...] = ()) -> Question:
    """Return the question for a value of a kind that `subject`, without an opening, is about."""
    stems = [term.stem for term in terms_of(subject)]
    soft = [stem for stem in stems if stem in _soft_stems(asked)]
    hard = [stem for stem in stems if stem not in soft]
    if not hard:
        hard, soft = soft, []
    return Question(
        text=text or subject,
        asked=asked,
        phrase=_phrase(fold(subject)),
        stems=tuple(dict.fromkeys(hard)),
        soft=tuple(dict.fromkeys(soft)),
        exact=exact,
    )


def _opening(folded: str) -> tuple[Asked, str]:
    """Return the kind that the first words tell, and the rest of the question."""
    for pattern, asked in _openings():
        found = pattern.match(folded)
        if found:
            return asked, folded[found.end() :].strip()
    return Asked.TEXT, folded


def _refined(asked: Asked, folded: str) -> Asked:
    """Return the kind that a word of the subject tells, where the opening left it open."""
    if asked not in (Asked.TEXT, Asked.LIST, Asked.NUMBER, Asked.AMOUNT):
        return asked
    words = set(re.findall(r"[^\W_]+", folded))
    for kind, marks in _subjects().items():
        if asked in (Asked.NUMBER, Asked.AMOUNT) and kind is not Asked.PERCENT:
            continue
        if asked is Asked.LIST and kind is not Asked.TEXT:
            continue
        if words & marks or any(" " in mark and mark in folded for mark in marks):
            return kind
    return asked


def _phrase(rest: str) -> str:
    """Return the subject without articles: `amount of the invoice` is `invoice amount`."""
    bare = [word for word in re.findall(r"[^\W_]+|[#%]", rest) if word not in _articles()]
    while bare and bare[-1] in _endings():
        bare.pop()
    for joint in ("of", "for", "von", "de", "du", "del", "di", "van"):
        if bare.count(joint) == 1 and 0 < bare.index(joint) < len(bare) - 1:
            at = bare.index(joint)
            bare = [*bare[at + 1 :], *bare[:at]] if joint in ("of", "for") else bare
    return " ".join(bare) if 0 < len(bare) <= LONGEST_PHRASE else ""


@cache
def lexicon() -> Mapping[str, Mapping[str, list[str]]]:
    """Return the words of questions by section, from `questions.toml`."""
    return tomllib.loads(files(__package__).joinpath("questions.toml").read_text(encoding="utf-8"))


@cache
def _openings() -> list[tuple[re.Pattern[str], Asked]]:
    found: list[tuple[int, str, Asked]] = []
    for kind, starts in lexicon()["openings"].items():
        found.extend((len(start), fold(start), Asked(kind)) for start in starts)
    longest_first = sorted(found, reverse=True)
    return [(re.compile(rf"(?:{_spaced(start)})(?!\w)"), asked) for _, start, asked in longest_first]


def _spaced(start: str) -> str:
    return re.escape(start).replace(r"\ ", r"\s+")


@cache
def _subjects() -> Mapping[Asked, frozenset[str]]:
    return {Asked(kind): frozenset(map(fold, marks)) for kind, marks in lexicon()["subjects"].items()}


@cache
def _soft_stems(asked: Asked) -> frozenset[str]:
    return frozenset(map(stem_of, _soft_words(asked)))


def _soft_words(asked: Asked) -> Iterator[str]:
    yield from lexicon()["soft"]["any"]
    yield from lexicon()["soft"].get(asked.value, ())


@cache
def _articles() -> frozenset[str]:
    return frozenset(map(fold, lexicon()["words"]["articles"]))


@cache
def _endings() -> frozenset[str]:
    return frozenset(map(fold, lexicon()["words"]["endings"]))
