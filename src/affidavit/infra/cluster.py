"""Create a Postgres cluster, whole or not at all."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from affidavit.infra.binaries import Binaries, EmbeddedUnavailable
from affidavit.infra.supervise import User

NAME = "affidavit"  # of the database and of its owner
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

_SERVICE_USER = "daemon"  # every Unix has it and nothing runs as it; not nobody, who opens documents
_HERE = "/proc/self/cwd"  # the folder a server stands in, whatever private folders are above it
_PLENTY_SECONDS = 120


class ClusterFailed(Exception):
    """The cluster could not be created; the message holds what the program said."""


def service_user(data: Path) -> User | None:
    """Return whom the servers must run as: the owner of their data, or None for ourselves.

    Raises EmbeddedUnavailable when that cannot be.
    """
    owner = data.stat().st_uid if data.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise EmbeddedUnavailable(f"{data} belongs to another user. Run as that user, or as root.")
        if owner is None and not _is_listed(os.geteuid()):
            raise EmbeddedUnavailable(
                f"Postgres's initdb needs a name for user {os.geteuid()}, who is not in /etc/passwd. Add "
                "an entry, or set AFFIDAVIT_DATABASE_URL and AFFIDAVIT_REDIS_URL to servers of your own."
            )
        return None
    if sys.platform != "linux":
        raise EmbeddedUnavailable("Postgres refuses to run as root. Run this as an ordinary user.")
    if owner:
        return User(owner, data.stat().st_gid)
    entry = pwd.getpwnam(_SERVICE_USER)
    return User(entry.pw_uid, entry.pw_gid)


def _is_listed(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def own_path(path: Path, user: User | None) -> str:
    """Name a server's folder for the server itself, which starts in it and may not see its parents."""
    return _HERE if user else str(path)


def make_private(folder: Path, user: User | None) -> None:
    """Make the folder, if it is not there, for this user alone."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if user:
        os.chown(folder, user.uid, user.gid)


def create_cluster(data: Path, binaries: Binaries, user: User | None, *, password: str, lock: int) -> None:
    """Create the cluster and its database in `data`, which does not exist yet.

    It is made beside and renamed when done. Checksums of pages are on, and the locale is Postgres's
    own C.UTF-8, which does not change with the machine's libraries. `lock` is a descriptor that the
    programs inherit, so that it is held until they are gone. Raises ClusterFailed.
    """
    staging = data.with_name(f"{data.name}.new")
    shutil.rmtree(staging, ignore_errors=True)
    make_private(staging, user)
    here = own_path(staging, user)
    with _readable_by(user, password) as secret:
        arguments = [
            *(str(binaries.initdb), "--pgdata", here, "--username", NAME, "--auth", "scram-sha-256"),
            *("--pwfile", f"/dev/fd/{secret.fileno()}", "--data-checksums", "--encoding", "UTF8"),
            *("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
        ]
        _run(arguments, staging, user, keep_open=(lock, secret.fileno()))
    single_user = [str(binaries.postgres), "--single", "-D", here, "postgres"]
    _run(single_user, staging, user, keep_open=(lock,), text=f"CREATE DATABASE {NAME}\n".encode())
    staging.rename(data)


def _readable_by(user: User | None, text: str) -> IO[bytes]:
    """Return an open file without a name, holding `text`, that the user may open anew."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    if user:
        os.fchown(file.fileno(), user.uid, user.gid)
    file.write(text.encode())
    file.seek(0)
    return file


def _run(
    arguments: list[str],
    folder: Path,
    user: User | None,
    *,
    keep_open: tuple[int, ...],
    text: bytes = b"",
) -> None:
    done = subprocess.run(
        arguments,
        check=False,
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=ENVIRONMENT,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
        pass_fds=keep_open,
        timeout=_PLENTY_SECONDS,
    )
    if done.returncode != 0:
        raise ClusterFailed(f"{Path(arguments[0]).name}: {done.stdout.decode(errors='replace').strip()}")
