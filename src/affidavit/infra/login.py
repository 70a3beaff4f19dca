"""Let the login of API and workers act as the two roles, and make it when it is missing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

import asyncpg

from affidavit.infra.connections import Role

_ITERATIONS: Final = 4096  # as Postgres does it (scram_iterations)


class LoginRefused(Exception):
    """The owner may not make or admit the login; the message holds the SQL for somebody who may."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who connects, as a database URL says it."""

    name: str
    password: str | None

    @classmethod
    def of(cls, url: str) -> Login:
        """Read it from a URL: postgresql://NAME:PASSWORD@host/database."""
        parts = urlsplit(url)
        password = None if parts.password is None else unquote(parts.password)
        return cls(unquote(parts.username or ""), password)


async def admit(owner_url: str, service_url: str) -> bool:
    """Make the login of `service_url` if it is missing, and grant it the roles; tell whether it was made.

    It inherits nothing, so that it can do nothing but act as one of them. A login that is there keeps its
    password and attributes. Raises LoginRefused.
    """
    login = Login.of(service_url)
    connection = await asyncpg.connect(owner_url.replace("postgresql+asyncpg://", "postgresql://", 1))
    try:
        async with connection.transaction():
            return await _admit(connection, login)
    except asyncpg.InsufficientPrivilegeError as refused:
        name, roles = _quoted(login.name), ", ".join(Role)
        raise LoginRefused(
            f"The owner may not make or admit the login {login.name}: {refused}. As a superuser: "
            f"CREATE ROLE {name} LOGIN NOINHERIT PASSWORD '…'; GRANT {roles} TO {name};"
        ) from refused
    finally:
        await connection.close()


async def _admit(connection: asyncpg.Connection[asyncpg.Record], login: Login) -> bool:
    name = _quoted(login.name)
    found = "SELECT count(*) FROM pg_roles WHERE rolname = $1"
    is_missing = bool(await connection.fetchval(found, login.name) == 0)
    if is_missing:
        password = "" if login.password is None else f" PASSWORD '{scram_verifier(login.password)}'"
        await connection.execute(f"CREATE ROLE {name} LOGIN NOINHERIT{password}")
    for role in Role:
        if not await connection.fetchval("SELECT pg_has_role($1, $2, 'MEMBER')", login.name, role.value):
            await connection.execute(f"GRANT {role} TO {name}")
    return is_missing


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """Return what Postgres keeps of a password (RFC 5803), so that no log of statements has it."""
    salt = secrets.token_bytes(16) if salt is None else salt
    text = unicodedata.normalize("NFKC", password).encode()
    salted = hashlib.pbkdf2_hmac("sha256", text, salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${_ITERATIONS}:{salt64}${stored64}:{server64}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
