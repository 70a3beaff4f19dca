"""Write HTML out of texts that nobody trusts: what is not `Html` is escaped wherever it goes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from html import escape as _escape
from typing import Final

VOID: Final = frozenset({"br", "img", "meta"})
# Letters of some scripts need the joiners; a soft hyphen shows itself where it breaks a line.
HARMLESS: Final = frozenset("\n\t\u00ad\u200c\u200d")
TIME: Final = re.compile(r"([0-9-]{10})T([0-9:]{8})(?:\.[0-9]+)?Z")
HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


class Html(str):
    """Markup that may stand in the page as it is."""

    __slots__ = ()


def escape(text: str) -> Html:
    """Return the text as markup. What turns or hides text is spelled out, as in `[U+202E]`."""
    if text.isprintable():
        return Html(_escape(text))
    return Html("".join(map(_spelled, _escape(text))))


def tag(name: str, /, *children: str, **attributes: str | int | None) -> Html:
    """Return an element. Attributes lose a `_` at their end, and `_` within is `-`; None leaves one out."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Html(f"<{name}{said}>")
    return Html(f"<{name}{said}>{join(children)}</{name}>")


def join(parts: Iterable[str]) -> Html:
    """Return the parts one after the other."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def shortened(text: str, limit: int) -> str:
    """Return at most `limit` characters, and how many were left out."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit:,} more characters)"


def spelled_time(value: object) -> str:
    """Return `2026-11-22T14:00:00.000000Z` as `2026-11-22 14:00:00 UTC`, and any other text shortened."""
    text = shortened(value, 100) if isinstance(value, str) else ""
    found = TIME.fullmatch(text)
    return f"{found[1]} {found[2]} UTC" if found else text


def _spelled(char: str) -> str:
    if char in HARMLESS or unicodedata.category(char) not in HIDDEN:
        return char
    return f"[U+{ord(char):04X}]"
