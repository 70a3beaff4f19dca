"""Check what came to a bundle after it was sealed: its place in the log, and its timestamp."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.x509 import Certificate

from affidavit.bundle import log_proof, timestamp
from affidavit.bundle.envelope import MAX_ENVELOPE_BYTES
from affidavit.bundle.keys import Keys
from affidavit.bundle.log_proof import LogProofError
from affidavit.bundle.manifest import ENVELOPE, LOG_PROOF, MANIFEST, TIMESTAMP
from affidavit.bundle.opened import Opened
from affidavit.bundle.report import ABSENT, Report
from affidavit.bundle.timestamp import Timestamp, TimestampError, TimestampExtraMissing

MAX_PROOF_BYTES = 1 << 20


def check_log(opened: Opened, keys: Keys) -> None:
    """Check the proof that the manifest stands in the log of the installation that sealed it."""
    report = opened.report
    if not opened.has(LOG_PROOF):
        report.not_checked("log", ABSENT, "The bundle carries no proof of a log.")
        return
    data = opened.subject_of("log", LOG_PROOF, MAX_PROOF_BYTES)
    if data is None:
        return
    if opened.manifest is None:
        report.not_checked("log", "MANIFEST_WRONG", "There is no manifest to look for.", entry=LOG_PROOF)
        return
    try:
        proof = log_proof.read_log_proof(data)
        proof.require(bytes.fromhex(opened.digests[MANIFEST]), opened.manifest.value["log"]["origin"])
        if not keys:
            report.not_checked("log", "NO_KEY", "No key was given for its checkpoint.", entry=LOG_PROOF)
            return
        proof.require_signed(key.public for key in keys.values())
    except LogProofError as wrong:
        report.failed("log", wrong.code, str(wrong), entry=LOG_PROOF)
        return
    place = f"entry {proof.index} of the first {proof.checkpoint.size} of {proof.checkpoint.origin}"
    report.passed("log", place, entry=LOG_PROOF)


def check_timestamp(opened: Opened, authorities: Sequence[Certificate]) -> None:
    """Check that an authority attests the envelope, and when it did."""
    report = opened.report
    if not opened.has(TIMESTAMP):
        report.not_checked("timestamp", ABSENT, "The bundle carries no timestamp.")
        return
    data = opened.subject_of("timestamp", TIMESTAMP, MAX_PROOF_BYTES)
    if data is None:
        return
    if ENVELOPE not in opened.digests or opened.size(ENVELOPE) > MAX_ENVELOPE_BYTES:
        detail = "There is no envelope to compare with."
        report.not_checked("timestamp", "STATEMENT_WRONG", detail, entry=TIMESTAMP)
        return
    try:
        found = timestamp.check(data, opened.read(ENVELOPE, MAX_ENVELOPE_BYTES), authorities)
    except TimestampExtraMissing as missing:
        report.not_checked("timestamp", "TIMESTAMP_EXTRA_MISSING", str(missing), entry=TIMESTAMP)
    except TimestampError as wrong:
        report.failed("timestamp", wrong.code, str(wrong), entry=TIMESTAMP)
    else:
        _tell(report, found)


def _tell(report: Report, found: Timestamp) -> None:
    time = found.time.isoformat()
    if found.is_vouched:
        report.passed("timestamp", f"existed at {time}", entry=TIMESTAMP)
    else:
        detail = f"It says {time}, but no authority was given whose timestamps are trusted."
        report.not_checked("timestamp", "NO_AUTHORITY", detail, entry=TIMESTAMP)
