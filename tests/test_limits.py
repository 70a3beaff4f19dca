"""docs/limits.md says what is so: settings, defaults, codes and the tests that hold them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from affidavit.api import problems
from affidavit.infra.walls import Walls
from affidavit.settings import Settings

ROOT = Path(__file__).parent.parent
ROWS = [
    [cell.strip() for cell in line.strip("|\n ").split("|")]
    for line in (ROOT / "docs" / "limits.md").read_text().splitlines()
    if line.startswith("|") and "`" in line
]
FIXED = {Walls().processes, Walls().file_size_bytes}


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_setting_has_the_default_that_the_table_tells(row: list[str]) -> None:
    _, setting, default, *_ = row
    if setting == "–":  # noqa: RUF001 - as the table writes it
        assert int(default) in FIXED
        return
    field = Settings.model_fields[setting.strip("`").removeprefix("AFFIDAVIT_").lower()]
    assert float(default) == field.default


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_code_is_one_that_callers_are_told_of(row: list[str]) -> None:
    assert row[3].strip("`") in problems.PROBLEMS


def test_no_two_limits_share_a_code() -> None:
    codes = [row[3] for row in ROWS]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_tests_that_hold_the_limit_are_there(row: list[str]) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[4])
    assert named
    for file, function in named:
        assert re.search(rf"^(async )?def {function}\(", (ROOT / file).read_text(), re.MULTILINE), function


def test_settings_that_bound_a_child_are_in_the_table() -> None:
    told = {row[1].strip("`") for row in ROWS}
    bounds = {name for name in Settings.model_fields if name.startswith(("sandbox_", "task_"))}
    assert {f"AFFIDAVIT_{name.upper()}" for name in bounds - {"sandbox_user"}} <= told
