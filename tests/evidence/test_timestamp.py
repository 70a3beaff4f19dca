"""A timestamp attests the bytes that it was asked for, and nothing that was changed passes for one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from affidavit.bundle import timestamp
from affidavit.bundle.timestamp import TimestampError
from affidavit.evidence.timestamping import request_for
from tests.evidence.authority import Authority, authority, openssl

DATA = b'{"payload":"..."}'
VECTORS = Path(__file__).parents[2] / "docs" / "vectors"
WITHOUT_EXTRA = """
import sys
sys.modules["rfc3161_client"] = None  # as where it is not installed
from affidavit.bundle import timestamp
from affidavit.evidence import timestamping
assert not timestamp.is_supported()
for call in (lambda: timestamp.check(b"", b""), lambda: timestamping.request_for(b"data")):
    try:
        call()
    except timestamp.TimestampExtraMissing as missing:
        print(missing)
"""


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    with authority(tmp_path_factory.mktemp("tsa")) as made:
        yield made


@pytest.fixture(scope="module")
def roots(tsa: Authority) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(tsa.ca_file.read_bytes())


@pytest.fixture(scope="module")
def response(tsa: Authority) -> bytes:
    return tsa.grant(request_for(DATA)[0])


def code_of(
    response: bytes, data: bytes = DATA, roots: tuple[x509.Certificate, ...] = (), **given: int
) -> str:
    with pytest.raises(TimestampError) as caught:
        timestamp.check(response, data, roots, **given)
    return caught.value.code


def test_what_the_authority_granted_is_vouched_for(tsa: Authority, roots: list[x509.Certificate]) -> None:
    asked, nonce = request_for(DATA)

    found = timestamp.check(tsa.grant(asked), DATA, roots, nonce=nonce)

    assert (found.policy, found.is_vouched, found.time.tzname()) == ("1.2.3.4.1", True, "UTC")


def test_openssl_accepts_what_we_accept(tsa: Authority, response: bytes) -> None:
    assert tsa.verify(DATA, response)
    assert not tsa.verify(DATA + b" ", response)


def test_openssl_reads_our_request_as_one_for_sha256_with_nonce_and_certificate(tsa: Authority) -> None:
    asked, nonce = request_for(DATA)
    (tsa.folder / "ours.tsq").write_bytes(asked)

    said = openssl("ts", "-query", "-in", tsa.folder / "ours.tsq", "-text").decode()

    assert "Hash Algorithm: sha256" in said
    assert "Certificate required: yes" in said
    assert f"Nonce: 0x{nonce:X}" in said.replace("0x0", "0x")


def test_without_roots_nobody_vouches_and_the_bytes_are_compared(response: bytes) -> None:
    assert not timestamp.check(response, DATA).is_vouched
    assert code_of(response, b"other bytes") == "TIMESTAMP_OF_OTHER_BYTES"


def test_other_bytes_are_not_attested(response: bytes, roots: list[x509.Certificate]) -> None:
    assert code_of(response, b"other bytes", tuple(roots)) == "TIMESTAMP_OF_OTHER_BYTES"


def test_an_answer_to_another_request_is_told(response: bytes, roots: list[x509.Certificate]) -> None:
    assert code_of(response, DATA, tuple(roots), nonce=12) == "TIMESTAMP_OF_OTHER_REQUEST"


def test_an_authority_of_another_root_is_not_trusted(response: bytes, tmp_path: Path) -> None:
    other = Authority(tmp_path)
    other.make()
    roots = x509.load_pem_x509_certificates(other.ca_file.read_bytes())

    assert code_of(response, DATA, tuple(roots)) == "TIMESTAMP_NOT_VOUCHED"


def test_a_refusal_is_told(tsa: Authority) -> None:
    asked = bytearray(request_for(DATA)[0])
    sha1 = openssl("ts", "-query", "-digest", "00" * 20, "-sha1", "-cert")
    assert bytes(asked) != sha1

    assert code_of(tsa.grant(sha1)) == "TIMESTAMP_REFUSED"


@pytest.mark.parametrize(
    "wrong", [b"", b"0", b"0\x80", b"<html>", bytes(300_000), b"\x30\x03\x02\x01\x00", b"0" * 99]
)
def test_what_is_no_response_is_refused(wrong: bytes) -> None:
    assert code_of(wrong) in {"TIMESTAMP_MALFORMED", "TIMESTAMP_REFUSED"}


def test_a_response_with_more_behind_it_is_refused(response: bytes) -> None:
    assert code_of(response + b"\x00") == "TIMESTAMP_MALFORMED"


def test_certificates_in_any_order_are_read(tsa: Authority, roots: list[x509.Certificate]) -> None:
    """Authorities built on OpenSSL send them as they come; one of two orders is not that of DER."""
    response = tsa.grant(request_for(DATA)[0], with_root=True)
    root, own = (
        openssl("x509", "-in", tsa.folder / f"{name}.pem", "-outform", "DER") for name in ("ca", "tsa")
    )
    pair, turned_pair = (root + own, own + root) if root + own in response else (own + root, root + own)
    turned = response.replace(pair, turned_pair)
    assert turned != response

    for each in (response, turned):
        assert timestamp.check(each, DATA, roots).is_vouched
        assert tsa.verify(DATA, each)


def test_no_flipped_bit_passes(response: bytes, roots: list[x509.Certificate]) -> None:
    passed = []
    for place in range(len(response)):
        for bit in (0, 3, 7):
            flipped = bytearray(response)
            flipped[place] ^= 1 << bit
            try:
                timestamp.check(bytes(flipped), DATA, roots)
            except TimestampError:
                continue
            passed.append((place, bit))

    assert passed == []


def test_a_response_of_many_elements_is_refused_at_once(response: bytes) -> None:
    """Of 120,000 empty sets of certificates each would be put in order."""
    at = response.index(b"\x06\x09*\x86H\x86\xf7\r\x01\x07\x02")
    parts = b"\xa0\x00" * 120_000 + b"1\x020\x00"
    for tag in (b"0", b"\xa0"):
        parts = tag + b"\x83" + len(parts).to_bytes(3) + parts
    token = response[at : at + 11] + parts
    token = b"0\x83" + len(token).to_bytes(3) + token
    whole = b"0\x03\x02\x01\x00" + token
    assert code_of(b"0\x83" + len(whole).to_bytes(3) + whole) == "TIMESTAMP_MALFORMED"


def test_without_the_extra_it_is_said_what_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRA], capture_output=True, text=True, timeout=30, check=True
    )

    assert done.stdout.count("affidavit[timestamp]") == 2


def test_verify_says_not_checked_without_the_extra_and_passed_with_it() -> None:
    asked = ["verify", "timestamp.zip", "--key", "key.pem", "--authority", "authority.pem", "--json"]
    found = {}
    for name, blocked in (("without", "sys.modules['rfc3161_client'] = None"), ("with", "pass")):
        program = f"import sys; {blocked}; from affidavit.cli import main; sys.exit(main({asked!r}))"
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=VECTORS, capture_output=True, timeout=60, check=False
        )
        [check] = [each for each in json.loads(done.stdout)["checks"] if each["name"] == "timestamp"]
        found[name] = (done.returncode, check["status"], check["code"])

    assert found["without"] == (3, "not_checked", "TIMESTAMP_EXTRA_MISSING")
    assert found["with"] == (0, "passed", None)
