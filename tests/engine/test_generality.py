"""The rules know kinds of documents, not documents: nothing in the engine names a party of public sets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import affidavit.engine

# Who writes and who gets the documents of the sets in docs/benchmarks.md, and the names of these sets, each
# in the spelling that no other word has.
NAMES = (
    "au bon moulin",
    "bei spiel gmbh",
    "beispielmieter",
    "dell",
    "e-luscious",
    "global supplies",
    "grundbesitz",
    "h[oô]tel saint denis",
    "jpmorgan",
    "bank of america",
    "amazon",
    "kunden ag",
    "lieferant gmbh",
    "liselotte",
    "ma jolie",
    "max mustermann",
    "me gusta",
    "metallbau leipzig",
    "muster-?kunde",
    "muster-?autovermietung",
    "musterlieferant",
    "musterhafter",
    "oyo",
    "physiotherapeutin",
    "qualityhosting",
    "rohstoff ag",
    "saeco",
    "sammy maystone",
    "taxi-gast",
    "taxiunternehmen",
    "theodor est",
    "thor industries",
    "extract_?bench",
    "invoice2data",
    "zugferd",
    "factur-?x",
)
FOUND = re.compile(rf"(?<!\w)(?:{'|'.join(NAMES)})(?!\w)", re.IGNORECASE)


def test_no_rule_names_a_party_or_a_set_of_documents() -> None:
    root = Path(affidavit.engine.__file__).parent
    files = [path for path in root.rglob("*") if path.suffix in {".py", ".toml", ".json", ".txt"}]
    assert len(files) > 100
    named = {
        str(path.relative_to(root)): found for path in files if (found := FOUND.findall(path.read_text()))
    }
    assert named == {}


@pytest.mark.parametrize("text", ['SELLER = "Lieferant GmbH"', "# as Zugferd has it", "oyo = 3"])
def test_the_search_finds_what_it_looks_for(text: str) -> None:
    assert FOUND.search(text) is not None
