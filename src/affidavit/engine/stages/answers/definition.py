"""Find where a document says what one of its words means."""

from __future__ import annotations

import re
from collections.abc import Iterator

from affidavit.engine.stages.answers.question import Question
from affidavit.engine.stages.answers.reader import Reader
from affidavit.engine.stages.fields.view import Token
from affidavit.engine.stages.passages.passage import PassageKind
from affidavit.engine.stages.values.folding import fold

SURE = 0.92
LOOKED_AT = 40
NEAR = 40  # characters between the word and the verb that defines it
_DEFINES = (
    r"(?:means|shall mean|has the meaning|have the meaning|is defined as|refers to|shall refer to|denotes"
    r"|bedeutet|bezeichnet|ist definiert als|designe|signifie|s'entend|significa|se entiende|si intende"
    r"|betekent)"
)


def definitions(reader: Reader, question: Question) -> Iterator[tuple[tuple[Token, ...], float]]:
    """Yield the sentences that define the subject of the question, with how sure that is."""
    subject = fold(question.exact[0]) if question.exact else _subject(question)
    if not subject:
        return
    pattern = re.compile(
        rf"\b{re.escape(subject)}s?\b[\"'\u201d\u201c\u00bb)]*.{{0,{NEAR}}}?\b{_DEFINES}\b", re.DOTALL
    )
    for ranked in reader.index.rank(question.stems, LOOKED_AT):
        passage = ranked.passage
        if passage.kind is PassageKind.SENTENCE and pattern.search(fold(passage.text)):
            yield passage.tokens, SURE


def _subject(question: Question) -> str:
    words = [
        word for word in question.phrase.split() if word not in ("mean", "means", "defined", "term", "word")
    ]
    return " ".join(words)
