"""The page of every published vector says what the verifier is to say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from affidavit.show.command import main
from tests.conftest import ROOT
from tests.show.reading import assert_closed, read

VECTORS = ROOT / "docs" / "vectors"
BUNDLES = [
    each for each in json.loads((VECTORS / "vectors.json").read_text()) if each["file"].endswith(".zip")
]
SAID = {
    0: "Nothing is wrong",
    1: "Broken: do not rely on this bundle.",
    2: "The file could not be read as a bundle.",
    3: "Not proven",
}


@pytest.mark.parametrize("vector", BUNDLES, ids=[each["file"] for each in BUNDLES])
def test_the_page_says_what_the_verifier_says(vector: dict[str, str], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    trusted = [
        argument
        for option, name in (("--key", vector["keys"]), ("--authority", vector["authority"]))
        if name
        for argument in (option, str(VECTORS / name))
    ]

    status = main([str(VECTORS / vector["file"]), "-o", str(page), *trusted])

    shown = read(page.read_text())
    assert status == vector["exit"]
    assert [number for number, said in SAID.items() if said in shown.text] in ([status], [1, 2])
    assert_closed(shown)
