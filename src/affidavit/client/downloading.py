"""Save a bundle as it streams in, over as many connections as it takes: what both clients share."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

from affidavit.client import reply
from affidavit.client.call import Call, path_of

HOLD_SECONDS = 60  # until the first byte: the service looks first whether all files are there
ENDINGS = {"zip": ".zip", "bagit": ".tar"}
GOOD = frozenset({HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT})


class Downloading:
    """One download. Bytes go to a file beside the target, which takes its place when it is whole.

    `target` is a file, or a folder that is there, in which the file is named for the bundle.
    """

    def __init__(self, bundle_id: str, target: str | Path, form: str, agent_id: str | None) -> None:
        if form not in ENDINGS:
            raise ValueError(f"a bundle is downloaded as one of {', '.join(ENDINGS)}, not {form!r}")
        path = Path(target)
        self.path = path / f"{bundle_id}{ENDINGS[form]}" if path.is_dir() else path
        self._call = Call(
            "GET",
            f"{path_of('bundles', bundle_id)}/download",
            reply.nothing,
            {"format": form} | ({} if agent_id is None else {"agent_id": agent_id}),
            hold_seconds=HOLD_SECONDS,
        )
        self._draft = self.path.with_name(f"{self.path.name}.part")
        self._etag = ""
        self._done = 0

    def __enter__(self) -> Self:
        self._file = self._draft.open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._draft.unlink(missing_ok=True)

    def ask(self) -> Call[None]:
        """Return the request for what is still missing."""
        if not self._done:
            return self._call
        headers = {"Range": f"bytes={self._done}-", "If-Range": self._etag}
        return Call(
            self._call.method,
            self._call.path,
            self._call.read,
            self._call.params,
            headers,
            hold_seconds=HOLD_SECONDS,
        )

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Take what is about to come: the rest, or everything anew when the bundle got a proof meanwhile."""
        if status != HTTPStatus.PARTIAL_CONTENT:
            self._file.seek(0)
            self._file.truncate()
            self._done = 0
        self._etag = headers.get("etag", "")

    def write(self, chunk: bytes) -> None:
        """Take some bytes."""
        self._file.write(chunk)
        self._done += len(chunk)

    def finish(self) -> Path:
        """Put the file in its place and return it."""
        self._file.close()
        self._draft.replace(self.path)
        return self.path
