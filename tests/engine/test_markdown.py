"""Every word can be taken back from its range, whatever characters it is made of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from affidavit.engine.result import BlockType
from affidavit.engine.stages.draft import BlockDraft, CellDraft, TableDraft
from affidavit.engine.stages.markdown import Written, escape, unescape, write
from affidavit.engine.stages.token import Token
from tests.documents import invoice_pdf, text_pdf
from tests.engine.reading import only_page

texts = st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=12)
marks = st.text(st.sampled_from(list("\\`*_[]()<>#+-.!|~&;1a")), min_size=1, max_size=6)
words = st.one_of(texts, marks)


def _tokens(found: list[str]) -> list[Token]:
    return [Token(text, 0, 0, 1, 1, 10.0, 0) for text in found]


def _written(found: list[str], kind: BlockType, per_line: int = 3) -> Written:
    indices = range(len(found))
    lines = tuple(tuple(indices[at : at + per_line]) for at in range(0, len(found), per_line))
    return write([BlockDraft(kind, lines, 2)], _tokens(found))


@given(words)
def test_escaped_word_is_taken_back(word: str) -> None:
    assert unescape(escape(word)) == word


@given(st.lists(words, min_size=1, max_size=12), st.sampled_from([BlockType.PARAGRAPH, BlockType.HEADING]))
def test_range_of_a_word_holds_its_text(found: list[str], kind: BlockType) -> None:
    written = _written(found, kind)
    for index, text in enumerate(found):
        shown = unescape(written.markdown[slice(*written.words[index])])
        assert text in shown or shown.startswith(text[:-1]) or shown.endswith(text)


@given(st.lists(words, min_size=4, max_size=4))
def test_cell_holds_its_words_and_breaks_no_column(found: list[str]) -> None:
    cells = tuple(CellDraft(n // 2, n % 2, 1, 1, (0, 0, 1, 1), ((n,),)) for n in range(4))
    table = TableDraft((0, 0, 1, 1), 2, 2, cells)
    written = write([BlockDraft(BlockType.TABLE, (), table=table)], _tokens(found))
    header, rule, row = written.markdown.split("\n")
    assert rule == "| --- | --- |"
    for line in (header, row):
        assert len(line.replace("\\\\", "").replace("\\|", "").split("|")) == 4
    for index, cell in enumerate(cells):
        start, end = written.cells[id(cell)]
        assert unescape(written.markdown[start:end]) == found[index]


def test_line_that_looks_like_markup_stays_text() -> None:
    page = only_page(text_pdf("# no heading\n> no quote\n--- \n*stars* and _lines_\nsnake_case <b>"))
    assert page.markdown.splitlines() == [
        "\\# no heading",
        "\\> no quote",
        "\\---",
        "\\*stars\\* and \\_lines\\_",
        "snake_case \\<b>",
    ]


def test_hyphenated_word_is_joined_and_both_halves_point_at_it() -> None:
    page = only_page(text_pdf("This is an exam-\nple of it"))
    assert page.markdown == "This is an example\nof it"
    halves = [word for word in page.words if word.text in {"exam-", "ple"}]
    assert [page.markdown[slice(*half.range)] for half in halves if half.range] == ["example", "example"]


def test_numbers_and_names_keep_their_hyphen_at_a_line_end() -> None:
    assert (
        only_page(text_pdf("See INV-\n2026 and Smith-\nJones")).markdown == "See INV-\n2026 and Smith-\nJones"
    )


def test_blocks_and_cells_of_a_page_are_where_their_ranges_say() -> None:
    page = only_page(invoice_pdf())
    for cell in page.tables[0].cells:
        assert cell.range is not None
        assert page.markdown[slice(*cell.range)] == cell.text
    assert "\n\n".join(page.markdown[slice(*block.range)] for block in page.blocks) == page.markdown
