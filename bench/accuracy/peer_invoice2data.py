"""Run invoice2data with the templates that come with it. Runs in an environment of its own, which has it.

Standard input has a file's name a line, standard output one JSON object a line: what it found, or {}.
"""

from __future__ import annotations

import json
import logging
import sys

from invoice2data import extract_data
from invoice2data.extract.loader import read_templates


def main() -> None:
    logging.disable(logging.CRITICAL)
    templates = read_templates()
    for line in sys.stdin:
        try:
            found = extract_data(line.strip(), templates=templates) or {}
        except Exception:  # noqa: BLE001 - whatever it stumbles over, the document gave nothing
            found = {}
        print(json.dumps(found, default=lambda value: str(value)[:10]), flush=True)


if __name__ == "__main__":
    main()
