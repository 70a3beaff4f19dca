"""The request that puts a bundle under legal hold, as it comes over the wire."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from affidavit.api.wire import Wire


class HoldBody(Wire):
    """Why it must be kept: a case, a request, who asked for it. It goes with the bundle, after the hold."""

    reason: Annotated[str, Field(min_length=1, max_length=2000, examples=["Litigation 2026-114, Smith"])]
