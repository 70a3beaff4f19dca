"""Look at the readers of images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from affidavit.doctor.finding import Finding, judged, ok, warn
from affidavit.engine.ocr import available, orientation, reader_programs

PART: Final = "ocr"
MOST_SHOWN: Final = 12


def examine() -> list[Finding]:
    """Say which readers can be used, in which version and for which languages."""
    statuses = available()
    found = [
        ok(PART, f"{each.name} {each.version}: {_listed(each.languages)}")
        if each.available
        else ok(PART, f"{each.name} is not here: {each.reason}")
        for each in statuses
    ]
    if not any(each.available for each in statuses):
        remedy = "pip install 'affidavit[server,ocr-neural]', or install tesseract-ocr."
        found.append(warn(PART, "there is no reader: pages without a text layer cannot be read", remedy))
    has_model = orientation.is_available()
    told = f"orientation: {'its own model' if has_model else 'by Tesseract, if it has the model osd'}"
    return [*found, ok(PART, told), *_scripts(reader_programs())]


def _listed(languages: tuple[str, ...]) -> str:
    shown = ", ".join(languages[:MOST_SHOWN])
    more = len(languages) - MOST_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _scripts(programs: tuple[Path, ...]) -> Iterator[Finding]:
    for program in programs:
        with program.open("rb") as file:
            is_script = file.read(2) == b"#!"
        if is_script:
            yield judged(
                PART,
                f"{program.name} is a script",
                is_well=False,
                remedy="Put the program itself first in PATH: no shell runs behind the walls.",
            )
