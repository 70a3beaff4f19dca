"""The requests of /v1/bundles, as they come over the wire. Unknown names are refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from affidavit.api.custody_wire import AgentId
from affidavit.api.wire import Moment, Query
from affidavit.evidence.packing import PackageFormat

Limit = Annotated[int, Field(ge=1, le=100, description="Most of them in one page.")]
Cursor = Annotated[str | None, Field(max_length=200, description="next_cursor of the page before.")]


class BundleQuery(Query):
    """Which bundles to list."""

    job_id: Annotated[str | None, Field(max_length=100, description="Only the bundles of this job.")] = None
    sealed_after: Annotated[Moment | None, Field(description="RFC 3339; this moment included.")] = None
    sealed_before: Annotated[Moment | None, Field(description="RFC 3339; this moment excluded.")] = None
    deleted: Annotated[
        bool, Field(description="Those that were deleted and left a tombstone, instead of those that are.")
    ] = False
    limit: Limit = 20
    cursor: Cursor = None


class HistoryQuery(Query):
    """Which part of a bundle's history to show."""

    limit: Limit = 50
    cursor: Cursor = None


class CitationsQuery(Query):
    """Which of a bundle's citations to list."""

    limit: Limit = 100
    after: Annotated[
        str | None,
        Field(max_length=20, pattern="^[cr][1-9][0-9]{0,8}$", description="The last one you have."),
    ] = None


class DeedQuery(Query):
    """Whom the receipt is for."""

    agent_id: Annotated[
        AgentId | None, Field(description="Whom you act for, in your own terms: it stands in the receipt.")
    ] = None


class VerifyQuery(DeedQuery):
    """How thoroughly to verify."""

    quick: Annotated[
        bool,
        Field(
            description="Check the signature, and that all files are there, without reading them. "
            "What was left out is among the checks as `not_checked`."
        ),
    ] = False


class DownloadQuery(DeedQuery):
    """What to download a bundle as."""

    format: Annotated[
        PackageFormat,
        Field(
            description="`zip` is the bundle itself, which `affidavit verify` reads; `bagit` the same files "
            "as a bag (RFC 8493) in a TAR."
        ),
    ] = PackageFormat.ZIP


class DiffQuery(Query):
    """What to compare a bundle with."""

    against: Annotated[
        str | None,
        Field(
            max_length=100,
            description="A bundle of the same chain; without it the one that this bundle follows.",
        ),
    ] = None
