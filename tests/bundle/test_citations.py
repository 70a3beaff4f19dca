"""Citations are found where they stand, and hold only if the words that they cite bear them out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from affidavit.bundle import chunk, citations
from affidavit.bundle.chunk import ChunkError, Chunks
from affidavit.bundle.citations import Citation, CitationError
from tests.bundle.paper import compact, typeset

PAPER = typeset([["Invoice 4711", "**Total:** 119.00 EUR"], ["Page two"]], {1: "COPY"})
EVERY_WORD = [word.id for page in (1, 2) for word in PAPER.words(page)]
CITED = PAPER.cite(1, "119.00 EUR")


def gathered(data: bytes = PAPER.chunk_lines()) -> Chunks:
    return chunk.gather([data], PAPER.markdown, EVERY_WORD)


def check(**changes: Any) -> bool:
    citation = Citation("c1", "/x", {**CITED, **changes})
    return citations.check(citation, gathered().words, PAPER.markdown)


def refusal(**changes: Any) -> str:
    with pytest.raises(CitationError) as refused:
        check(**changes)
    return refused.value.code


def found(extraction: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(citation.id, citation.pointer) for citation in citations.find(extraction)]


def test_citations_are_numbered_in_the_order_of_the_text() -> None:
    inner = {"value": 1, "citations": [CITED, CITED], "alternatives": [{"citations": [CITED]}]}
    extraction = {"fields": {"b/c": inner, "a~": {"citations": [CITED]}}, "answer": CITED}
    assert found(json.loads(json.dumps(extraction))) == [
        ("c1", "/fields/b~1c/citations/0"),
        ("c2", "/fields/b~1c/citations/1"),
        ("c3", "/fields/b~1c/alternatives/0/citations/0"),
        ("c4", "/fields/a~0/citations/0"),
        ("c5", "/answer"),
    ]


def test_what_users_shaped_is_no_citation() -> None:
    assert found(
        {"data": {"x": CITED}, "data_schema": CITED, "fields": {"data": {"citations": [CITED]}}}
    ) == [("c1", "/fields/data/citations/0")]


def test_object_with_more_or_fewer_members_is_no_citation() -> None:
    less = {name: value for name, value in CITED.items() if name != "match"}
    assert found({"a": less, "b": {**CITED, "more": 1}}) == []


def test_depth_and_names_of_what_holds_citations_cost_nothing() -> None:
    deep: Any = CITED
    for _ in range(10_000):
        deep = [deep]
    (cited,) = citations.find({"k" * 1_000_000: deep})
    assert len(cited.pointer) < 300


def test_citation_of_words_holds() -> None:
    assert check()


def test_citation_without_words_is_not_compared() -> None:
    assert not check(words=[], range=None)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("CITATION_INVALID", {"page": True}),
        ("CITATION_INVALID", {"page": "1"}),
        ("CITATION_INVALID", {"quote": None}),
        ("CITATION_INVALID", {"words": "p1.w0"}),
        ("CITATION_INVALID", {"words": [*CITED["words"], 5]}),
        ("CITATION_INVALID", {"box": CITED["box"][:3]}),
        ("CITATION_INVALID", {"box": [*CITED["box"][:3], float("inf")]}),
        ("CITATION_INVALID", {"box": [*CITED["box"][:3], False]}),
        ("CITATION_INVALID", {"box": [*CITED["box"][:3], 10**400]}),
        ("CITATION_INVALID", {"range": [1.0, 2.0]}),
        ("CITATION_INVALID", {"match": "surely"}),
        ("CITATION_INVALID", {"match": []}),
        ("WORD_UNKNOWN", {"words": ["p1.w99"]}),
        ("PAGE_WRONG", {"page": 2}),
        ("QUOTE_WRONG", {"quote": "119.00 USD"}),
        ("QUOTE_WRONG", {"words": CITED["words"][::-1]}),
        ("QUOTE_WRONG", {"words": []}),
        ("BOX_WRONG", {"box": [CITED["box"][0] + 0.02, *CITED["box"][1:]]}),
        ("RANGE_WRONG", {"range": [CITED["range"][0] + 1, CITED["range"][1]]}),
        ("RANGE_WRONG", {"range": [0, len(PAPER.markdown)]}),
        ("RANGE_WRONG", {"range": CITED["range"][::-1]}),
        ("RANGE_WRONG", {"range": [-5, -1]}),
        ("RANGE_WRONG", {"range": [CITED["range"][0], 10**12]}),
    ],
    ids=range(23),
)
def test_citation_that_its_words_do_not_bear_out_is_refused(code: str, changes: dict[str, Any]) -> None:
    assert refusal(**changes) == code


def test_white_space_of_a_quote_does_not_matter() -> None:
    assert check(quote="119.00\u2003E\nUR\u00a0")
    assert refusal(quote="119.00\u200bEUR") == "QUOTE_WRONG"


def test_rounding_of_a_box_is_forgiven() -> None:
    assert check(box=[side + 0.01 for side in CITED["box"]])


def test_markup_in_a_range_is_passed_over() -> None:
    cited = PAPER.cite(1, "**Total:** 119.00")
    assert citations.check(Citation("c1", "", cited), gathered().words, PAPER.markdown)


def test_range_needs_a_chunk_that_has_one() -> None:
    cited = {**PAPER.cite(1, "COPY"), "range": [0, 4]}
    with pytest.raises(CitationError, match="range"):
        citations.check(Citation("c1", "", cited), gathered().words, PAPER.markdown)


def line(**changes: Any) -> bytes:
    word = ["p1.w0", "Invoice", [0, 0.5, 1, 2]]
    chunk_ = {"block": "p1.b0", "page": 1, "range": [0, 7], "text": "Invoice", "words": [word]}
    return compact({**chunk_, **changes}) + b"\n"


def chunk_refusal(data: bytes) -> str:
    with pytest.raises(ChunkError) as refused:
        gathered(data)
    return refused.value.code


def test_chunks_are_counted_and_their_root_is_that_of_their_lines() -> None:
    lines = PAPER.chunk_lines().splitlines()
    assert (gathered().count, gathered().root) == (
        len(lines),
        chunk.merkle.root(map(chunk.merkle.leaf_hash, lines)).hex(),
    )


def test_lines_are_the_same_however_the_bytes_come() -> None:
    data = PAPER.chunk_lines()
    assert list(chunk.lines([data[n : n + 1] for n in range(len(data))])) == list(chunk.lines([data]))


@pytest.mark.parametrize(
    "changes",
    [
        {"page": True},
        {"page": 0},
        {"page": 1.0},
        {"block": None},
        {"text": None},
        {"range": None},
        {"range": [0]},
        {"range": [False, 7]},
        {"words": None},
        {"words": [5]},
        {"words": ["abc"]},
        {"words": [["p1.w0", "x"]]},
        {"words": [[1, "x", [0, 0, 1, 1]]]},
        {"words": [["p1.w0", None, [0, 0, 1, 1]]]},
        {"words": [["p1.w0", "x", [0, 0, 1]]]},
        {"words": [["p1.w0", "x", "0011"]]},
        {"words": [["p1.w0", "x", [0, 0, 1, True]]]},
        {"words": [["p1.w0", "x", [0, 0, 1, 2**53]]]},
        {"words": [["p1.w0", "x", [0, 0, 1, -(2**53)]]]},
        {"words": [["p1.w0", "x", [0, 0, 1, 1]]] * 2},
        {"more": 1},
    ],
    ids=range(21),
)
def test_line_of_another_shape_is_no_chunk(changes: dict[str, Any]) -> None:
    assert gathered(line()).count == 1
    assert chunk_refusal(line(**changes)) == "CHUNK_INVALID"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (line()[:-1], "CHUNK_INVALID"),
        (b"\n" + line(), "CHUNK_INVALID"),
        (line().replace(b"\n", b"\r\n").replace(b'"page"', b'"PAGE"'), "CHUNK_INVALID"),
        (line().replace(b"0.5", b"1e999"), "CHUNK_INVALID"),
        (line().replace(b"Invoice", b"\\ud800"), "CHUNK_INVALID"),
        (line(page=2) + line(words=[]), "CHUNK_INVALID"),
        (line() + line(), "CHUNK_INVALID"),
        (line(text="Invoic"), "CHUNK_TEXT_WRONG"),
        (line(range=[-7, 0]), "CHUNK_TEXT_WRONG"),
        (line(range=[0, 10**6]), "CHUNK_TEXT_WRONG"),
        (b" " * (chunk.MAX_LINE_BYTES + 1), "TOO_LARGE"),
        (b'{"a":[' + b"[]," * 2_000_000 + b"0]}\n", "TOO_LARGE"),
    ],
    ids=range(12),
)
def test_chunks_that_do_not_hold_together_are_refused(data: bytes, code: str) -> None:
    assert chunk_refusal(data) == code


def test_character_that_is_spelled_as_two_halves_is_one() -> None:
    assert gathered(
        line(words=[["p1.w0", "SPELLED", [0.5, 1, 2, 3]]]).replace(b"SPELLED", b"\\ud83e\\uddfe")
    ).count


def test_refusal_names_the_line() -> None:
    with pytest.raises(ChunkError, match=r"^Line 2:"):
        gathered(line() + line(words=[], text="x"))


def test_comparing_is_bounded_by_the_document_whatever_a_citation_says() -> None:
    citation = Citation("c1", "", {**CITED, "range": [0, 2**52]})
    words = sum(len(word.text) for word in gathered().words.values() if word.text in CITED["quote"])
    assert citation.length(gathered().words, PAPER.markdown) == len(PAPER.markdown) + words
