"""Check a signed statement: what it is about, and who signed it."""

from __future__ import annotations

from datetime import datetime

from affidavit.bundle import envelope
from affidavit.bundle.envelope import Envelope, EnvelopeError, Statement
from affidavit.bundle.keys import Keys
from affidavit.bundle.manifest import ENVELOPE, MANIFEST
from affidavit.bundle.opened import Opened
from affidavit.bundle.report import Report

_TIMES = {envelope.BUNDLE: "sealed_at", envelope.TOMBSTONE: "deleted_at", envelope.RECEIPT: "issued_at"}


def check_seal(opened: Opened, keys: Keys) -> None:
    """Check that the envelope of a bundle is about its manifest, and who signed it."""
    report = opened.report
    data = opened.subject_of("statement", ENVELOPE, envelope.MAX_ENVELOPE_BYTES)
    found = None if data is None else _read(data, report, ENVELOPE)
    if found is None:
        report.not_checked("signature", "STATEMENT_WRONG", "There is no statement to check.", entry=ENVELOPE)
        return
    report.subject["signing_key_id"] = found.key_id
    _check_statement(opened, found.statement)
    _check_signature(report, found, keys, ENVELOPE)


def check_statement(data: bytes, keys: Keys) -> Report:
    """Check a statement that stands alone: the tombstone of a bundle, or a receipt."""
    report = Report()
    found = _read(data, report)
    if found is None:
        report.not_checked("signature", "STATEMENT_WRONG", "The envelope could not be read.")
        return report
    about = found.statement
    report.subject = {
        **about.predicate,
        "type": about.predicate_type,
        "manifest_sha256": about.manifest_sha256,
        "signing_key_id": found.key_id,
    }
    if about.predicate_type in {envelope.TOMBSTONE, envelope.RECEIPT}:
        report.passed("statement", about.predicate_type)
    else:
        report.failed("statement", "PREDICATE_WRONG", "It is neither a tombstone nor a receipt.")
    _check_signature(report, found, keys)
    return report


def _read(data: bytes, report: Report, entry: str | None = None) -> Envelope | None:
    try:
        return envelope.read_envelope(data)
    except EnvelopeError as wrong:
        report.failed("statement", wrong.code, str(wrong), entry=entry)
        return None


def _check_statement(opened: Opened, about: Statement) -> None:
    report, manifest = opened.report, opened.manifest
    if about.manifest_sha256 != opened.digests.get(MANIFEST):
        report.failed("statement", "SUBJECT_WRONG", "It is about another manifest.", entry=ENVELOPE)
    elif about.predicate_type != envelope.BUNDLE:
        report.failed("statement", "PREDICATE_WRONG", "It does not seal a bundle.", entry=ENVELOPE)
    elif manifest is None:
        report.not_checked("statement", "MANIFEST_WRONG", "There is no manifest to compare with.")
    elif about.predicate != manifest.predicate:
        detail = "It says something else than the manifest."
        report.failed("statement", "PREDICATE_WRONG", detail, entry=ENVELOPE)
    else:
        report.passed("statement", about.predicate_type, entry=ENVELOPE)


def _check_signature(report: Report, found: Envelope, keys: Keys, entry: str | None = None) -> None:
    key = keys.get(found.key_id)
    if not keys:
        detail = f"No key was given. The envelope names the key {found.key_id}."
        report.not_checked("signature", "NO_KEY", detail, entry=entry)
    elif key is None:
        detail = f"The key {found.key_id} is not one of those given."
        report.failed("signature", "KEY_UNKNOWN", detail, entry=entry)
    elif not found.is_signed_by(key.public):
        detail = f"The key {found.key_id} did not sign this."
        report.failed("signature", "SIGNATURE_INVALID", detail, entry=entry)
    elif key.retired_at is None:
        report.passed("signature", f"key {found.key_id}", entry=entry)
    elif not _is_before(found.statement, key.retired_at):
        detail = f"The key {found.key_id} signs nothing since {key.retired_at.isoformat()}."
        report.failed("signature", "KEY_NOT_VALID_THEN", detail, entry=entry)
    else:
        detail = f"key {found.key_id}, which signs nothing since {key.retired_at.isoformat()}"
        report.passed("signature", detail, code="KEY_RETIRED", entry=entry)


def _is_before(about: Statement, retired_at: datetime) -> bool:
    """Tell whether the statement says that it was made before the key was retired."""
    said = about.predicate.get(_TIMES.get(about.predicate_type, ""))
    try:
        return isinstance(said, str) and datetime.fromisoformat(said) <= retired_at
    except (ValueError, TypeError):
        return False  # it says no time, or one without its zone
