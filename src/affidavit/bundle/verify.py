"""Verify a bundle: everything is hashed again, and held against what was signed.

Each check is reported on its own; one that fails does not stop those that do not build on it. Contents are
unpacked only after their hash proved to be the one in the manifest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from cryptography.x509 import Certificate

from affidavit.bundle import container, manifest
from affidavit.bundle.container import ContainerError, Files
from affidavit.bundle.keys import Keys
from affidavit.bundle.manifest import ENVELOPE, LOG_PROOF, MANIFEST, TIMESTAMP, Manifest, ManifestError
from affidavit.bundle.opened import Opened
from affidavit.bundle.proofs import check_log, check_timestamp
from affidavit.bundle.report import Report
from affidavit.bundle.signature import check_seal
from affidavit.bundle.text import check_text

CHECKS = (
    "container",
    "manifest",
    "entries",
    "artifact",
    "statement",
    "signature",
    "chunks",
    "citation",
    "log",
    "timestamp",
)


def verify(file: BinaryIO, keys: Keys, authorities: Sequence[Certificate] = ()) -> Report:
    """Verify the bundle in a file that can be sought. See `verify_files`."""
    try:
        return verify_files(container.read(file), keys, authorities)
    except ContainerError as wrong:
        report = Report()
        report.failed("container", wrong.code, str(wrong), entry=wrong.entry)
        for name in CHECKS[1:]:
            report.not_checked(name, "CONTAINER_WRONG", "The container could not be read.")
        return report


def verify_files(files: Files, keys: Keys, authorities: Sequence[Certificate] = ()) -> Report:
    """Verify a bundle with the keys that are trusted, which may be none.

    `authorities` are the certificates that the one of a timestamp must lead to. Memory is bounded, whatever
    the files hold: by the limits of what is unpacked, and by the names of the entries.
    """
    opened = Opened(files)
    check_manifest(opened)
    check_artifacts(opened)
    check_seal(opened, keys)
    check_text(opened)
    check_log(opened, keys)
    check_timestamp(opened, authorities)
    return opened.report


def check_manifest(opened: Opened) -> None:
    """Read the manifest, and compare the entries of the container with those that it lists."""
    data = opened.subject_of("manifest", MANIFEST, manifest.MAX_MANIFEST_BYTES)
    try:
        found = None if data is None else manifest.parse(data)
    except ManifestError as wrong:
        opened.report.failed("manifest", wrong.code, str(wrong), entry=MANIFEST)
        found = None
    if found is None:
        for name in ("entries", "artifact"):
            opened.report.not_checked(name, "MANIFEST_WRONG", "There is no manifest to compare with.")
        return
    opened.manifest = found
    opened.report.subject = {**found.subject, "manifest_sha256": opened.digests[MANIFEST]}
    opened.report.passed("manifest", f"sha256 {opened.digests[MANIFEST]}", entry=MANIFEST)
    _check_entries(opened, found)


def check_artifacts(opened: Opened) -> None:
    """Compare size and hash of every artifact with the manifest."""
    for artifact in () if opened.manifest is None else opened.manifest.artifacts:
        name, report = artifact.name, opened.report
        if not opened.has(name):
            report.failed("artifact", "ENTRY_MISSING", "It is not there.", entry=name)
        elif name not in opened.digests:
            report.failed("artifact", "UNREADABLE", "It could not be read.", entry=name)
        elif opened.size(name) != artifact.size:
            report.failed("artifact", "SIZE_WRONG", "It has another size.", entry=name)
        elif opened.digests[name] != artifact.sha256:
            report.failed("artifact", "HASH_WRONG", "It has another SHA-256.", entry=name)
        else:
            opened.bound.add(name)
            report.passed("artifact", entry=name)


def _check_entries(opened: Opened, found: Manifest) -> None:
    report, here = opened.report, opened.names
    expected = [MANIFEST, ENVELOPE, *(artifact.name for artifact in found.artifacts)]
    expected += [name for name in (LOG_PROOF, TIMESTAMP) if opened.has(name)]
    if here == expected:
        report.passed("entries")
        return
    missing, extra = set(expected) - set(here), set(here) - set(expected)
    for name in sorted(missing):
        report.failed("entries", "ENTRY_MISSING", "It is in the manifest and not here.", entry=name)
    for name in sorted(extra):
        report.failed("entries", "ENTRY_EXTRA", "It is here and not in the manifest.", entry=name)
    if not missing and not extra:
        wrong = next((name for name, other in zip(here, expected, strict=False) if name != other), None)
        report.failed("entries", "ENTRY_ORDER", "It is not at its place.", entry=wrong)
