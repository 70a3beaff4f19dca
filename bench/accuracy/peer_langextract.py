"""Align values with a text by langextract's aligner. Runs in an environment of its own, which has it.

Standard input has one JSON object a line, `{"text": ..., "values": [...]}`, standard output one JSON array a
line: for each value `[start, end]` in the text, or null.
"""

from __future__ import annotations

import json
import sys

from langextract.core.data import Extraction
from langextract.resolver import WordAligner


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        values = [Extraction("value", value) for value in asked["values"]]
        aligned = WordAligner().align_extractions([values], asked["text"])[0]
        places = [
            [each.char_interval.start_pos, each.char_interval.end_pos] if each.char_interval else None
            for each in aligned
        ]
        print(json.dumps(places), flush=True)


if __name__ == "__main__":
    main()
