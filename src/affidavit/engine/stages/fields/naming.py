"""Say under which labels a value of any schema may be printed: its hints, name, title and description."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice, product

from affidavit.engine.schema import Leaf
from affidavit.engine.stages.fields.phrases import label_key
from affidavit.engine.stages.values.folding import split_name

LONGEST_LABEL = 6  # words; a longer description explains, it does not name
LONGEST_HEAD = 4  # words of a description's first phrase
MOST_VARIANTS = 24  # ways to print one name
BARE_NAME = 0.75  # a name without the word for its kind
VARIANT = 0.95  # of the strength of the name that it varies
IN_GROUP, IN_PARTY = 0.8, 0.6  # a name alone that stands in an object, or in a party's
DESCRIBED, HEAD = 0.9, 0.8

# Words that say what a value looks like and that labels leave out: date_check_in is "Check In".
_KIND_WORDS = frozenset({"date", "number", "no", "nr", "id", "code", "amount", "value", "text", "of", "the"})

# Words that stand for each other in labels.
_ALIKE = (
    ("number", "no", "nr", "num", "#", "id"),
    ("phone", "telephone", "tel", "mobile"),
    ("quantity", "qty"),
    ("amount", "amt"),
    ("account", "acct", "a/c"),
    ("address", "addr"),
    ("percentage", "percent", "%"),
    ("organization", "organisation", "company"),
    ("first name", "given name", "forename"),
    ("last name", "surname", "family name"),
    ("birth date", "date of birth", "dob", "birthdate"),
    ("place of birth", "birthplace", "birth place"),
    ("postcode", "postal code", "zip code", "zip"),
    ("reference", "ref"),
    ("department", "dept"),
    ("description", "desc"),
    ("start", "from", "begin", "beginning", "commencement"),
    ("end", "to", "until", "expiry", "expiration", "termination"),
    ("sex", "gender"),
    ("total", "sum"),
    ("previous", "prior"),
    ("maximum", "max"),
    ("minimum", "min"),
    ("registration", "reg"),
    ("certificate", "cert"),
    ("approximately", "approx"),
    ("employer", "company"),
    ("physician", "doctor"),
)
_ALTERNATIVES = {phrase: group for group in _ALIKE for phrase in group if len(phrase) > 1}

# What ends the first phrase of a description: "Effective date when the agreement becomes binding".
_HEAD_END = re.compile(
    r"[.,;:()\[\]/]|\s-\s|\b(?:when|that|which|who|whose|as|in|for|from|by|on|to|with|if|where|e\.?g|i\.?e|such"
    r"|including|is|are|was|will|must|should|return|used|shown|printed|stated|given|found)\b",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"^(?:the|a|an)\s+", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z\u00c0-\u024f' -]+")


def own_labels(leaf: Leaf, *, is_party: bool) -> Iterator[tuple[str, float]]:
    """Yield the leaf's labels, squashed, with their strength, 0 to 1."""
    for label in leaf.labels:
        yield label_key(label), 1.0
    words = split_name(leaf.name)
    name, group = " ".join(words), " ".join(split_name(leaf.groups[-1])) if leaf.groups else ""
    if group and not leaf.is_in_item:
        yield from _varied([*split_name(leaf.groups[-1]), *words], 1.0)
        alone = IN_PARTY if is_party else IN_GROUP
    else:
        alone = 1.0
    yield from _varied(words, alone)
    bare = [word for word in words if word not in _KIND_WORDS]
    if 0 < len(bare) < len(words):
        yield label_key(" ".join(bare)), BARE_NAME * alone
    if leaf.title:
        yield from _varied(leaf.title.split(), 1.0)
    yield from _described(leaf.description or "", name)


def _described(description: str, name: str) -> Iterator[tuple[str, float]]:
    if not description:
        return
    if len(description.split()) <= LONGEST_LABEL:
        yield label_key(description), DESCRIBED
    head = head_phrase(description)
    if head and head.casefold() != name and len(head.split()) > 1:
        yield label_key(head), HEAD


def head_phrase(description: str) -> str | None:
    """Return the words with which a description names its value, or None when it does not start so."""
    text = _ARTICLE.sub("", description.strip())
    end = _HEAD_END.search(text)
    head = text[: end.start()].strip() if end else text
    is_short = 0 < len(head.split()) <= LONGEST_HEAD
    return head if is_short and _PLAIN.fullmatch(head) else None


def _varied(words: Sequence[str], strength: float) -> Iterator[tuple[str, float]]:
    """Yield a name and the other ways to print it: with synonyms, and `date of birth` for `birth date`."""
    plain = [word.casefold() for word in words if word]
    yield label_key(" ".join(plain)), strength
    for spelled in islice(_synonyms(plain), MOST_VARIANTS):
        yield label_key(spelled), strength * VARIANT
    for spelled in _turned(plain):
        yield label_key(spelled), strength * VARIANT


def _synonyms(words: Sequence[str]) -> Iterator[str]:
    choices: list[tuple[str, ...]] = []
    at = 0
    while at < len(words):
        for length in (3, 2, 1):
            phrase = " ".join(words[at : at + length])
            if phrase in _ALTERNATIVES:
                choices.append(_ALTERNATIVES[phrase])
                break
        else:
            length = 1
            choices.append((words[at],))
        at += min(length, len(words) - at)
    if any(len(choice) > 1 for choice in choices):
        yield from (" ".join(pick) for pick in product(*choices))


def _turned(words: Sequence[str]) -> Iterator[str]:
    """Yield `loading port` for `port of loading`, and `name of employer`, `employer's name` for its like."""
    if "of" in words[1:-1]:
        at = words.index("of")
        yield " ".join([*(word for word in words[at + 1 :] if word != "the"), *words[:at]])
    elif len(words) in (2, 3):
        first = " ".join(words[:-1])
        yield f"{words[-1]} of {first}"
        yield f"{words[-1]} of the {first}"
        yield f"{first}s {words[-1]}"
