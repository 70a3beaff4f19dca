"""The requests of /v1/log, as they come over the wire. Unknown names are refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from affidavit.api.wire import Query
from affidavit.evidence.published_log import Logged

Size = Annotated[int, Field(ge=0, le=2**53 - 1)]


class InclusionQuery(Query):
    """Which entry to prove, by its hash or its index, and in which tree."""

    entry: Annotated[
        str | None,
        Field(
            pattern="^[0-9a-f]{64}$",
            description="The entry in hex: the SHA-256 of a bundle's manifest, or of a tombstone's envelope.",
        ),
    ] = None
    index: Annotated[Size | None, Field(description="Or its index, from 0.")] = None
    size: Annotated[
        Size | None, Field(description="Size of the tree to prove it in; without it the newest.")
    ] = None


class ConsistencyQuery(Query):
    """Between which sizes to prove that the log only grew."""

    first: Annotated[Size, Field(description="The size that you know.")]
    second: Annotated[Size | None, Field(description="A later size; without it the newest.")] = None


class ProofQuery(Query):
    """What of a bundle to prove."""

    of: Annotated[
        Logged,
        Field(description="The manifest of the bundle, or the tombstone that its deletion left."),
    ] = Logged.MANIFEST
