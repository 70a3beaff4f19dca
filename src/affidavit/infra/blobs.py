"""Open the blob store that a URL names."""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import unquote, urlsplit

from affidavit.infra.blobs_local import LocalBlobs
from affidavit.infra.blobs_port import (
    Blob,
    BlobCorrupt,
    BlobEntry,
    BlobError,
    BlobHealth,
    BlobKeyInvalid,
    BlobMissing,
    BlobStore,
    BlobStream,
    StagedUpload,
    StoreFull,
    StoreUnavailable,
)

__all__ = [
    "Blob",
    "BlobCorrupt",
    "BlobEntry",
    "BlobError",
    "BlobHealth",
    "BlobKeyInvalid",
    "BlobMissing",
    "BlobStore",
    "BlobStream",
    "LocalBlobs",
    "StagedUpload",
    "StoreFull",
    "StoreUnavailable",
    "open_store",
]


def open_store(url: str, *, scratch: Path | None = None) -> BlobStore:
    """Return the store at a path, `file:///path`, `s3://bucket/prefix`, `gs://...`, `az://...` or `memory:///`.

    Bucket stores take their credentials from the usual environment variables, and further options
    from the query: `s3://bucket?endpoint=http://localhost:9000&allow_http=true&region=eu`.
    `scratch` is where their uploads are staged; without it that is a new temporary directory, and
    what a killed process left there is never swept.
    """
    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        return LocalBlobs(Path(unquote(parts.path) if parts.scheme else url).expanduser().absolute())
    try:
        from affidavit.infra.blobs_object import ObjectBlobs, open_objects
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{parts.scheme}:// needs obstore: install affidavit[s3], or name a local directory instead"
        ) from error
    return ObjectBlobs(open_objects(url), scratch or Path(mkdtemp(prefix="affidavit-")))
