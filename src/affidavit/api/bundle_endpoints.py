"""Every endpoint under /v1/bundles that reads."""

from __future__ import annotations

from typing import Final

from affidavit.accounts.principal import Scope
from affidavit.api import bundle_examples as examples
from affidavit.api.bundle_objects import (
    BundleCitations,
    BundleDiff,
    BundleHistory,
    BundleList,
    BundleObject,
    BundleVerification,
    CitationVerification,
)
from affidavit.api.bundle_wire import (
    BundleQuery,
    CitationsQuery,
    DiffQuery,
    DownloadQuery,
    HistoryQuery,
    VerifyQuery,
)
from affidavit.api.endpoint import Endpoint, Reply
from affidavit.api.routes import bundles

_READ: Final = (Scope.BUNDLES_READ,)
_ETAG: Final = ("ETag",)
_GONE: Final = ("NOT_FOUND", "BUNDLE_DELETED")
_LOOKED_INTO: Final = (*_GONE, "OVERLOADED", "STORED_BYTES_DAMAGED")
_UNCHANGED: Final = Reply(304, "Unchanged, by If-None-Match.", media_type=None)
_FILE: Final = (
    Reply(200, "The bytes.", media_type="*/*", headers=("ETag", "Content-Disposition")),
    _UNCHANGED,
)
_HOW_TO_DOWNLOAD: Final = """All files, the signed manifest and the proofs that there are by now, as one file.

The ZIP is what `affidavit verify` and `affidavit show` read: its bytes follow from the manifest, so it is the
same file whenever it is asked for, until a proof is added. It is sent from the store as it is read, with its
exact size as `Content-Length`, and in parts to those who ask for a `Range`. If a stored file is found to be
damaged on the way, the connection breaks off before the end.

Every call that is answered with bytes is noted in the history, when it begins, and gets a signed receipt."""
_HOW_TO_VERIFY: Final = """Check a bundle as it lies in the store now.

In full, everything is hashed again, the signature and the proofs are checked, and every citation is held
against the text, as `affidavit verify` does offline. Each check is listed, with the file that it is about as
`entry`; what is not as it was sealed is in `damaged`, and the verdict is `failed`, which is no error: the
status is 200. With `quick=true` no file is read, and what was left out is listed as `not_checked`.

Either way the answer is noted in the history and gets a signed receipt, which says mode and verdict."""

ENDPOINTS_OF_BUNDLES: Final = (
    Endpoint(
        "GET",
        "/v1/bundles",
        bundles.list_bundles,
        "bundles",
        "List bundles",
        "Newest first, by keyset; with `job_id` those of one job.",
        (Reply(200, "A page of bundles.", BundleList, examples.BUNDLE_LIST),),
        codes=("CURSOR_INVALID",),
        scopes=_READ,
        query=BundleQuery,
    ),
    Endpoint(
        "GET",
        "/v1/bundles/{bundle_id}",
        bundles.show,
        "bundles",
        "Get a bundle",
        "What was sealed, with its files, how far it is proven, and the bundles that follow it.",
        (Reply(200, "The bundle.", BundleObject, examples.BUNDLE),),
        codes=_GONE,
        scopes=_READ,
    ),
    Endpoint(
        "GET",
        "/v1/bundles/{bundle_id}/manifest",
        bundles.manifest,
        "bundles",
        "Get the manifest of a bundle",
        "Byte for byte as it was signed (RFC 8785): the SHA-256 of this answer is `manifest_sha256`.",
        (Reply(200, "The manifest.", None, examples.MANIFEST, headers=_ETAG), _UNCHANGED),
        codes=_GONE,
        scopes=_READ,
    ),
    Endpoint(
        "GET",
        "/v1/bundles/{bundle_id}/envelope",
        bundles.envelope,
        "bundles",
        "Get the signature of a bundle",
        "A DSSE envelope around an in-toto statement about the manifest, Ed25519: `manifest.dsse.json`.",
        (Reply(200, "The envelope.", None, examples.ENVELOPE, headers=_ETAG), _UNCHANGED),
        codes=_GONE,
        scopes=_READ,
    ),
    Endpoint(
        "GET",
        "/v1/bundles/{bundle_id}/artifacts/{name}",
        bundles.artifact,
        "bundles",
        "Download a file of a bundle",
        "Its bytes as they were sealed, as an attachment that no browser will run.",
        _FILE,
        codes=(*_GONE, "STORED_BYTES_DAMAGED"),
        scopes=_READ,
    ),
    Endpoint(
        "GET",
        "/v1/bundles/{bundle_id}/artifacts/{folder}/{name}",
        bundles.artifact_of_folder,
        "bundles",
        "Download a file of a folder of a bundle",
        "As above, for `source/...`, `files/...` and `pages/...`.",
        _FILE,
        codes=(*_GONE, "STORED_BYTES_DAMAGED"),
        scopes=_READ,
    ),
    Endpoint(
        "GET",
        "/v1/bundles/{bundle_id}/download",
        bundles.download,
        "bundles",
        "Download a bundle",
        _HOW_TO_DOWNLOAD,
        (
            Reply(
                200,
                "The bundle.",
                media_type="*/*",
                headers=("ETag", "Content-Disposition", "Affidavit-Receipt"),
            ),
            Reply(
                206,
                "A part of it.",
                media_type="*/*",
                headers=("ETag", "Content-Range", "Affidavit-Receipt"),
            ),
            _UNCHANGED,
        ),
        codes=(*_GONE, "STORED_BYTES_DAMAGED", "RANGE_NOT_SATISFIABLE"),
        scopes=_READ,
        query=DownloadQuery,
    ),
    Endpoint(
        "GET",
        "/v1/bundles/{bundle_id}/verify",
        bundles.verify,
        "bundles",
        "Verify a bundle",
        _HOW_TO_VERIFY,
        (Reply(200, "What was found.", BundleVerification, examples.VERIFICATION),),
        codes=(*_GONE, "OVERLOADED"),
        scopes=_READ,
        query=VerifyQuery,
    ),
    Endpoint(
        "GET",
        "/v1/bundles/{bundle_id}/citations",
        bundles.citations,
        "bundles",
        "List the citations of a bundle",
        "Every place in the extraction that cites words of the document, in its order.",
        (Reply(200, "A page of citations.", BundleCitations, examples.CITATIONS),),
        codes=_LOOKED_INTO,
        scopes=_READ,
        query=CitationsQuery,
    ),
    Endpoint(
        "GET",
        "/v1/bundles/{bundle_id}/citations/{citation_id}",
        bundles.citation,
        "bundles",
        "Verify a citation",
        "Held against the text: the quote is what the words say, the box is around them. With the chunks "
        "that hold the words, and the proof that these were sealed, so that one value can be shown to others "
        "without the rest of the document.",
        (Reply(200, "What was found.", CitationVerification, examples.CITATION),),
        codes=_LOOKED_INTO,
        scopes=_READ,
    ),
    Endpoint(
        "GET",
        "/v1/bundles/{bundle_id}/diff",
        bundles.diff,
        "bundles",
        "Compare two bundles of a chain",
        "Field by field, what stands in this bundle and stood in the one that it follows, or in another one "
        "of the same chain. Of a bundle with a review, what the review made of it counts.",
        (Reply(200, "What changed.", BundleDiff, examples.DIFF),),
        codes=(*_LOOKED_INTO, "BUNDLE_HAS_NO_PARENT", "BUNDLES_UNRELATED"),
        scopes=_READ,
        query=DiffQuery,
    ),
    Endpoint(
        "GET",
        "/v1/bundles/{bundle_id}/history",
        bundles.history,
        "bundles",
        "Get the history of a bundle",
        "What happened to it and who did it, oldest first; also after its deletion, then without what "
        "callers wrote.",
        (Reply(200, "A page of events.", BundleHistory, examples.HISTORY),),
        codes=("NOT_FOUND", "CURSOR_INVALID"),
        scopes=_READ,
        query=HistoryQuery,
    ),
)
