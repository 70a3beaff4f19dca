"""Ask the timestamp authority for one timestamp, of something random, and check it as a worker would."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from affidavit.bundle.timestamp import TimestampError, TimestampExtraMissing, check
from affidavit.doctor.finding import Finding, fail, ok
from affidavit.evidence.timestamping import read_roots, request_for
from affidavit.infra.authority import Authority, AuthorityFailure

PART: Final = "timestamps"
_NOT_VOUCHED: Final = "Name the root certificate of the authority in AFFIDAVIT_TIMESTAMP_CA_FILE."
_AWAY: Final = "Check AFFIDAVIT_TIMESTAMP_URL and the way there; workers ask again until it answers."


async def examine(url: str, ca_file: Path | None, timeout_seconds: float) -> list[Finding]:
    """Say whether bundles get timestamps; without an authority that is nobody's fault."""
    if not url:
        return [ok(PART, "no authority is named: bundles get no timestamp")]
    data = secrets.token_bytes(16)
    try:
        roots = read_roots(ca_file)
        request, nonce = request_for(data)
        answer = await Authority(url, timeout_seconds).ask(request)
        found = check(answer, data, roots, nonce=nonce)
    except TimestampExtraMissing as missing:
        return [fail(PART, "timestamps cannot be asked for", str(missing))]
    except (OSError, ValueError) as error:
        return [
            fail(PART, "the roots cannot be read", f"AFFIDAVIT_TIMESTAMP_CA_FILE: {type(error).__name__}")
        ]
    except AuthorityFailure as failure:
        return [fail(PART, f"the authority gives no answer: {failure.code}", _AWAY)]
    except TimestampError as wrong:
        remedy = _NOT_VOUCHED if wrong.code == "TIMESTAMP_NOT_VOUCHED" else _AWAY
        return [fail(PART, f"{str(wrong).removesuffix('.')}: {wrong.code}", remedy)]
    return [ok(PART, f"the authority answered under policy {found.policy}")]
