"""Check RFC 3161 timestamps, with rfc3161-client, which not every installation has."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from cryptography import x509

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

MAX_BYTES: Final = 256 * 1024  # of a response; those of public authorities have 3 to 8 KiB
SHA256: Final = "2.16.840.1.101.3.4.2.1"
GRANTED: Final = 0  # PKIStatus, RFC 3161 section 2.4.2
VERSIONS: Final = (3, 1)  # of SignedData and SignerInfo, RFC 3161 and RFC 5652 section 5.3

# What may sign which digest: RSA (RFC 8017), ECDSA (RFC 5758) and Ed25519 (RFC 8419), as DER has the OIDs.
_RSA: Final = "2a864886f70d0101"
_SIGNS: Final = {
    "608648016503040201": {f"{_RSA}01", f"{_RSA}0a", f"{_RSA}0b", "2a8648ce3d040302"},
    "608648016503040202": {f"{_RSA}01", f"{_RSA}0a", f"{_RSA}0c", "2a8648ce3d040303"},
    "608648016503040203": {f"{_RSA}01", f"{_RSA}0a", f"{_RSA}0d", "2a8648ce3d040304", "2b6570"},
}

Element = tuple[int, int, int, int]  # of DER: its tag, where it begins, where its content does, its end


class TimestampExtraMissing(Exception):
    """This installation cannot read timestamps."""

    def __init__(self) -> None:
        super().__init__("Timestamps need rfc3161-client: pip install 'affidavit[timestamp]'.")


class TimestampError(Exception):
    """The response does not attest these bytes. `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Timestamp:
    """What an authority attests: that bytes existed at `time`. Unless `is_vouched`, anyone could say so."""

    time: datetime
    policy: str
    serial: int
    is_vouched: bool


def is_supported() -> bool:
    """Tell whether timestamps can be checked."""
    try:
        import rfc3161_client  # noqa: F401 - optional: the extra is named in the message
    except ImportError:
        return False
    return True


def check(
    response: bytes, data: bytes, roots: Sequence[x509.Certificate] = (), *, nonce: int | None = None
) -> Timestamp:
    """Return what a response (TimeStampResp, DER) attests of these bytes.

    Without `roots` it is compared with the bytes alone, and its signature is not checked. Raises
    TimestampError and TimestampExtraMissing.
    """
    if not is_supported():
        raise TimestampExtraMissing
    found = _read(response)
    try:
        _require(found, data, nonce)
        if roots:
            _require_vouched(found, data, roots)
        info = found.tst_info
        return Timestamp(info.gen_time, info.policy.dotted_string, info.serial_number, bool(roots))
    except ValueError:
        raise _malformed("says something that cannot be read") from None


def _read(response: bytes) -> TimeStampResponse:
    from rfc3161_client import decode_timestamp_response

    if len(response) > MAX_BYTES:
        raise _malformed("is too long")
    try:
        ordered = _in_order(response)
        found = decode_timestamp_response(ordered)
        is_exact = found.as_bytes() == ordered
    except (ValueError, IndexError):
        raise _malformed("is no TimeStampResp in DER, or has no token") from None
    if found.status != GRANTED:
        raise _refused()
    if not is_exact:
        raise _malformed("is not spelled as DER")
    return found


def _require(found: TimeStampResponse, data: bytes, nonce: int | None) -> None:
    """Raise TimestampError unless it is of these bytes, and of the request that had this nonce."""
    imprint = found.tst_info.message_imprint
    if (imprint.hash_algorithm.dotted_string, imprint.message) != (SHA256, hashlib.sha256(data).digest()):
        raise TimestampError("TIMESTAMP_OF_OTHER_BYTES", "The timestamp is of other bytes.")
    if nonce is not None and found.tst_info.nonce != nonce:
        raise TimestampError("TIMESTAMP_OF_OTHER_REQUEST", "The timestamp answers another request.")


def _require_vouched(found: TimeStampResponse, data: bytes, roots: Sequence[x509.Certificate]) -> None:
    from rfc3161_client import VerifierBuilder

    signed = found.signed_data
    if any((signed.version, signer.version) != VERSIONS for signer in signed.signer_infos):
        raise _malformed("has a version that timestamps do not have")
    try:
        VerifierBuilder(roots=list(roots)).build().verify(found, hashlib.sha256(data).digest())
    except Exception:  # noqa: BLE001 - a certificate can be broken in more ways than have a common class
        raise TimestampError(
            "TIMESTAMP_NOT_VOUCHED", "The timestamp is not signed by an authority that is trusted."
        ) from None


def _in_order(response: bytes) -> bytes:
    """Return a response with its certificates in the order of DER; its algorithms have to fit together.

    OpenSSL and authorities built on it write the certificates in any order, which rfc3161-client refuses.
    They are signed by themselves, so their order says nothing. Raises ValueError and IndexError.
    """
    (whole,) = _elements(response, 0, len(response))
    _, *tokens = _inside(response, whole)
    if not tokens:
        raise _refused()
    (token,) = tokens
    explicit = _inside(response, token)[1]
    parts = _inside(response, _inside(response, explicit)[0])
    (signer,) = _inside(response, parts[-1])
    _require_algorithms(response, _inside(response, signer))
    certificates = [part for part in parts if part[0] == 0xA0]
    if not certificates:
        return response
    ((_, _, start, end),) = certificates
    each = sorted(response[begin:stop] for _, begin, _, stop in _elements(response, start, end))
    return response[:start] + b"".join(each) + response[end:]


def _require_algorithms(data: bytes, signer: Sequence[Element]) -> None:
    """Raise ValueError unless the algorithm of a SignerInfo's signature goes with that of its digest."""
    _, _, digest, attributes, signature, *_ = signer
    if attributes[0] != 0xA0:
        raise ValueError("a timestamp has signed attributes")
    named = [_inside(data, each)[0] for each in (digest, signature)]
    first, second = (data[start:end].hex() for _, _, start, end in named)
    if second not in _SIGNS.get(first, ()):
        raise ValueError("the signature is of another digest")


def _inside(data: bytes, element: Element) -> list[Element]:
    return _elements(data, element[2], element[3])


def _elements(data: bytes, at: int, end: int) -> list[Element]:
    """Return the elements of DER from here to there. Raises ValueError and IndexError."""
    found = []
    while at < end:
        length, start = data[at + 1], at + 2
        if length >= 0x80:
            size = length & 0x7F
            length, start = int.from_bytes(data[start : start + size]), start + size
        if data[at] & 0x1F == 0x1F or start + length > end:
            raise ValueError("it is no DER of the kind that timestamps have")
        found.append((data[at], at, start, start + length))
        at = start + length
    return found


def _refused() -> TimestampError:
    return TimestampError("TIMESTAMP_REFUSED", "The authority did not grant a timestamp.")


def _malformed(what: str) -> TimestampError:
    return TimestampError("TIMESTAMP_MALFORMED", f"The timestamp {what}.")
