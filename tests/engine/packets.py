"""Packets of documents with known boundaries, made from a seed: what splitting is developed and tested on.

Each document has a company with words, a language, a layout, and a way to number its pages of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pymupdf

A4, LETTER, SLIP = (595.0, 842.0), (612.0, 792.0), (260.0, 620.0)
LINE = 1.35  # of the size of print


@dataclass(frozen=True)
class Packet:
    """A file, the first page of each document in it, each document's kind, and what else it holds."""

    pdf: bytes
    starts: tuple[int, ...]
    kinds: tuple[str, ...]
    blank: tuple[int, ...]
    separators: tuple[int, ...]
    pages: int


@dataclass(frozen=True)
class Language:
    page: str
    of: str
    titles: dict[str, str]
    number: dict[str, str]
    date: str
    columns: tuple[str, str, str]
    total: str
    carried: tuple[str, str]
    dear: str
    regards: str
    small: str


LANGUAGES = (
    Language(
        "Page",
        "of",
        {
            "invoice": "Invoice",
            "delivery_note": "Delivery Note",
            "purchase_order": "Purchase Order",
            "bank_statement": "Account Statement",
            "contract": "Service Agreement",
            "report": "Inspection Report",
            "resume": "Curriculum Vitae",
            "form": "Application Form",
            "receipt": "RECEIPT",
            "credit_note": "Credit Note",
        },
        {
            "invoice": "Invoice number",
            "delivery_note": "Delivery note no.",
            "purchase_order": "PO number",
            "bank_statement": "Account number",
            "contract": "Contract no.",
            "report": "Report no.",
            "credit_note": "Credit note number",
        },
        "Date",
        ("Description", "Quantity", "Amount"),
        "Total",
        ("Carried forward", "Brought forward"),
        "Dear Ms Archer,",
        "Yours sincerely",
        "the of and to in for with that this from are",
    ),
    Language(
        "Seite",
        "von",
        {
            "invoice": "Rechnung",
            "delivery_note": "Lieferschein",
            "purchase_order": "Bestellung",
            "bank_statement": "Kontoauszug",
            "contract": "Dienstleistungsvertrag",
            "report": "Prüfbericht",
            "resume": "Lebenslauf",
            "form": "Antrag",
            "receipt": "QUITTUNG",
            "credit_note": "Gutschrift",
        },
        {
            "invoice": "Rechnungsnummer",
            "delivery_note": "Lieferschein-Nr.",
            "purchase_order": "Bestellnummer",
            "bank_statement": "Kontonummer",
            "contract": "Vertragsnummer",
            "report": "Berichtsnummer",
            "credit_note": "Gutschriftsnummer",
        },
        "Datum",
        ("Bezeichnung", "Menge", "Betrag"),
        "Gesamtbetrag",
        ("Übertrag", "Übertrag"),
        "Sehr geehrte Frau Bogner,",
        "Mit freundlichen Grüßen",
        "der die das und mit von zu den ist nicht auf",
    ),
    Language(
        "Page",
        "sur",
        {
            "invoice": "Facture",
            "delivery_note": "Bon de livraison",
            "purchase_order": "Bon de commande",
            "bank_statement": "Relevé de compte",
            "contract": "Contrat de prestation",
            "report": "Rapport",
            "resume": "Curriculum vitae",
            "form": "Formulaire",
            "receipt": "REÇU",
            "credit_note": "Avoir",
        },
        {
            "invoice": "Numéro de facture",
            "delivery_note": "Bon n°",
            "purchase_order": "Commande n°",
            "bank_statement": "Compte n°",
            "contract": "Contrat n°",
            "report": "Rapport n°",
            "credit_note": "Avoir n°",
        },
        "Date",
        ("Désignation", "Quantité", "Montant"),
        "Total TTC",
        ("À reporter", "Report 120,00"),
        "Madame, Monsieur,",
        "Cordialement",
        "le la les des et dans pour avec que sur une est",
    ),
    Language(
        "Página",
        "de",
        {
            "invoice": "Factura",
            "delivery_note": "Albarán",
            "purchase_order": "Pedido",
            "bank_statement": "Extracto de cuenta",
            "contract": "Contrato de servicios",
            "report": "Informe",
            "resume": "Currículum",
            "form": "Solicitud",
            "receipt": "RECIBO",
            "credit_note": "Nota de crédito",
        },
        {
            "invoice": "Número de factura",
            "delivery_note": "Albarán n°",
            "purchase_order": "Pedido n°",
            "bank_statement": "Cuenta n°",
            "contract": "Contrato n°",
            "report": "Informe n°",
            "credit_note": "Nota n°",
        },
        "Fecha",
        ("Descripción", "Cantidad", "Importe"),
        "Total",
        ("Suma y sigue", "Suma anterior"),
        "Estimada señora:",
        "Atentamente",
        "el la los las y de en para con que por una",
    ),
)

SYLLABLES = [
    *[
        "ba",
        "ce",
        "di",
        "fo",
        "gu",
        "ha",
        "je",
        "ki",
        "lo",
        "mu",
        "na",
        "pe",
        "ro",
        "su",
        "ta",
        "ve",
        "wi",
        "xo",
        "zu",
        "bra",
        "cle",
        "flo",
        "gra",
        "pla",
        "tre",
        "mer",
        "lin",
    ]
]
NUMBERINGS = ("none", "none", "of", "slash", "named", "bare", "dashes", "later", "top_of")


@dataclass
class Style:
    """How one document looks, and who sent it."""

    random: random.Random
    language: Language
    company: str
    town: str
    words: list[str]
    size: tuple[float, float]
    font: str
    bold: str
    print_size: float
    margin: float
    numbering: str
    letterhead: str
    running: bool
    foot: str

    @classmethod
    def pick(cls, rng: random.Random, size: tuple[float, float] | None = None) -> Style:
        font, bold = rng.choice((("helv", "hebo"), ("tiro", "tibo"), ("cour", "cobo")))
        words = [_word(rng) for _ in range(90)]
        return cls(
            rng,
            rng.choice(LANGUAGES),
            f"{_word(rng).title()} {_word(rng).title()} {rng.choice(('GmbH', 'Ltd', 'SARL', 'SL'))}",
            f"{rng.randint(10000, 99999)} {_word(rng).title()}",
            words,
            size or rng.choice((A4, A4, LETTER)),
            font,
            bold,
            rng.choice((9.0, 10.0, 11.0)),
            rng.choice((45.0, 60.0, 72.0)),
            rng.choice(NUMBERINGS),
            rng.choice(("first", "first", "all", "none")),
            rng.random() < 0.4,
            rng.choice(("all", "first", "none")),
        )

    def sentence(self, count: int) -> str:
        small = self.language.small.split()
        words = [
            self.random.choice(self.words if self.random.random() < 0.6 else small) for _ in range(count)
        ]
        return " ".join(words)


def _word(rng: random.Random) -> str:
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 4)))


Drawn = tuple[float, float, str, float, str]  # left, baseline, text, size of print, font


@dataclass
class Sheet:
    """Writes lines down the pages of one document, with heads and feet, and starts pages as they fill."""

    pdf: pymupdf.Document
    style: Style
    title: str
    reference: str
    pages: list[list[Drawn]] = field(default_factory=list)
    y: float = 0.0

    def page(self) -> None:
        self.pages.append([])
        first = len(self.pages) == 1
        self.y = 50.0
        if self.style.letterhead == "all" or (first and self.style.letterhead == "first"):
            self.put(self.style.company, size=16, bold=True)
            self.put(f"{self.style.words[0].title()} 12 · {self.style.town}", size=8)
            self.y += 12
        elif not first and self.style.running:
            self.put(f"{self.title} {self.reference}", size=8)
            self.y += 8
        if self.style.foot == "all" or (first and self.style.foot == "first"):
            text = f"{self.style.company} · {self.style.town} · IBAN XX{sum(map(ord, self.style.company))}"
            self.pages[-1].append((self.style.margin, self.style.size[1] - 45, text, 7, self.style.font))

    def put(self, *cells: str, size: float | None = None, bold: bool = False, at: float = 0.0) -> None:
        size = size or self.style.print_size
        if not self.pages or self.y > self.style.size[1] - 75:
            self.page()
        width = self.style.size[0] - 2 * self.style.margin
        for index, text in enumerate(cells):
            x = self.style.margin + at + index * width / max(1, len(cells))
            font = self.style.bold if bold else self.style.font
            self.pages[-1].append((x, self.y, text, size, font))
        self.y += size * LINE

    def prose(self, words: int) -> None:
        per_line = max(4, int((self.style.size[0] - 2 * self.style.margin) / (self.style.print_size * 3.6)))
        text = self.style.sentence(words).split()
        for start in range(0, len(text), per_line):
            line = " ".join(text[start : start + per_line])
            line = line.capitalize() if start == 0 else line
            self.put(line + ("." if start + per_line >= len(text) else ""))
        self.y += 6

    def number(self) -> None:
        """Write the page numbers, once it is known how many pages there are."""
        total, language = len(self.pages), self.style.language
        for index, page in enumerate(self.pages, start=1):
            text = {
                "of": f"{language.page} {index} {language.of} {total}",
                "top_of": f"{language.page} {index} {language.of} {total}",
                "slash": f"{index} / {total}",
                "named": f"{language.page} {index}",
                "bare": str(index),
                "dashes": f"- {index} -",
                "later": f"{language.page} {index}" if index > 1 else "",
                "none": "",
            }[self.style.numbering]
            y = 30 if self.style.numbering == "top_of" else self.style.size[1] - 25
            page.append((self.style.size[0] / 2 - 20, y, text, 8, self.style.font))


def _head(sheet: Sheet, kind: str) -> None:
    style, rng = sheet.style, sheet.style.random
    sheet.put(f"{_word(rng).title()} {_word(rng).title()}")
    sheet.put(f"{style.words[1].title()} {rng.randint(1, 99)}")
    sheet.put(f"{rng.randint(10000, 99999)} {_word(rng).title()}")
    sheet.y += 20
    label = style.language.number.get(kind)
    if label:
        sheet.put(f"{label}: {sheet.reference}", at=200)
    sheet.put(f"{style.language.date}: {rng.randint(1, 28):02d}.{rng.randint(1, 12):02d}.2025", at=200)
    sheet.y += 14
    sheet.put(sheet.title, size=style.print_size * rng.choice((1.0, 1.5, 1.9)), bold=True)
    sheet.y += 8


def _goods(sheet: Sheet, kind: str) -> None:
    style, rng = sheet.style, sheet.style.random
    _head(sheet, kind)
    has_money = kind != "delivery_note"
    columns = style.language.columns if has_money else style.language.columns[:2]
    carries = rng.random() < 0.3
    sheet.put(*columns, bold=True)
    pages = len(sheet.pages)
    for _ in range(rng.choice((4, 8, 15, 45, 80, 110))):
        if carries and sheet.y > style.size[1] - 90:
            sheet.put(style.language.carried[0], f"{rng.randint(100, 9999)},00")
            sheet.y = style.size[1]
        cells = (
            style.sentence(3),
            str(rng.randint(1, 40)),
            f"{rng.randint(5, 900)},{rng.randint(0, 99):02d}",
        )
        sheet.put(*cells[: len(columns)])
        if len(sheet.pages) > pages:
            pages = len(sheet.pages)
            if rng.random() < 0.6:
                sheet.put(*columns, bold=True)
    if has_money:
        sheet.put(style.language.total, "", f"{rng.randint(1000, 90000)},00", bold=True)
    sheet.y += 10
    sheet.prose(20)


def _letter(sheet: Sheet, kind: str) -> None:
    _head(sheet, kind)
    sheet.put(sheet.style.language.dear)
    for _ in range(sheet.style.random.randint(2, 9)):
        sheet.prose(70)
    sheet.put(sheet.style.language.regards)
    sheet.put(sheet.style.words[3].title())


def _long(sheet: Sheet, kind: str) -> None:
    style, rng = sheet.style, sheet.style.random
    sheet.put(sheet.title, size=18, bold=True)
    if kind in style.language.number and rng.random() < 0.6:
        sheet.put(f"{style.language.number[kind]}: {sheet.reference}")
    sheet.put(style.company)
    sheet.y += 20
    for section in range(1, rng.randint(4, 12)):
        sheet.put(f"{section}. {style.sentence(2).title()}", size=style.print_size * 1.3, bold=True)
        for _ in range(rng.randint(1, 4)):
            sheet.prose(80)


def _resume(sheet: Sheet, kind: str) -> None:
    style, rng = sheet.style, sheet.style.random
    sheet.put(sheet.title, size=20, bold=True)
    sheet.put(f"{style.words[2].title()} {style.words[4].title()}", size=14)
    for year in range(2024, 2024 - 2 * rng.randint(5, 16), -2):
        sheet.put(f"{year - 2} - {year}", style.sentence(4))
        sheet.prose(25)


def _form(sheet: Sheet, kind: str) -> None:
    style = sheet.style
    sheet.put(sheet.title, size=16, bold=True)
    sheet.put(style.company)
    for _ in range(style.random.randint(12, 50)):
        sheet.put(f"{style.sentence(2).capitalize()}: ______", f"[ ] {style.sentence(1)}")
        sheet.y += 8


def _slip(sheet: Sheet, kind: str) -> None:
    style, rng = sheet.style, sheet.style.random
    sheet.put(style.company, size=12, bold=True)
    sheet.put(style.town)
    sheet.put(sheet.title, bold=True)
    for _ in range(rng.randint(3, 14)):
        sheet.put(style.sentence(1), f"{rng.randint(1, 30)},{rng.randint(0, 99):02d}")
    sheet.put(style.language.total, f"{rng.randint(20, 300)},00", bold=True)


def _draw(sheet: Sheet) -> None:
    """Write the pages, each at once: text by text takes ten times as long."""
    width, height = sheet.style.size
    for drawn in sheet.pages:
        shape = sheet.pdf.new_page(width=width, height=height).new_shape()
        for x, y, text, size, font in drawn:
            shape.insert_text((x, y), text, fontsize=size, fontname=font)
        shape.commit()


KINDS: dict[str, Callable[[Sheet, str], None]] = {
    "invoice": _goods, "credit_note": _goods, "delivery_note": _goods, "purchase_order": _goods,
    "bank_statement": _goods, "letter": _letter, "contract": _long, "report": _long, "resume": _resume,
    "form": _form, "receipt": _slip,
}  # fmt: skip


def add_document(pdf: pymupdf.Document, rng: random.Random, kind: str, like: Style | None = None) -> Style:
    """Write a document of `kind` to the end of `pdf`; `like` is another one's company and layout."""
    style = like or Style.pick(rng, SLIP if kind == "receipt" else None)
    title = style.language.titles.get(kind, style.sentence(3).capitalize())
    sheet = Sheet(pdf, style, title, f"{rng.choice('ABRT')}{rng.randint(10000, 99999)}")
    KINDS[kind](sheet, kind)
    sheet.number()
    _draw(sheet)
    return style


def single(kind: str, seed: int) -> bytes:
    """Return one document of `kind`."""
    pdf = pymupdf.open()
    add_document(pdf, random.Random(f"{kind}{seed}"), kind)
    return bytes(pdf.tobytes(deflate=True, no_new_id=True))


def packet(
    seed: int, *, documents: int | None = None, blanks: float = 0.15, separators: float = 0.0
) -> Packet:
    """Return a packet of 3 to 8 documents; `blanks` and `separators` are chances of one between two.

    One document in four comes from the sender of the one before it, in the same layout.
    """
    rng = random.Random(seed)
    pdf = pymupdf.open()
    starts, kinds, blank, parted = [], [], [], []
    style: Style | None = None
    for index in range(documents or rng.randint(3, 8)):
        if index and rng.random() < blanks:
            pdf.new_page(width=A4[0], height=A4[1])
            blank.append(pdf.page_count)
        if index and rng.random() < separators:
            pdf.new_page(width=A4[0], height=A4[1]).insert_text((200, 400), "SEPARATOR", fontsize=30)
            parted.append(pdf.page_count)
        starts.append(pdf.page_count + 1)
        kind = kinds[-1] if style and rng.random() < 0.25 else rng.choice(list(KINDS))
        again = style if kinds and kind == kinds[-1] else None
        style = add_document(pdf, rng, kind, again)
        kinds.append(kind)
    data = bytes(pdf.tobytes(deflate=True, no_new_id=True))
    return Packet(data, tuple(starts), tuple(kinds), tuple(blank), tuple(parted), pdf.page_count)


def f1(found: Sequence[set[int]], wanted: Sequence[set[int]]) -> float:
    """Return the F1 of boundaries over packets, the first page of each left out."""
    right = sum(len(a & b) for a, b in zip(found, wanted, strict=True))
    return 2 * right / max(1, sum(map(len, found)) + sum(map(len, wanted)))


def many(count: int, first: int = 0) -> Iterator[Packet]:
    return (packet(seed) for seed in range(first, first + count))
