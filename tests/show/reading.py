"""Read a page as a browser would: its elements, ids, links and texts."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from affidavit.bundle import keys
from affidavit.bundle.trust import Trust
from affidavit.show.command import examine
from affidavit.show.page import Chosen
from tests.show.making import Key

VOID = {"meta", "img", "br"}
KEY = Key()
CITED = Chosen()


@dataclass
class Page(HTMLParser):
    """What stands on a page. `text` is all that can be read; style and script are apart."""

    source: str
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    inline: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[str] = []
        self._texts: list[str] = []
        self.feed(self.source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in {"style", "script"}:
            self.inline[self._open[-1]] = data
        else:
            self._texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    @property
    def links(self) -> list[str]:
        return [attributes["href"] for _, attributes in self.elements if "href" in attributes]

    @property
    def images(self) -> list[str]:
        return [attributes["alt"] for attributes in self.all("img")]

    @property
    def tone(self) -> str:
        (body,) = self.all("body")
        return body["class"]


def shown(bundle: bytes, *, key: Key | None = KEY, pages: Chosen = CITED, name: str = "bundle.zip") -> Page:
    """Return the page of a bundle, checked with a key."""
    trust = Trust(keys.parse(key.pem())) if key else Trust()
    _, pieces = examine(io.BytesIO(bundle), name, trust, pages)
    return read("".join(pieces))


def read(source: str) -> Page:
    """Return what stands on a page."""
    return Page(source)


def assert_closed(page: Page) -> None:
    """Nothing on the page comes from elsewhere, runs what a bundle says, or leads away."""
    for name, attributes in page.elements:
        assert not any(attribute.startswith("on") or attribute == "style" for attribute in attributes), name
        for attribute in ("src", "href", "srcset", "action", "data", "poster"):
            assert re.match(r"#|data:image/webp;base64,[A-Za-z0-9+/=]+$", attributes.get(attribute, "#"))
    names = [name for name, _ in page.elements]
    assert (names.count("script"), names.count("style")) == (1, 1)
    assert not {"iframe", "object", "embed", "form", "link", "base", "foreignobject", "use"} & set(names)
