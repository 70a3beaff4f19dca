"""Whom a command trusts: the options that say so, and the keys and certificates that they name."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.x509 import Certificate, load_pem_x509_certificates

from affidavit.bundle import keys
from affidavit.bundle.keys import Keys


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys, and the certificates of authorities for timestamps, that are trusted."""

    keys: Keys = field(default_factory=dict)
    authorities: Sequence[Certificate] = ()


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let a command take `--key`, `--trust` and `--authority`."""
    parser.add_argument(
        "--key",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a public key that you trust: PEM, or what /v1/keys/signing says (may be repeated)",
    )
    parser.add_argument("--trust", type=Path, metavar="DIR", help="a folder of such files")
    parser.add_argument(
        "--authority", type=Path, metavar="FILE", help="certificates (PEM) whose timestamps you trust"
    )


def read(given: argparse.Namespace) -> Trust:
    """Read what these options name. Raises OSError, and ValueError for what is no key or certificate."""
    found = {} if given.trust is None else dict(keys.read_folder(given.trust))
    for path in given.key:
        found |= keys.read_file(path)
    authorities = () if given.authority is None else load_pem_x509_certificates(given.authority.read_bytes())
    return Trust(found, authorities)
