"""Read images with PP-OCRv6 small, by the models and the code of the `rapidocr` wheel."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

from affidavit.engine.errors import EngineError, OcrFailed, OcrUnavailable
from affidavit.engine.ocr import neural
from affidavit.engine.ocr.alphabet import PPOCR_LANGUAGES
from affidavit.engine.ocr.ink import Line
from affidavit.engine.ocr.sparse import fresh, overlooked
from affidavit.engine.ocr.splitting import characters_of, split
from affidavit.engine.ports import OcrWord
from affidavit.engine.spec import OcrEngineName

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

MODELS = ("PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx")
MODULES = ("rapidocr", "onnxruntime", "cv2")

LEAST_SIDE = 8  # pixels; no letter is smaller
# Text is looked for in an image of at most this size and read in the full one. Word F1 over 17 pages
# at 200 dpi (3.9 million pixels): 0.973 at 1.0 million, 0.978 at 1.6, 0.977 at 4.0 for 2.5 times the time.
DETECTION_PIXELS = 1_600_000
SMALL_SIDE = 736  # pixels; an image with a shorter side is enlarged to find its text,
MOST_ENLARGED = 2.0  # but not more than this: beyond it finds blur
MARGIN = 24  # pixels put around, since text that touches the edge is not found
LEAST_CONFIDENCE = 0.5  # of a line, as rapidocr has it: below is texture read as text

PARAMETERS = {
    "Global.log_level": "critical",
    "Global.use_cls": False,  # its line-angle classifier turns good lines: 2 points of word F1
    "Global.return_word_box": True,
    "Det.limit_type": "max",  # we scale ourselves, by area,
    "Det.limit_side_len": 1_000_000,  # so that a long strip is not shrunk to nothing
    "Rec.rec_batch_num": 1,  # a batch is padded to its longest line: one by one is 20 % less work,
    "Rec.rec_img_shape": [3, 48, 160],  # and so is padding a short word to 160 px instead of 320
    "EngineConfig.onnxruntime.enable_cpu_mem_arena": False,  # on: 7 % less work for 200 MB more
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,  # a pool of threads hangs after a fork
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}


class PpOcr:
    """PP-OCRv6 small behind the OCR port: Latin scripts, Chinese and Japanese in one model."""

    name: str = OcrEngineName.PPOCR.value

    def __init__(self) -> None:
        self._reader: Any = None

    @property
    def version(self) -> str:
        """The version of rapidocr, and what its models hash to."""
        digest = hashlib.sha256("".join(self.models().values()).encode()).hexdigest()[:8]
        return f"{neural.distribution_version('rapidocr')}+{digest}"

    def models(self) -> dict[str, str]:
        """Return the SHA-256 of the detector and of the recogniser."""
        return {path.name: neural.sha256(path) for path in self._model_files()}

    def supports(self, languages: tuple[str, ...]) -> bool:
        """Tell whether the recogniser has the letters of all of these languages."""
        return PPOCR_LANGUAGES.issuperset(languages)

    def warm_up(self) -> None:
        """Load both models, without starting a thread. Raises OcrUnavailable."""
        if self._reader is None:
            self._reader = self._load()

    def read(self, image: Image.Image, languages: tuple[str, ...]) -> list[OcrWord]:
        """Return the words, line by line as they were found.

        Raises OcrFailed, OcrUnavailable, and MemoryError when the limit on memory is too low: an A4
        page at 200 dpi needs 1.25 GiB of address space, 36 million pixels need 1.5.
        """
        if not self.supports(languages):
            raise OcrUnavailable(self.name, f"it does not read all of {', '.join(languages)}")
        if min(image.size) < LEAST_SIDE:
            return []
        self.warm_up()
        try:
            return self._read(image)
        except (EngineError, MemoryError):
            raise
        except Exception as error:  # the libraries raise what they like; none of it is public
            if "bad_alloc" in str(error):  # onnxruntime's word for memory that it did not get
                raise MemoryError(self.name) from error
            raise OcrFailed(self.name, "its models could not be run on this image") from error

    def _read(self, image: Image.Image) -> list[OcrWord]:
        pixels = self._pixels(image)
        quads = self._lines(pixels)
        if not len(quads):
            return []
        process = neural.load(self.name, "rapidocr.utils.process_img")
        crops = [process.get_rotate_crop_image(pixels, quad.copy()) for quad in quads]
        found = self._reader.recognize_txt(crops)
        words: list[OcrWord] = []
        for number, (quad, crop) in enumerate(zip(quads, crops, strict=True)):
            if found.scores[number] >= LEAST_CONFIDENCE:
                info = found.word_results[number]
                words += _words(Line(quad, crop), found.txts[number], info, number)
        return words

    def _pixels(self, image: Image.Image) -> Any:
        numpy = neural.load(self.name, "numpy")
        rgb = numpy.asarray(image.convert("RGB"))
        return numpy.ascontiguousarray(rgb[:, :, ::-1])  # the models were trained on BGR

    def _lines(self, pixels: Any) -> Any:
        """Return the corners of each line of text, those that stand alone on the page included."""
        cv2, numpy = neural.load(self.name, "cv2"), neural.load(self.name, "numpy")
        found = self._detect(pixels)
        for x0, y0, x1, y1 in overlooked(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), found):
            more = self._detect(pixels[y0:y1, x0:x1]) + numpy.float32((x0, y0))
            found = numpy.concatenate([found, fresh(more, found)])
        return found

    def _detect(self, pixels: Any) -> Any:
        """Return the corners of each line of text, clockwise from its top left, shape (n, 4, 2)."""
        cv2, numpy = neural.load(self.name, "cv2"), neural.load(self.name, "numpy")
        height, width = pixels.shape[:2]
        scale = detection_scale(width, height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        seen = pixels if scale == 1.0 else cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        edges = (MARGIN, MARGIN, MARGIN, MARGIN)
        seen = cv2.copyMakeBorder(seen, *edges, cv2.BORDER_REPLICATE)
        boxes = self._reader.text_det(seen).boxes
        if boxes is None:
            return numpy.empty((0, 4, 2), dtype=numpy.float32)
        quads = (numpy.asarray(boxes, dtype=numpy.float32) - MARGIN) / scale
        return numpy.clip(quads, 0, [width - 1, height - 1]).astype(numpy.float32)

    def _load(self) -> Any:
        self._model_files()  # a missing file would be downloaded: refuse instead
        neural.load(self.name, "onnxruntime")
        neural.load(self.name, "cv2")
        reader = neural.load(self.name, "rapidocr").RapidOCR(params=dict(PARAMETERS))
        reader.text_det = reader._load_det_model()  # noqa: SLF001 - else the first read loads them
        reader.text_rec = reader._load_rec_model()  # noqa: SLF001
        return reader

    def _model_files(self) -> list[Path]:
        home = neural.folder("rapidocr")
        if home is None:
            raise OcrUnavailable(self.name, f"rapidocr is missing; {neural.EXTRA}")
        files = [home / "models" / name for name in MODELS]
        for file in files:
            if not file.is_file():
                raise OcrUnavailable(self.name, f"its model {file.name} is missing; {neural.EXTRA}")
        return files


def detection_scale(width: int, height: int) -> float:
    """Return by what to scale an image before text is looked for in it."""
    fits = math.sqrt(DETECTION_PIXELS / (width * height))
    wanted = min(max(1.0, SMALL_SIDE / min(width, height)), MOST_ENLARGED)
    return min(wanted, fits)


def _words(line: Line, text: str, info: Any, number: int) -> list[OcrWord]:
    columns = [column for word in info.word_cols for column in word]
    pieces = split(characters_of(text, info.confs, columns))
    boxes = line.boxes(
        [(piece.first / info.line_txt_len, piece.last / info.line_txt_len) for piece in pieces]
    )
    return [
        OcrWord(piece.text, box, min(max(piece.confidence, 0.0), 1.0), number)
        for piece, box in zip(pieces, boxes, strict=True)
    ]
