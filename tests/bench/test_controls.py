"""The negative controls still fit the code: each edit finds its text, each test is there."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
GUARDS = 12


@pytest.fixture(scope="module")
def controls() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        yield import_module("controls")
    finally:
        sys.path.remove(str(ROOT / "bench"))


def test_there_is_a_control_for_each_guard(controls: ModuleType) -> None:
    assert len({control.guard for control in controls.CONTROLS}) == GUARDS


def test_every_edit_finds_its_text_once(controls: ModuleType) -> None:
    found = {
        (control.guard, edit.path): (ROOT / edit.path).read_text().count(edit.old)
        for control in controls.CONTROLS
        for edit in control.edits
    }
    assert found == dict.fromkeys(found, 1)


def test_every_test_of_a_control_is_there(controls: ModuleType) -> None:
    for control in controls.CONTROLS:
        for test in control.tests:
            path, _, name = test.partition("::")
            assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), test
