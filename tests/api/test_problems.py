"""The table of codes is whole: every error of the code has its line, and the page says the same."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import affidavit
from affidavit.api import error_page
from affidavit.api.problems import JOB_CODES, PROBLEMS, RESPONSE_CODES
from affidavit.engine.errors import EngineError
from affidavit.errors import ServiceError
from affidavit.infra.fetch_errors import FetchError
from affidavit.infra.sandbox import FAILURES

SOURCE = Path(affidavit.__file__).parent
DOCS = Path(__file__).parents[2] / "docs"


def classes(root: type) -> Iterator[type]:
    yield root
    for child in root.__subclasses__():
        yield from classes(child)


def codes_passed() -> set[str]:
    """Return every text passed as `code=` anywhere on the server; checks of bundles have their own."""
    files = [path for path in SOURCE.rglob("*.py") if not {"client", "bundle"} & set(path.parts)]
    calls = [
        node for path in files for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
    ]
    given = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "code"]
    texts = {value.value for value in given if isinstance(value, ast.Constant)}
    return {text for text in texts if isinstance(text, str) and text.isupper()}


def test_every_error_class_has_a_line_in_the_table() -> None:
    found = {each.code for root in (ServiceError, EngineError, FetchError) for each in classes(root)}

    assert found <= PROBLEMS.keys()


def test_every_code_that_is_passed_has_a_line_in_the_table() -> None:
    assert codes_passed() | {failure.code for failure in FAILURES.values()} <= PROBLEMS.keys()


def test_every_line_of_the_table_is_used() -> None:
    used = {each.code for root in (ServiceError, EngineError, FetchError) for each in classes(root)}
    used |= codes_passed() | {failure.code for failure in FAILURES.values()} | {"INTERNAL_ERROR"}

    assert PROBLEMS.keys() <= used


def test_errors_of_engine_and_fetching_are_codes_of_jobs() -> None:
    about_documents = {each.code for root in (EngineError, FetchError) for each in classes(root)}

    assert about_documents | {failure.code for failure in FAILURES.values()} <= set(JOB_CODES)


def test_every_status_is_one_of_an_error() -> None:
    assert all(400 <= (PROBLEMS[code].status or 0) < 600 for code in RESPONSE_CODES)


def test_page_of_errors_is_made_from_the_table() -> None:
    assert (DOCS / "errors.md").read_text() == error_page.render()
