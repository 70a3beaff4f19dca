"""Which engine is chosen, what is listed, and what choosing costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from affidavit.engine.errors import OcrUnavailable
from affidavit.engine.ocr import neural
from affidavit.engine.ocr.alphabet import LETTERS
from affidavit.engine.ocr.choice import EngineStatus, available, choose
from affidavit.engine.spec import OcrEngineName, OcrOptions

BOTH = [
    EngineStatus("ppocr", "1", available=True, languages=("deu", "eng")),
    EngineStatus("tesseract", "5", available=True, languages=("eng", "rus")),
]
WITHOUT_NEURAL = [
    EngineStatus("ppocr", None, available=False, languages=(), reason="rapidocr missing; install it"),
    BOTH[1],
]


@pytest.mark.parametrize(
    ("engine", "languages", "statuses", "chosen"),
    [
        ("auto", ("eng",), BOTH, "ppocr"),
        ("auto", ("eng", "deu"), BOTH, "ppocr"),
        ("auto", ("rus",), BOTH, "tesseract"),
        ("auto", ("eng",), WITHOUT_NEURAL, "tesseract"),
        ("tesseract", ("eng",), BOTH, "tesseract"),
        ("ppocr", ("eng",), BOTH, "ppocr"),
        ("null", ("eng",), BOTH, "null"),
    ],
)
def test_engine_is_chosen_by_what_it_reads(
    engine: str, languages: tuple[str, ...], statuses: list[EngineStatus], chosen: str
) -> None:
    options = OcrOptions(engine=OcrEngineName(engine), languages=languages)
    assert choose(options, statuses).name == chosen


@pytest.mark.parametrize(
    ("engine", "languages", "statuses", "says"),
    [
        ("auto", ("tha",), BOTH, "tha"),
        ("auto", ("deu", "rus"), BOTH, "rus"),
        ("ppocr", ("rus",), BOTH, "does not read rus"),
        ("ppocr", ("eng",), WITHOUT_NEURAL, "install it"),
        ("auto", ("deu",), WITHOUT_NEURAL, "does not read deu"),
    ],
)
def test_refusal_names_what_is_missing(
    engine: str, languages: tuple[str, ...], statuses: list[EngineStatus], says: str
) -> None:
    options = OcrOptions(engine=OcrEngineName(engine), languages=languages)
    with pytest.raises(OcrUnavailable, match=says):
        choose(options, statuses)


def test_what_is_listed_can_be_chosen() -> None:
    for status in available():
        assert status.available
        assert status.version
        for language in status.languages:
            options = OcrOptions(engine=OcrEngineName(status.name), languages=(language,))
            assert choose(options).supports((language,))


def test_same_engine_object_serves_every_request() -> None:
    options = OcrOptions(engine=OcrEngineName.PPOCR)
    assert choose(options) is choose(options)


def test_listing_and_choosing_load_no_runtime() -> None:
    code = (
        "import sys; from affidavit.engine.ocr import available, choose; available();"
        "sys.exit(' '.join({'cv2', 'onnxruntime', 'rapidocr', 'numpy'} & set(sys.modules)) or 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_models_dictionary_has_the_letters_of_every_language_it_is_said_to_read() -> None:
    home = neural.folder("rapidocr")
    assert home is not None
    model = neural.session("ppocr", home / "models" / "PP-OCRv6_rec_small.onnx")
    dictionary = set(model.get_modelmeta().custom_metadata_map["character"].splitlines())
    lacking = {
        language: missing
        for language, letters in LETTERS.items()
        if (missing := {*letters, *(up for up in map(str.upper, letters) if len(up) == 1)} - dictionary)
    }
    assert lacking == {}
