"""Languages that PP-OCR is said to read, each with a line that uses its own letters."""

from __future__ import annotations

import functools

import pymupdf
import pytest
from PIL import Image

from affidavit.engine.ocr.alphabet import LETTERS
from affidavit.engine.ocr.ppocr import PpOcr

ENOUGH = 0.85  # share of the words of a clean line that come out letter for letter
LINES = {
    "cat": "Jove xef, porti whisky amb quinze glaçons d'hidrogen, coi! col·lecció",
    "chi_sim": "发票总金额包括增值税和运费",
    "chi_tra": "發票總金額包括增值稅和運費",
    "dan": "Quizdeltagerne spiste jordbær med fløde mens cirkusklovnen på Åen",
    "deu": "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich",
    "est": "Põdur Zagrebi tšellomängija-följetonist Ciqo külmetas kehvas garaažis",
    "fin": "Törkylempijävongahdus hyvää päivää",
    "fra": "Portez ce vieux whisky au juge blond qui fume là-bas, où le cœur naît, ça et là",
    "hrv": "Gojazni đačić s biciklom drži hmelj i finu vatu u džepu",
    "hun": "Árvíztűrő tükörfúrógép több hosszúzsindelyes",
    "isl": "Kæmi ný öxi hér ykist þjófum nú bæði víl og ádrepa",
    "jpn": "請求書の合計金額は消費税を含みます",
    "lav": "Glāžšķūņu rūķīši dzērumā čiepj Baha koncertflīģeļu vākus",
    "lit": "Įlinkdama fechtuotojo špaga sublykčiojusi pragręžė apvalų arbūzą",
    "mlt": "Ħaġar Qim żgħir ċavetta ġnien",
    "pol": "Zażółć gęślą jaźń pchnąć w tę łódź jeża",
    "por": "À noite, vovô Kowalsky vê o ímã cair no pé do pinguim e vovó põe açúcar",
    "ron": "Gheorghe, obezul, a reușit să obțină jucându-se un flux în țară și mâine",
    "spa": "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia ¿qué año?",
    "sqi": "Unë mund të ha qelq dhe nuk më gjen gjë çdo",
    "swe": "Flygande bäckasiner söka hwila på mjuka tuvor ö",
    "tur": "Pijamalı hasta yağız şoföre çabucak güvendi İstanbul ığdır",  # noqa: RUF001 - the dotless i is meant
}


@functools.cache
def reader() -> PpOcr:
    return PpOcr()


def printed(line: str) -> Image.Image:
    page = pymupdf.open().new_page(width=600, height=60)
    page.insert_htmlbox(pymupdf.Rect(20, 15, 580, 50), f'<span style="font-size:11px">{line}</span>')
    raster = page.get_pixmap(dpi=200)
    return Image.frombytes("RGB", (raster.width, raster.height), raster.samples)


@pytest.mark.parametrize("language", LINES)
def test_language_that_is_claimed_is_read(language: str) -> None:
    assert language in LETTERS
    found = [word.text for word in reader().read(printed(LINES[language]), (language,))]
    expected = LINES[language].split()
    assert sum(word in found for word in expected) >= ENOUGH * len(expected)


@pytest.mark.parametrize("language", ["ces", "ell", "rus", "slk", "vie"])
def test_language_that_is_read_badly_is_not_claimed(language: str) -> None:
    assert not reader().supports((language,))
