"""The entry point of a walled child: requests in, messages and files out."""

from __future__ import annotations

import hashlib
import json
import os
import sys

import pymupdf
import pytest
import pytest_asyncio
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from affidavit.engine import pipeline, task
from affidavit.engine.ocr import available, programs
from affidavit.engine.ocr.null import NullOcr
from affidavit.engine.output import Output, pieces
from affidavit.engine.pipeline import Source
from affidavit.engine.result import Page, Result
from affidavit.engine.spec import Spec, select_pages
from affidavit.infra.identity import Identity
from affidavit.infra.profile import Profile
from affidavit.infra.sandbox import Ending, SandboxHost, Walls
from tests import documents

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}}
THREE_PAGES = documents.text_pdf("One is first", "Two is second", "Three is third")


def spec(**options):
    return {"operation": "parse", "options": {"ocr": {"mode": "never"}, **options}}


def read_request(**changes):
    fields = {"spec": spec(), "filename": "a.pdf", "pages": None, "batch": 8, "have": [], "finish": True}
    return {"kind": "read", **fields, **changes}


class Work:
    """One run of the entry point in this process."""

    def __init__(self, folder, request, data=None):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.messages = []
        descriptor = None
        if data is not None:
            (folder / "document").write_bytes(data)
            descriptor = os.open(folder / "document", os.O_RDONLY)
        try:
            task.run(json.loads(json.dumps(request)), descriptor, folder, self._take)
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _take(self, message):
        self.messages.append(json.loads(json.dumps(message)))

    def of(self, kind):
        return [message for message in self.messages if message["type"] == kind]

    def only(self, kind):
        [found] = self.of(kind)
        return found

    def page_numbers(self):
        return [message["number"] for message in self.of("page")]

    def content(self, message):
        """Return the file of a message, after checking it against what the message says."""
        data = (self.folder / message["file"]).read_bytes()
        assert len(data) == message["size"]
        assert hashlib.sha256(data).hexdigest() == message["sha256"]
        return data

    def json(self, message):
        return zstandard.ZstdDecompressor().decompressobj().decompress(self.content(message))

    def put_pages_before(self, folder, numbers):
        """Lay these pages where a later run in `folder` looks for pages that are known."""
        (folder / "pages").mkdir(parents=True, exist_ok=True)
        for number in numbers:
            name = f"page-{number:04d}.json.zst"
            (folder / "pages" / name).write_bytes((self.folder / name).read_bytes())


@pytest.mark.parametrize("file", ["page-0002.json.zst", "result.json.zst"])
def test_a_full_disk_is_told_as_such_and_no_page_takes_the_blame(tmp_path, file):
    (tmp_path / file).symlink_to("/dev/full")
    work = Work(tmp_path, read_request(spec=spec(allow_partial=True)), THREE_PAGES)
    assert work.messages[-1]["code"] == "STORAGE_UNAVAILABLE"
    assert work.messages[-1]["retryable"] is True
    assert "page_failed" not in {message["type"] for message in work.messages}


def test_document_of_one_batch_is_read_and_finished(tmp_path):
    work = Work(tmp_path / "w", read_request(), THREE_PAGES)

    kinds = [message["type"] for message in work.messages if message["type"] != "progress"]
    assert kinds == ["opened", "page", "page", "page", "result", "done"]
    assert work.only("opened") == {
        "type": "opened",
        "media_type": "application/pdf",
        "page_count": 3,
        "selected": "1-3",
    }
    page = Page.model_validate_json(work.json(work.of("page")[1]))
    assert (page.number, page.markdown.strip()) == (2, "Two is second")
    result = Result.model_validate_json(work.json(work.only("result")))
    assert "Three is third" in result.markdown
    assert work.only("result")["complete"] is True


def test_page_message_describes_its_image(tmp_path):
    work = Work(tmp_path / "w", read_request(), THREE_PAGES)

    image = work.of("page")[0]["image"]
    assert work.content(image).startswith(b"RIFF")
    assert image["width"] > 0 < image["height"]


def test_page_has_no_image_when_none_is_asked_for(tmp_path):
    request = read_request(spec={**spec(), "page_images": False})

    work = Work(tmp_path / "w", request, THREE_PAGES)

    assert [message["image"] for message in work.of("page")] == [None, None, None]
    assert not list(work.folder.glob("*.webp"))


def test_result_is_what_the_pipeline_gives(tmp_path):
    work = Work(tmp_path / "w", read_request(), THREE_PAGES)

    parsed = Spec.model_validate(spec())
    expected = pipeline.finish(pipeline.read(Source(THREE_PAGES, "a.pdf"), parsed).document, parsed)
    assert work.json(work.only("result")) == expected.model_dump_json().encode()


def test_document_of_more_than_one_batch_is_begun_and_not_finished(tmp_path):
    work = Work(tmp_path / "w", read_request(batch=2), THREE_PAGES)

    assert work.page_numbers() == [1, 2]
    assert work.only("opened")["selected"] == "1-3"
    assert not work.of("result")
    assert work.messages[-1] == {"type": "done"}


def test_batch_by_number_reads_what_is_not_known_yet(tmp_path):
    work = Work(tmp_path / "w", read_request(pages=[1, 2, 3], have=[2]), THREE_PAGES)

    assert work.page_numbers() == [1, 3]
    assert not work.of("opened")
    assert not work.of("result")


def test_selected_pages_alone_are_read(tmp_path):
    work = Work(tmp_path / "w", read_request(spec=spec(pages="2-")), THREE_PAGES)

    assert work.only("opened")["selected"] == "2-3"
    assert work.page_numbers() == [2, 3]
    assert len(Result.model_validate_json(work.json(work.only("result"))).pages) == 2


def test_pages_known_before_are_not_read_again_but_stand_in_the_result(tmp_path):
    first = Work(tmp_path / "first", read_request(), THREE_PAGES)
    first.put_pages_before(tmp_path / "second", [1, 3])

    second = Work(tmp_path / "second", read_request(have=[1, 3]), THREE_PAGES)

    assert second.page_numbers() == [2]
    assert second.json(second.only("result")) == first.json(first.only("result"))


def test_finishing_apart_gives_the_same_bytes_as_at_once(tmp_path):
    at_once = Work(tmp_path / "at_once", read_request(), THREE_PAGES)
    at_once.put_pages_before(tmp_path / "apart", [1, 2, 3])
    request = {
        "kind": "finish",
        "spec": spec(),
        "media_type": "application/pdf",
        "page_count": 3,
        "pages": [1, 2, 3],
        "failed": [],
    }

    apart = Work(tmp_path / "apart", request)

    assert apart.content(apart.only("result")) == at_once.content(at_once.only("result"))


@pytest.mark.parametrize(
    ("data", "options", "code"),
    [
        (b"", {}, "EMPTY_FILE"),
        (b"\x7fELF\x02\x01\x01" + bytes(64), {}, "UNSUPPORTED_MEDIA_TYPE"),
        (documents.encrypted_pdf(user="open"), {}, "PASSWORD_REQUIRED"),
        (documents.encrypted_pdf(user="open"), {"password": "wrong"}, "PASSWORD_INCORRECT"),
        (documents.pdf_without_pages(), {}, "NO_PAGES"),
        (THREE_PAGES, {"pages": "4"}, "PAGE_RANGE_INVALID"),
    ],
)
def test_refusal_is_the_last_message_and_has_its_own_code(tmp_path, data, options, code):
    work = Work(tmp_path / "w", read_request(spec=spec(**options)), data)

    refusal = work.messages[-1]
    assert (refusal["type"], refusal["code"]) == ("error", code)
    assert set(refusal) == {"type", "code", "category", "message", "page", "retryable"}
    assert not work.of("done")


def test_password_opens_the_document_and_stands_in_no_message(tmp_path):
    data = documents.encrypted_pdf("Secret words", user="tr0ub4dor")

    work = Work(tmp_path / "w", read_request(spec=spec(password="tr0ub4dor")), data)

    assert work.of("result")
    assert "tr0ub4dor" not in json.dumps(work.messages)
    assert b"tr0ub4dor" not in work.json(work.only("result"))


def a_page_that_cannot_be_read(**options):
    """Ask for a language that nobody reads: the page of text needs no reader, the scan does."""
    ocr = {"mode": "auto", "engine": "tesseract", "languages": ["zzz"]}
    return {**spec(), "options": {"ocr": ocr, **options}}


def text_and_scan():
    with pymupdf.open() as joined:
        for part in (
            documents.text_pdf("Typed words"),
            documents.scanned(documents.text_pdf("Scanned"), dpi=72),
        ):
            with pymupdf.open(stream=part) as pdf:
                joined.insert_pdf(pdf)
        return joined.tobytes()


def test_failed_page_is_told_and_the_document_refused_by_naming_it(tmp_path):
    work = Work(tmp_path / "w", read_request(spec=a_page_that_cannot_be_read()), text_and_scan())

    assert work.page_numbers() == [1]
    assert (work.only("page_failed")["number"], work.only("page_failed")["code"]) == (2, "OCR_UNAVAILABLE")
    assert work.messages[-1]["code"] == "PAGES_FAILED"
    assert "2" in work.messages[-1]["message"]
    assert not work.of("result")


def test_failed_page_is_left_out_where_a_part_is_allowed(tmp_path):
    request = read_request(spec=a_page_that_cannot_be_read(allow_partial=True))

    work = Work(tmp_path / "w", request, text_and_scan())

    assert work.only("result")["complete"] is False
    completeness = Result.model_validate_json(work.json(work.only("result"))).completeness
    assert [(failed.page, failed.code) for failed in completeness.failed_pages] == [(2, "OCR_UNAVAILABLE")]
    assert work.messages[-1] == {"type": "done"}


def test_failed_page_of_an_earlier_batch_stops_the_finish(tmp_path):
    Work(tmp_path / "first", read_request(), THREE_PAGES).put_pages_before(tmp_path / "w", [1, 3])
    request = {
        "kind": "finish",
        "spec": spec(),
        "media_type": "application/pdf",
        "page_count": 3,
        "pages": [1, 3],
        "failed": [{"page": 2, "code": "PAGE_FAILED", "message": "x"}],
    }

    assert Work(tmp_path / "w", request).messages[-1]["code"] == "PAGES_FAILED"


class HungryOcr(NullOcr):
    """A reader that asks for more memory than there is."""

    def read(self, image, languages):
        raise MemoryError


def test_page_that_takes_too_much_memory_has_the_code_of_it_and_the_next_is_read(tmp_path):
    parsed = Spec.model_validate({"operation": "parse", "options": {"ocr": {"mode": "always"}}})
    messages = []
    reading = task.Reading(parsed, Output(tmp_path, 1 << 20), messages.append)
    opened = pipeline.open_document(Source(THREE_PAGES), parsed, ocr=HungryOcr())
    reading._read(opened, 1, keeps=False)
    opened.engine = NullOcr()

    reading._read(opened, 2, keeps=False)

    assert [(message["type"], message["number"]) for message in messages] == [("page_failed", 1), ("page", 2)]
    assert messages[0]["code"] == "ENGINE_OUT_OF_MEMORY"


def json_bytes(folder):
    """Return how many bytes of JSON the pages and the result of THREE_PAGES take."""
    work = Work(folder, read_request(), THREE_PAGES)
    pages = sum(len(work.json(message)) for message in work.of("page"))
    return pages, len(work.json(work.only("result")))


def test_output_at_the_limit_is_written(tmp_path):
    limit = max(json_bytes(tmp_path / "measure"))
    request = read_request(spec={**spec(), "limits": {"output_bytes": limit}})

    assert Work(tmp_path / "w", request, THREE_PAGES).messages[-1] == {"type": "done"}


@pytest.mark.parametrize("which", [0, 1])
def test_output_past_the_limit_is_refused(tmp_path, which):
    limit = json_bytes(tmp_path / "measure")[which] - 1
    request = read_request(spec={**spec(), "limits": {"output_bytes": limit}})
    if which == 1:  # the result alone: its pages were read before
        first = Work(tmp_path / "first", read_request(), THREE_PAGES)
        first.put_pages_before(tmp_path / "w", [1, 2, 3])
        request["have"] = [1, 2, 3]

    assert Work(tmp_path / "w", request, THREE_PAGES).messages[-1]["code"] == "OUTPUT_TOO_LARGE"


def test_known_page_that_unpacks_past_the_limit_is_refused(tmp_path):
    folder = tmp_path / "w"
    (folder / "pages").mkdir(parents=True)
    bomb = zstandard.ZstdCompressor().compress(b" " * 50_000_000)
    (folder / "pages" / "page-0001.json.zst").write_bytes(bomb)
    request = read_request(spec={**spec(pages="1"), "limits": {"output_bytes": 1_000_000}}, have=[1])

    assert Work(folder, request, THREE_PAGES).messages[-1]["code"] == "OUTPUT_TOO_LARGE"


def test_result_in_pieces_is_its_json():
    parsed = Spec.model_validate({**spec(words=True), "operation": "extract", "json_schema": SCHEMA})
    data = documents.invoice_pdf()
    result = pipeline.finish(pipeline.read(Source(data), parsed).document, parsed)

    assert b"".join(pieces(result)) == result.model_dump_json().encode()


@given(st.sets(st.integers(1, 60), min_size=1))
def test_page_ranges_are_read_back_as_the_same_pages(pages):
    chosen = sorted(pages)

    assert select_pages(task.page_ranges(chosen), 60, 60) == chosen


def test_page_ranges_are_in_their_shortest_form():
    assert task.page_ranges([1, 2, 3, 7, 9, 10]) == "1-3,7,9-10"


in_one_loop = pytest.mark.asyncio(loop_scope="module")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's")
has_tesseract = any(each.name == "tesseract" and each.available for each in available())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host(tmp_path_factory):
    """Warm up once: neural models take seconds to load."""
    made = SandboxHost(
        entry="affidavit.engine.task:run",
        warm_up="affidavit.engine.task:warm_up",
        environment={},
        user=Identity.named("nobody"),
        scratch=tmp_path_factory.mktemp("scratch"),
    )
    yield made
    await made.close()


async def walled_run(host, folder, request, data):
    document = folder / "document"
    document.write_bytes(data)
    document.chmod(0o600)
    messages = []

    async def listen(message):
        messages.append(message)

    spec = Spec.model_validate(request["spec"])
    outcome = await host.run(
        request,
        document=document,
        workspace=folder / "work",
        walls=Walls(),
        on_message=listen,
        profile=Profile.of(programs(spec.options.ocr)),
    )
    return outcome, messages


@on_linux
@in_one_loop
async def test_document_is_read_and_finished_behind_the_walls(host, tmp_path):
    request = read_request(spec={"operation": "extract", "json_schema": SCHEMA})

    outcome, messages = await walled_run(host, tmp_path, request, documents.invoice_pdf())

    assert outcome.ending is Ending.FINISHED, outcome.trace
    assert messages[-1]["type"] == "result"
    assert (tmp_path / "work" / messages[-1]["file"]).stat().st_size == messages[-1]["size"]


@on_linux
@in_one_loop
@pytest.mark.skipif(not has_tesseract, reason="no Tesseract here")
async def test_scan_is_read_by_an_external_program_behind_the_walls(host, tmp_path):
    options = {"ocr": {"mode": "always", "engine": "tesseract", "dpi": 100}}
    request = read_request(spec={"operation": "parse", "options": options})

    outcome, messages = await walled_run(host, tmp_path, request, documents.text_pdf("Behind walls"))

    assert outcome.ending is Ending.FINISHED, outcome.trace
    assert [message["source"] for message in messages if message["type"] == "page"] == ["ocr"]


@on_linux
@in_one_loop
async def test_refusal_comes_through_the_walls_with_its_code(host, tmp_path):
    outcome, _ = await walled_run(host, tmp_path, read_request(), documents.encrypted_pdf(user="open"))

    assert outcome.ending is Ending.REFUSED
    assert outcome.failure.code == "PASSWORD_REQUIRED"
