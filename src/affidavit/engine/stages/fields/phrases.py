"""Spell labels so that two ways to print the same one are equal."""

from __future__ import annotations

import re

from affidavit.engine.stages.values.folding import fold

_LEFT_OUT = re.compile(r"[^\w#%]+|_")


def label_key(text: str) -> str:
    """Return the folded letters, digits, `#` and `%` of `text`; `Rechnungs-Nr.:` is `rechnungsnr`."""
    return _LEFT_OUT.sub("", fold(text))
