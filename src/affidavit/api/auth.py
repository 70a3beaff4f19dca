"""Find out who is asking. Called before a byte of the body is read."""

from __future__ import annotations

from starlette.requests import Request

from affidavit.accounts.principal import Principal, Scope
from affidavit.api.limits import ALLOWANCE
from affidavit.api.services import services
from affidavit.errors import Unauthenticated


async def authorize(request: Request, *scopes: Scope) -> Principal:
    """Return the caller, who must have these scopes. Raises Unauthenticated, Forbidden, TooManyRequests."""
    used = services(request)
    principal = await used.accounts.authenticate(_key(request))
    request.scope["affidavit.key_id"] = principal.key_id
    request.scope[ALLOWANCE] = used.request_limit.spent()  # stands when the next line refuses
    request.scope[ALLOWANCE] = used.request_limit.count(principal.key_id)
    principal.require(*scopes)
    return principal


async def admit(request: Request, *scopes: Scope) -> Principal:
    """Return a caller who may submit work now. Raises as `authorize`, and as `Pressure.check`."""
    principal = await authorize(request, *scopes)
    services(request).pressure.check(principal.environment_id)
    return principal


def _key(request: Request) -> str:
    """Return the key as sent; raw headers, since this runs for every request."""
    for name, value in request.scope["headers"]:
        if name == b"authorization":
            scheme, _, key = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer":
                return str(key.strip())
        elif name == b"x-api-key":
            return str(value.decode("latin-1").strip())
    raise Unauthenticated
