"""Values that were planted in documents are found where they stand; invented ones are never found."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affidavit.engine.result import Citation, Document, Line, Page, PageSource, Word
from affidavit.engine.schema import Leaf, compile_schema
from affidavit.engine.stages.ground import Locator

LETTER, ROW = 6.0, 14.0
SYLLABLES = (
    "ba",
    "den",
    "for",
    "gil",
    "har",
    "kor",
    "lin",
    "mon",
    "nor",
    "pel",
    "ros",
    "sta",
    "ter",
    "vik",
    "wes",
)
CONFUSED = {
    "o": "0",
    "l": "1",
    "i": "l",
    "e": "c",
    "s": "5",
    "t": "f",
    "n": "h",
    "u": "v",
    "a": "o",
    "rn": "m",
}
MONTHS = ("January", "February", "March", "April", "May", "June", "July")
MANY = settings(max_examples=60, deadline=None, derandomize=True)
SEEDS = st.integers(0, 10**9)


def leaf(**schema: object) -> Leaf:
    return compile_schema({"type": "object", "properties": {"value": schema}}).leaves[0]


STRING, NUMBER, DATE = leaf(type="string"), leaf(type="number"), leaf(type="string", format="date")


def laid_out(lines: list[list[str]], *, scanned: bool = False, columns: bool = False) -> Document:
    """Return a page with these words; `columns` puts them 100 points apart."""
    words: list[Word] = []
    rows: list[Line] = []
    for row, texts in enumerate(lines):
        left, ids = 50.0, []
        for column, text in enumerate(texts):
            left = 50.0 + 100 * column if columns else left
            box = (left, 50 + ROW * row, left + LETTER * len(text), 60 + ROW * row)
            words.append(Word(id=f"p1.w{len(words)}", text=text, box=box, confidence=0.9, line=f"p1.l{row}"))
            ids.append(words[-1].id)
            left = box[2] + LETTER / 2
        box = (50.0, 50 + ROW * row, left, 60 + ROW * row)
        rows.append(Line(id=f"p1.l{row}", box=box, words=tuple(ids)))
    source = PageSource.OCR if scanned else PageSource.NATIVE
    page = Page(
        number=1, width=900, height=900, dpi=72, source=source, markdown="", range=(0, 0), words=tuple(words),
        lines=tuple(rows),
    )  # fmt: skip
    return Document(media_type="application/pdf", page_count=1, pages=(page,))


@dataclass
class Writer:
    """Writes words, names, numbers and dates by chance; the same for the same seed."""

    chance: random.Random

    def word(self) -> str:
        return "".join(self.chance.choices(SYLLABLES, k=self.chance.randint(2, 4)))

    def name(self) -> list[str]:
        return [self.word().title() for _ in range(self.chance.randint(2, 4))]

    def prose(self) -> list[list[str]]:
        return [
            [self.word() for _ in range(self.chance.randint(3, 9))] for _ in range(self.chance.randint(3, 10))
        ]

    def planted(self, value: list[str]) -> tuple[list[list[str]], set[str]]:
        """Return prose with the words of a value in one of its lines, and the ids of those words."""
        lines = self.prose()
        row = self.chance.randrange(len(lines))
        at = self.chance.randint(0, len(lines[row]))
        lines[row][at:at] = value
        before = sum(map(len, lines[:row])) + at
        return lines, {f"p1.w{before + each}" for each in range(len(value))}

    def misread(self, words: list[str]) -> list[str]:
        """Return the words with a letter in eight taken for another, as OCR does, two at most in a word."""
        return [self._misread(word) if len(word) > 4 else word for word in words]

    def _misread(self, word: str) -> str:
        at = self.chance.randrange(len(word))
        for letters, other in CONFUSED.items():
            if word[at:].startswith(letters):
                return word[:at] + other + word[at + len(letters) :]
        return word


def found(document: Document, value: object, kind: Leaf, **more: object) -> Citation | None:
    return Locator.of(document).locate(value, kind, **more)  # type: ignore[arg-type]


@MANY
@given(SEEDS, st.booleans())
def test_a_name_that_was_planted_is_found_at_its_words(seed: int, scanned: bool) -> None:
    writer = Writer(random.Random(seed))
    name = writer.name()
    lines, ids = writer.planted(name)

    citation = found(laid_out(lines, scanned=scanned), " ".join(name), STRING)

    assert citation is not None
    assert set(citation.words) == ids


@MANY
@given(SEEDS)
def test_a_name_that_ocr_misread_is_found_at_its_words(seed: int) -> None:
    writer = Writer(random.Random(seed))
    name = writer.name()
    lines, ids = writer.planted(writer.misread(name))

    citation = found(laid_out(lines, scanned=True), " ".join(name), STRING)

    assert citation is not None
    assert set(citation.words) == ids


@MANY
@given(SEEDS)
def test_a_name_that_is_not_there_is_not_found(seed: int) -> None:
    writer = Writer(random.Random(seed))
    lines, _ = writer.planted(writer.name())
    invented = " ".join("".join(writer.chance.choices("aceimnorsuvz", k=8)).title() for _ in range(2))

    assert found(laid_out(lines, scanned=True), invented, STRING) is None


def written(amount: int, style: int) -> list[str]:
    """Return cents as an amount in one of the ways to write it."""
    whole, cents = divmod(amount, 100)
    grouped = f"{whole:,}"
    return [
        [f"{grouped}.{cents:02}"],
        [f"{grouped.replace(',', '.')},{cents:02}"],
        [*f"{grouped.replace(',', ' ')},{cents:02}".split()],
        [f"{whole}.{cents:02}", "EUR"],
        [f"€{grouped}.{cents:02}"],
        [f"{grouped.replace(',', chr(39))}.{cents:02}"],
    ][style]


@MANY
@given(SEEDS, st.integers(100, 10**9), st.integers(0, 5), st.booleans())
def test_an_amount_is_found_however_it_is_written(seed: int, amount: int, style: int, scanned: bool) -> None:
    lines, ids = Writer(random.Random(seed)).planted(written(amount, style))

    citation = found(laid_out(lines, scanned=scanned), amount / 100, NUMBER)

    assert citation is not None
    assert set(citation.words) == ids


def with_one_digit_changed(text: str, chance: random.Random) -> str:
    at = chance.choice([place for place, char in enumerate(text) if char.isdigit()])
    return text[:at] + chance.choice([each for each in string.digits if each != text[at]]) + text[at + 1 :]


@MANY
@given(SEEDS, st.integers(1000, 10**9), st.integers(0, 5), st.booleans())
def test_an_amount_with_a_digit_changed_is_not_found(
    seed: int, amount: int, style: int, scanned: bool
) -> None:
    writer = Writer(random.Random(seed))
    lines, _ = writer.planted(written(amount, style))
    other = int("1" + with_one_digit_changed(str(amount), writer.chance)) - 10 ** len(str(amount))

    assert found(laid_out(lines, scanned=scanned), other / 100, NUMBER) is None


@MANY
@given(SEEDS, st.booleans())
def test_a_code_is_found_and_not_one_with_a_digit_changed(seed: int, scanned: bool) -> None:
    writer = Writer(random.Random(seed))
    code = f"{writer.word().upper()}-{writer.chance.randint(2000, 2030)}-{writer.chance.randint(0, 99999):05}"
    lines, ids = writer.planted([code])
    document = laid_out(lines, scanned=scanned)

    citation = found(document, code, STRING)

    assert citation is not None
    assert set(citation.words) == ids
    assert found(document, with_one_digit_changed(code, writer.chance), STRING) is None


def dated(day: date, style: int) -> list[str]:
    month = MONTHS[day.month - 1]
    return [
        [day.isoformat()],
        [f"{day.day:02}.{day.month:02}.{day.year}"],
        [f"{day.day}.", month, str(day.year)],
        [month, f"{day.day},", str(day.year)],
        [f"{day.day}-{month[:3]}-{day.year}"],
        [f"{day.day}.{day.month}.{day.year % 100:02}"],
    ][style]


@MANY
@given(SEEDS, st.integers(0, 200), st.integers(0, 5))
def test_a_date_is_found_in_any_style_and_not_the_day_after(seed: int, days: int, style: int) -> None:
    day = date(2026, 1, 1) + timedelta(days=days)
    lines, ids = Writer(random.Random(seed)).planted(dated(day, style))
    document = laid_out(lines)

    citation = found(document, day.isoformat(), DATE)

    assert citation is not None
    assert set(citation.words) == ids
    assert found(document, (day + timedelta(days=1)).isoformat(), DATE) is None


@MANY
@given(SEEDS)
def test_of_equal_values_in_a_table_the_one_in_the_row_of_its_item_is_cited(seed: int) -> None:
    writer = Writer(random.Random(seed))
    names = [f"{writer.word()}{number}" for number in range(6)]
    lines = [[name, writer.chance.choice("12"), "9.90"] for name in names]
    document = laid_out(lines, columns=True)
    row = writer.chance.randrange(len(names))
    locator = Locator.of(document)

    name = locator.locate(names[row], STRING)
    assert name is not None
    quantity = locator.locate(int(lines[row][1]), NUMBER, near=[name])
    price = locator.locate(9.9, NUMBER, near=[name])

    assert quantity is not None
    assert price is not None
    assert (quantity.words, price.words) == ((f"p1.w{3 * row + 1}",), (f"p1.w{3 * row + 2}",))


def test_the_amount_beside_the_leafs_label_is_taken_before_an_earlier_one() -> None:
    document = laid_out([["Balance", "50.00"], ["Deposit", "50.00"], ["Fee", "50.00"]])

    assert found(
        document,
        50.0,
        compile_schema({"type": "object", "properties": {"deposit": {"type": "number"}}}).leaves[0],
    ).words == ("p1.w3",)


def test_a_word_that_is_hyphenated_over_two_lines_is_found() -> None:
    document = laid_out([["some", "inter-"], ["national", "parts"]])

    assert found(document, "international parts", STRING).words == ("p1.w1", "p1.w2", "p1.w3")


def test_a_name_goes_on_in_its_column_and_not_in_the_one_beside() -> None:
    document = laid_out([["Harbour", "Northern"], ["Street", "Lights"], ["Bakery", "Works"]], columns=True)

    assert found(document, "Harbour Street Bakery", STRING).words == ("p1.w0", "p1.w2", "p1.w4")


@pytest.mark.parametrize("value", ["15", "1.5", "1015", "150"])
def test_digits_of_two_columns_or_around_a_decimal_sign_are_not_joined(value: str) -> None:
    document = laid_out([["10", "15.0", "1", "5"]], columns=True)

    assert found(document, value, STRING) is None


def test_amount_that_ocr_misread_with_letters_is_a_fuzzy_match() -> None:
    citation = found(laid_out([["Total", "l19.O0"]], scanned=True), 119.0, NUMBER)

    assert citation is not None
    assert (citation.match, citation.quote) == ("fuzzy", "l19.O0")


def test_number_that_is_reckoned_cites_the_numbers_it_is_reckoned_from() -> None:
    locator = Locator.of(laid_out([["Rent", "900.00"], ["Heating", "120.50"], ["Total", "unknown"]]))

    parts = locator.inputs(1020.5, "Rent 900.00 Heating 120.50")

    assert [each.quote for each in parts] == ["900.00", "120.50"]
    assert locator.inputs(1020.6, "Rent 900.00 Heating 120.50") == ()


def test_truth_is_cited_by_the_answer_beside_its_label_or_by_its_quote() -> None:
    schema = {"type": "object", "properties": {"married": {"type": "boolean"}}}
    married = compile_schema(schema).leaves[0]
    document = laid_out([["Smoker:", "yes"], ["Married:", "yes"], ["They", "live", "abroad"]])

    assert found(document, True, married).words == ("p1.w3",)
    assert found(document, False, married) is None
    assert found(document, False, married, quote="They live abroad").quote == "They live abroad"


def test_sentence_with_markup_is_found_as_a_quote() -> None:
    locator = Locator.of(laid_out([["The", "lease", "ends", "in"], ["May", "2027,", "without", "notice."]]))

    citation = locator.quote("**The lease** ends in May 2027")

    assert citation is not None
    assert citation.quote == "The lease ends in May 2027,"
    assert locator.quote("The lease ends in May 2028") is None


def test_a_word_that_runs_up_the_page_is_found_too() -> None:
    document = laid_out([["Total", "119.00"], ["Harbour", "Street"]])
    (page,) = document.pages
    margin = Word(id="p1.w9", text="Archive-4711", box=(10, 100, 18, 200), confidence=1.0, line="p1.l9")
    turned = page.model_copy(update={"words": (*page.words, margin)})
    locator = Locator.of(document.model_copy(update={"pages": (turned,)}))

    citation = locator.locate("Archive-4711", STRING, near=[locator.locate(119.0, NUMBER)])

    assert citation is not None
    assert citation.words == ("p1.w9",)
    assert locator.locate("Archjve-4711", STRING).words == ("p1.w9",)
    assert locator.locate("Archive-4712", STRING) is None


def test_a_country_is_found_by_its_name_and_a_currency_by_its_sign() -> None:
    schema = {"type": "object", "properties": {"country": {"type": "string"}, "currency": {"type": "string"}}}
    country, currency = compile_schema(schema).leaves
    document = laid_out([["Leipzig", "Deutschland"], ["Total", "5.00", "\u20ac"]])

    assert found(document, "DE", country).words == ("p1.w1",)
    assert found(document, "EUR", currency).words == ("p1.w4",)
    assert found(document, "FR", country) is None
