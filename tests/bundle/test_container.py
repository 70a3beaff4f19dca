"""A container is written as the format says, and read only if every byte is as it would have been written."""

from __future__ import annotations

import io
import zipfile
import zlib

import pytest

from affidavit.bundle import container
from affidavit.bundle.container import ContainerError, Entry, Plan
from tests.bundle import archive

FILES = [("manifest.json", b"{}"), ("source/a.txt", b"hello" * 40), ("pages/0001.webp", b"")]


def written(files: list[tuple[str, bytes]] = FILES) -> bytes:
    plan = Plan(Entry(name, len(data), zlib.crc32(data)) for name, data in files)
    heads = (plan.head(n) + data for n, (_, data) in enumerate(files))
    whole = b"".join(heads) + plan.tail()
    assert len(whole) == plan.size
    return whole


def contents(data: bytes) -> list[bytes]:
    found = container.read(io.BytesIO(data))
    return [b"".join(found.read(n)) for n in range(len(found.entries))]


def refusal(data: bytes) -> ContainerError:
    with pytest.raises(ContainerError) as refused:
        contents(data)
    return refused.value


def test_container_is_the_one_that_is_built_from_the_description() -> None:
    assert written() == archive.pack([archive.Entry(name.encode(), data) for name, data in FILES])


def test_other_tools_read_the_container() -> None:
    with zipfile.ZipFile(io.BytesIO(written())) as opened:
        assert opened.testzip() is None
        assert [(each.filename, opened.read(each)) for each in opened.infolist()] == FILES


def test_what_was_written_is_read() -> None:
    assert contents(written()) == [data for _, data in FILES]


@pytest.mark.parametrize("bit", range(8))
def test_no_bit_can_be_changed(bit: int) -> None:
    whole = written()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << bit
        with pytest.raises(ContainerError):
            contents(bytes(changed))


def test_no_byte_can_be_left_out_or_put_in() -> None:
    whole = written()
    for place in range(len(whole) + 1):
        for changed in (whole[:place] + b"\0" + whole[place:], whole[:place] + whole[place + 1 :]):
            if changed != whole:
                with pytest.raises(ContainerError):
                    contents(changed)


def test_refusal_says_which_field_of_which_entry() -> None:
    changed = bytearray(written())
    changed[written().index(b"PK\x03\x04", 4) + 8] = 8
    refused = refusal(bytes(changed))
    assert (refused.code, refused.entry) == ("HEADER_WRONG", "source/a.txt")
    assert str(refused) == "The field 'method' is 8 and must be 0."


def test_contents_that_changed_are_told_by_their_entry() -> None:
    refused = refusal(written().replace(b"hello", b"hullo", 1))
    assert (refused.code, refused.entry) == ("CRC_WRONG", "source/a.txt")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "NOT_A_ZIP"),
        (b"x" * 100, "NOT_A_ZIP"),
        (written()[:-1], "END_WRONG"),
        (written() + b"\0", "END_WRONG"),
        (b"\0" + written(), "SIZE_WRONG"),
        (b"PK\x05\x06" + bytes(4) + b"\xff\xff\xff\xff" + bytes(10), "DIRECTORY_WRONG"),
    ],
)
def test_file_that_is_no_container_is_refused(data: bytes, code: str) -> None:
    assert refusal(data).code == code


@pytest.mark.parametrize(
    "name", ["../a", "/a", "a/../b", "a/b/c", ".a", "a//b", "a\\b", "a b", "ä", "a\n", "", "a/", "a" * 101]
)
def test_name_that_could_lead_elsewhere_is_neither_written_nor_read(name: str) -> None:
    with pytest.raises(ContainerError) as refused:
        Plan([Entry(name, 0, 0)])
    assert refused.value.code == "NAME_INVALID"
    assert refusal(archive.pack([archive.Entry(name.encode(), b"")])).code == "NAME_INVALID"


@pytest.mark.parametrize("names", [("a", "a"), ("source/A", "source/a")])
def test_name_stands_once_on_every_file_system(names: tuple[str, str]) -> None:
    with pytest.raises(ContainerError) as refused:
        Plan([Entry(name, 0, 0) for name in names])
    assert refused.value.code == "NAME_DUPLICATE"


def test_limits_hold_at_the_limit_and_break_past_it() -> None:
    assert Plan([Entry("a", 2**32 - 1 - 22 - 30 - 46 - 2, 0)]).size == container.MAX_SIZE_BYTES
    with pytest.raises(ContainerError) as refused:
        Plan([Entry("a", 2**32 - 22 - 30 - 46 - 2, 0)])
    assert refused.value.code == "CONTAINER_TOO_LARGE"
    most = [Entry(f"files/{n}", 0, 0) for n in range(container.MAX_ENTRIES)]
    assert len(Plan(most).entries) == container.MAX_ENTRIES
    with pytest.raises(ContainerError) as refused:
        Plan([*most, Entry("a", 0, 0)])
    assert refused.value.code == "TOO_MANY_ENTRIES"


@pytest.mark.parametrize(("left", "code"), [(0, "HEADER_WRONG"), (60, "HEADER_WRONG"), (100, "TRUNCATED")])
def test_file_that_shrinks_meanwhile_is_noticed(left: int, code: str) -> None:
    file = io.BytesIO(written())
    found = container.read(file)
    file.truncate(left)
    with pytest.raises(ContainerError, match="ended while it was read") as refused:
        list(found.read(1))
    assert refused.value.code == code
