"""The page says what the checks say, shows what was sealed, and nothing in a bundle can make it say more."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from affidavit.show.page import Chosen
from tests.show.making import (
    HEIGHT,
    WIDTH,
    Key,
    Making,
    altered,
    cite,
    filled,
    invoice,
    packed,
    result,
    unpacked,
)
from tests.show.reading import assert_closed, shown

FINE = "Nothing is wrong"
ODD: list[Any] = [None, [], {}, "x", -1, True, [[]], [{"name": 1}], {"page": 1}]


def test_it_allows_its_own_style_and_script_and_nothing_else() -> None:
    page = shown(invoice().seal())

    (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    digests = {
        name: base64.b64encode(hashlib.sha256(page.inline[name].encode()).digest()).decode()
        for name in ("style", "script")
    }
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digests['style']}'; "
        f"script-src 'sha256-{digests['script']}'; base-uri 'none'; form-action 'none'"
    )
    assert "url(" not in page.inline["style"]
    assert_closed(page)


def test_every_quote_leads_to_its_outline_and_back() -> None:
    page = shown(invoice().seal())

    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert {"c1", "c2", "o-c1", "o-c2"} <= set(page.ids)
    assert {"#c1", "#c2", "#o-c1", "#o-c2"} <= set(page.links)


def test_outlines_stand_where_the_cited_words_do() -> None:
    making = invoice()
    (x0, y0, _, _), (_, _, x1, y1) = (making.pages[0]["words"][n]["box"] for n in (4, 5))

    page = shown(making.seal())

    (svg,) = [each for each in page.all("svg") if each["viewbox"] == f"0 0 {WIDTH:g} {HEIGHT:g}"]
    rects = [
        {name: float(each[name]) for name in ("x", "y", "width", "height")}
        for each in page.all("rect")
        if "x" in each
    ]
    assert svg["aria-label"] == "Cited words on page 1"
    assert {"x": x0 - 0.75, "y": y0 - 0.75, "width": x1 - x0 + 1.5, "height": y1 - y0 + 1.5} in rects


def test_a_good_bundle_shows_values_checks_hashes_and_limits() -> None:
    bundle = invoice().seal()

    page = shown(bundle)

    assert page.tone == "passed"
    assert FINE in page.text
    assert hashlib.sha256(unpacked(bundle)["manifest.json"]).hexdigest() in page.text
    assert Key().key_id in page.text
    for said in (
        "2290.45",
        "2,290.45 EUR",
        "confidence 93 of 100",
        "1 other reading",
        "What this does not prove",
    ):
        assert said in page.text
    assert page.images == ["Image of page 1"]


def test_without_a_key_it_says_that_nobody_looked_at_who_signed() -> None:
    page = shown(invoice().seal(), key=None)

    assert page.tone == "not_checked"
    assert FINE not in page.text
    assert "Not proven: nobody looked at who signed this." in page.text
    assert "Not proven: this is what the file says." in page.text


def broken() -> Iterator[tuple[str, bytes]]:
    bundle = invoice().seal()
    for name in unpacked(bundle):
        yield name, altered(bundle, name, lambda data: data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
    yield "extra", packed(unpacked(bundle) | {"more.txt": b"more"})
    yield "missing", packed({k: v for k, v in unpacked(bundle).items() if k != "pages/0001.webp"})
    yield "cut", bundle[:-1]
    yield "prefix", b"x" + bundle
    yield "byte", bundle[:2500] + bytes([bundle[2500] ^ 1]) + bundle[2501:]
    yield "empty", b""
    yield "other key", invoice().but(key=Key(2)).seal()
    making = copy.deepcopy(invoice())
    making.extraction["fields"]["total"]["citations"][0]["quote"] = "9,999.00 EUR"
    yield "quote", making.seal()


@pytest.mark.parametrize(("what", "bundle"), list(broken()), ids=[name for name, _ in broken()])
def test_a_broken_bundle_is_never_shown_as_fine(what: str, bundle: bytes) -> None:
    page = shown(bundle)

    assert page.tone == "failed"
    assert FINE not in page.text
    assert "found again" not in page.text
    assert page.text.index("Broken: do not rely on this bundle.") < page.text.index("Checks")
    assert all("✓" not in title for title in re.findall("<title>.*?</title>", page.source))
    assert_closed(page)


def test_contents_that_are_not_what_was_sealed_are_left_out() -> None:
    bundle = altered(invoice().seal(), "extraction.json", lambda data: data.replace(b"INV-1", b"INV-9"))

    page = shown(bundle)

    assert "INV-9" not in page.text
    assert "extraction.json is missing, too large, or not what was sealed" in page.text


def test_an_image_that_is_not_what_was_sealed_is_left_out() -> None:
    page = shown(altered(invoice().seal(), "pages/0001.webp", lambda data: data[:-1] + bytes([data[-1] ^ 1])))

    assert page.images == []
    assert "The image of this page is not the one that was sealed: left out." in page.text


def test_a_citation_that_does_not_hold_is_marked_at_its_value_and_on_the_page() -> None:
    making = invoice()
    making.extraction["fields"]["total"]["citations"][0]["quote"] = "9,999.00 EUR"

    page = shown(making.seal())

    assert "✗ does not hold: The quote is not what the cited words say." in page.text
    (outline,) = [each for each in page.all("a") if each.get("id") == "o-c2"]
    assert outline["class"] == "bad"


HOSTILE = (
    "</script></style><script>alert(1)</script><img src=x onerror=alert(1)>"
    '"\' onload=alert(1) x="&lt;\u202e\ud800\x00'
)


def test_what_a_bundle_says_is_text_wherever_it_stands() -> None:
    making = invoice()
    (citation,) = making.extraction["fields"]["total"]["citations"]
    text = HOSTILE.replace("\ud800", "").replace("\x00", "")  # a manifest has neither
    making = making.but(
        name=text,
        extraction=result("ask")
        | {
            "operation": "ask",
            "fields": {
                HOSTILE: filled(HOSTILE, 50, citation, {**citation, "match": HOSTILE, "quote": HOSTILE})
            },
            "answer": {HOSTILE: HOSTILE, "answer": [{"claim": HOSTILE, "citations": [citation]}]},
            "warnings": [HOSTILE],
        },
        reviewed={"decision": HOSTILE, "reviewer": HOSTILE, "decided_at": HOSTILE, "extraction": None},
        manifest={"engine": {"version": text, "ocr": {"engines": [text]}, "model": text}},
    )

    page = shown(making.seal(), name=text)

    assert_closed(page)
    assert "<script>alert(1)</script>" in page.text
    assert "[U+202E]" in page.text
    assert "\u202e" not in page.source
    page.source.encode()  # a lone surrogate would not


def test_manifests_of_any_shape_are_shown() -> None:
    members = json.loads(unpacked(invoice().seal())["manifest.json"])
    for name in members:
        for odd in ODD:
            page = shown(invoice().but(manifest={name: odd}).seal())
            assert page.tone == ("passed" if fits(name, odd) else "failed"), (name, odd)
            assert_closed(page)


def fits(name: str, odd: Any) -> bool:
    """Tell whether a manifest may say this."""
    match name:
        case "operation":
            return odd == "x"
        case "parent":
            return odd is None
        case "pages" | "options" | "engine":
            return isinstance(odd, dict)
        case _:
            return False


def test_results_of_any_shape_are_shown() -> None:
    plain = invoice()
    for n, path in enumerate(paths(plain.extraction)):
        for odd in ODD[n % 4 :: 4]:
            extraction = copy.deepcopy(plain.extraction)
            put(extraction, path, odd)
            assert_closed(shown(plain.but(extraction={**extraction, "operation": "extract"}).seal()))


def test_pages_and_chunks_of_any_shape_are_shown() -> None:
    for odd in (b"", b"[]", b'{"pages":[', b'{"pages":[{"number":1}]}', b'{"pages":[{"a":' * 5000, b"\xff"):
        page = shown(invoice().but(artifacts={"document.json": odd}).seal())
        assert "Where words stand on this page cannot be shown." in page.text
        assert_closed(page)


def test_values_without_number_are_cut_and_said_to_be() -> None:
    making = invoice()
    making.extraction["fields"] = {f"f{n}": filled("x" * 10, 1) for n in range(6_000)}
    making.extraction["fields"]["f1"] = filled("y" * 100_000, 1)

    page = shown(making.seal())

    assert "Only the first 5,000 values are shown here" in page.text
    assert "(98,000 more characters)" in page.text
    assert len(page.source) < 3_000_000


def test_an_image_that_would_fill_the_memory_of_a_browser_is_left_out() -> None:
    size = (16383 - 1).to_bytes(3, "little")
    bomb = b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + size + size

    assert shown(invoice().but(images={1: bomb}).seal()).images == []
    assert shown(invoice().but(images={1: b"<svg onload=alert(1)>" + bytes(30)}).seal()).images == []


def test_only_cited_pages_are_shown_unless_asked_for() -> None:
    making = invoice(pages=30)
    making.extraction["fields"]["note"] = filled("Thank you", 90, cite(making.pages[16], "Thank", "you"))
    bundle = making.seal()

    cited = shown(bundle)
    more = shown(bundle, pages=Chosen(numbers=frozenset({3, 99})))
    every = shown(bundle, pages=Chosen(every=True))

    assert cited.images == ["Image of page 1", "Image of page 17"]
    assert (
        "28 more pages cite nothing and are left out: `affidavit show --pages all` shows them." in cited.text
    )
    assert more.images == ["Image of page 1", "Image of page 3", "Image of page 17"]
    assert len(every.images) == 30


def test_a_document_that_was_only_read_shows_its_text_and_first_pages() -> None:
    making = invoice(pages=9).but(extraction=result("parse"))

    page = shown(making.seal())

    assert "What was read" in page.text
    assert page.text.count("Total 2,290.45 EUR") == 9
    assert len(page.images) == 5
    assert "4 more pages are left out" in page.text


def test_a_page_without_image_has_its_words_drawn_where_they_stand() -> None:
    page = shown(invoice().but(images={}).seal())

    assert page.images == []
    assert "The bundle has no image of this page. Its words are drawn where they stand." in page.text
    assert page.all("text")[0]["textlength"] == "70.00"
    assert "o-c1" in page.ids


@pytest.mark.parametrize(
    ("said", "texts"),
    [
        ({"answer": {"question": "How much?", "answer": "2,290.45 EUR"}}, ["Answer", "How much?"]),
        ({"claims": {"claims": [{"claim": "It is paid", "verdict": "not_found"}]}}, ["Claims", "not_found"]),
        ({"split": {"parts": [{"topic": "invoice", "pages": [1, 2]}]}}, ["Parts", "invoice", "1, 2"]),
        ({"steps": [{"operation": "extract", "fields": {"sum": filled(7, 80)}}]}, ["Steps", "confidence 80"]),
    ],
    ids=["answer", "claims", "split", "pipeline"],
)
def test_other_operations_are_shown_too(said: dict[str, Any], texts: list[str]) -> None:
    making = invoice()
    (member,) = said.values()
    if isinstance(member, dict):
        member["citations"] = [cite(making.pages[0], "2,290.45", "EUR")]

    page = shown(making.but(extraction=result("ask") | said).seal())

    assert all(text in page.text for text in texts)
    assert page.tone == "passed"
    assert ("o-c1" in page.ids) == isinstance(member, dict)


def reviewed() -> Making:
    making = invoice()
    fields = making.extraction["fields"]
    place = {"page": 1, "box": [20, 80, 60, 95], "words": [], "range": None, "quote": "", "match": "exact"}
    amended = making.extraction | {
        "fields": fields | {"total": filled(2300, 100, place)},
        "review": {"corrected": {"total": fields["total"]}, "removed": []},
    }
    decision = {
        "decision": "approved",
        "reviewer": "ada@example.com",
        "decided_at": "2026-11-22T15:00:00.000000Z",
    }
    return making.but(reviewed={**decision, "key_id": "key_1", "actions": [], "extraction": amended})


def test_a_review_shows_who_decided_and_what_the_machine_had_read() -> None:
    page = shown(reviewed().seal())

    assert page.tone == "passed"
    assert "ada@example.com" in page.text
    assert "2026-11-22 15:00:00 UTC" in page.text
    assert "Changed by a person: the machine had read 2290.45." in page.text
    assert page.text.index("2300") < page.text.index("As the machine read it")
    assert {"r1", "r2", "c1", "c2", "o-r2"} <= set(page.ids)
    assert "placed by hand" in page.text


def test_a_rejected_result_says_that_it_does_not_count() -> None:
    making = reviewed()
    making.reviewed = {"decision": "rejected", "reviewer": None, "extraction": None}

    page = shown(making.seal())

    assert "A person rejected this: what the machine read does not count." in page.text
    assert "rejected by a person" in page.text


def paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, member in members:
        yield (*before, key)
        yield from paths(member, (*before, key))


def put(value: Any, path: tuple[Any, ...], new: Any) -> None:
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new
