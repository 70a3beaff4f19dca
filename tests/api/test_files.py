"""Files over HTTP: stored whole or not at all, shown to their own environment, deleted for good."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from affidavit.infra.db import Database
from affidavit.jobs.claim import ReadPage
from tests.api.conftest import Api, Hand
from tests.documents import invoice_pdf

MISSING = "file_00000000000000000000000000"


async def test_upload_is_named_by_its_content_and_given_back_byte_for_byte(api: Api) -> None:
    data = invoice_pdf()

    stored = await api.upload(data, "Rechnung März.txt")

    file = stored.json()
    assert stored.status_code == 201
    assert stored.headers["location"] == f"/v1/files/{file['id']}"
    assert file["media_type"] == "application/pdf"
    assert file["sha256"] == hashlib.sha256(data).hexdigest()
    content = await api.get(f"/v1/files/{file['id']}/content")
    assert content.content == data
    assert content.headers["x-content-type-options"] == "nosniff"
    assert content.headers["content-security-policy"].startswith("sandbox")
    assert content.headers["content-disposition"].startswith("attachment;")
    assert "filename*=UTF-8''Rechnung%20M%C3%A4rz.txt" in content.headers["content-disposition"]


async def test_a_caller_who_has_the_bytes_is_not_sent_them_again(api: Api) -> None:
    file = (await api.upload(b"text")).json()

    answer = await api.get(
        f"/v1/files/{file['id']}/content", headers={"If-None-Match": f'"{file["sha256"]}"'}
    )

    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "EMPTY_FILE"),
        (b"\x7fELF\x02\x01\x01\x00", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"PK\x03\x04" + b"word/document.xml", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ],
)
async def test_what_cannot_be_read_is_refused_and_leaves_nothing(
    api: Api, settings_folder: Path, data: bytes, status: int, code: str
) -> None:
    answer = await api.upload(data)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["errors"][0]["pointer"] == "/file"
    assert files_in(settings_folder) == []


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]


@pytest.fixture
def settings_folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


async def test_form_fields_that_nobody_knows_are_named(api: Api) -> None:
    answer = await api.send("POST", "/v1/files", files={"file": ("a.txt", b"x")}, data={"colour": "red"})

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"pointer": "/colour", "message": "is not a field of this request", "code": "unknown_field"}
    ]


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("text/plain", b"x", 415, "CONTENT_TYPE_UNSUPPORTED"),
        ("multipart/form-data", b"x", 400, "MULTIPART_INVALID"),
        ("multipart/form-data; boundary=b", b"--b\r\nbroken", 400, "MULTIPART_INVALID"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhalf a fi',
            400,
            "MULTIPART_INVALID",
        ),
        ("multipart/form-data; boundary=b", b"--b--\r\n", 422, "SOURCE_MISSING"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\xff\xfe\r\n--b--\r\n',
            400,
            "MULTIPART_INVALID",
        ),
        ("multipart/form-data; boundary=b", b"--b\r\nX: y\r\n\r\nz\r\n--b--\r\n", 400, "MULTIPART_INVALID"),
    ],
)
async def test_broken_uploads_are_refused(
    api: Api, content_type: str, body: bytes, status: int, code: str
) -> None:
    answer = await api.send("POST", "/v1/files", content=body, headers={"Content-Type": content_type})

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_two_files_in_one_upload_are_refused(api: Api) -> None:
    files = [("file", ("a.txt", b"a")), ("file", ("b.txt", b"b"))]

    answer = await api.send("POST", "/v1/files", files=files)

    assert answer.json()["errors"][0]["code"] == "doubled"


async def test_names_lose_their_folders_and_control_characters(api: Api) -> None:
    stored = await api.upload(b"text", "../../etc/pass\x01wd")

    assert stored.json()["filename"] == "pass%01wd"  # as browsers and httpx spell control characters


async def test_page_image_is_served_once_the_page_was_read(api: Api, hand: Hand) -> None:
    file = (await api.upload(invoice_pdf())).json()
    before = await api.get(f"/v1/files/{file['id']}/pages/1/image")
    await api.submitted(source={"file_id": file["id"]})
    environment_id = (
        await api.services.accounts.authenticate(api.headers["Authorization"][7:])
    ).environment_id
    digest = await hand.image(environment_id, b"RIFFxxxxWEBP")
    await hand.complete({}, (ReadPage(1, "0" * 64, 1, "native", digest, 12, 10, 10),))

    after = await api.get(f"/v1/files/{file['id']}/pages/1/image")

    assert (before.status_code, before.json()["code"]) == (409, "NOT_RENDERED")
    assert (after.status_code, after.content) == (200, b"RIFFxxxxWEBP")
    assert after.headers["content-type"] == "image/webp"


@pytest.mark.parametrize("page", ["0", "-1", "x", "1.5", "99999999", "٣"])
async def test_pages_that_are_no_numbers_are_not_found(api: Api, page: str) -> None:
    file = (await api.upload(b"text")).json()

    answer = await api.get(f"/v1/files/{file['id']}/pages/{page}/image")

    assert answer.status_code == 404


async def test_deleted_file_is_gone_with_its_pages_and_its_blobs_are_given_up(
    api: Api, hand: Hand, db: Database
) -> None:
    file = (await api.upload(b"text")).json()
    await api.submitted(source={"file_id": file["id"]})
    await hand.complete({}, (ReadPage(1, "1" * 64, 1, "native"),))

    answer = await api.delete(f"/v1/files/{file['id']}")

    assert (answer.status_code, answer.content) == (204, b"")
    gone = await api.get(f"/v1/files/{file['id']}")
    assert (gone.status_code, gone.json()["code"]) == (410, "FILE_DELETED")
    assert await db.fetch("SELECT * FROM page_checkpoints") == []
    garbage = {row["sha256"] for row in await db.fetch("SELECT sha256 FROM blob_garbage")}
    assert garbage == {file["sha256"], "1" * 64}


async def test_deletion_spares_what_a_file_of_the_same_bytes_needs(
    api: Api, hand: Hand, db: Database
) -> None:
    first, second = [(await api.upload(b"text")).json() for _ in range(2)]
    await api.submitted(source={"file_id": first["id"]})
    await hand.complete({}, (ReadPage(1, "1" * 64, 1, "native"),))

    await api.delete(f"/v1/files/{first['id']}")

    assert (await api.get(f"/v1/files/{second['id']}/content")).content == b"text"
    assert len(await db.fetch("SELECT * FROM page_checkpoints")) == 1
    assert await db.fetch("SELECT * FROM blob_garbage") == []


async def test_file_of_an_unfinished_job_is_not_deleted(api: Api) -> None:
    file = (await api.upload(b"text")).json()
    job = await api.submitted(source={"file_id": file["id"]})

    refused = await api.delete(f"/v1/files/{file['id']}")

    assert (refused.status_code, refused.json()["code"]) == (409, "FILE_IN_USE")
    await api.delete(f"/v1/jobs/{job['id']}")
    assert (await api.delete(f"/v1/files/{file['id']}")).status_code == 204


@pytest.mark.parametrize("path", ["", "/content", "/pages/1/image"])
@pytest.mark.parametrize("file_id", [MISSING, "file_%00", "nonsense", "job_00000000000000000000000000"])
async def test_ids_that_are_none_are_not_found(api: Api, file_id: str, path: str) -> None:
    answer = await api.get(f"/v1/files/{file_id}{path}")

    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
