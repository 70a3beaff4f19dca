"""The endpoints of the log: for anyone, but for the proof of a bundle."""

from __future__ import annotations

from typing import Final

from affidavit.accounts.principal import Scope
from affidavit.api.endpoint import Endpoint, Reply
from affidavit.api.examples import SHA256
from affidavit.api.log_objects import LogConsistency, LogInclusion
from affidavit.api.log_wire import ConsistencyQuery, InclusionQuery, ProofQuery
from affidavit.api.routes import log

_LIMITED: Final = ("RATE_LIMITED", "REQUEST_INVALID")
_TILE_CODES: Final = ("NOT_FOUND", *_LIMITED)
_HASH: Final = "IfwT1IxKgOB1SxEFY6YXH8XT7w7wtqHPuJ4nbUkUO1o="
_NOTE: Final = (
    f"affidavit.example.com/v1/log\n2\n{_HASH}\n\n"
    "— affidavit.example.com/v1/log 0I8+IQYpUwQ5cVYZ9Hhp0o8JdFs3uJ0n0pQ1d4dJvPcX0bTn4fLgB1o0s3mZ6yQ=\n"
)
_PROOF: Final = f"c2sp.org/tlog-proof@v1\nindex 0\n{_HASH}\n\n{_NOTE}"
_INCLUSION: Final = {
    "index": 0,
    "size": 2,
    "entry": SHA256,
    "leaf_hash": SHA256,
    "root": SHA256,
    "hashes": [SHA256],
}
_CONSISTENCY: Final = {
    "first": 1,
    "second": 2,
    "first_root": SHA256,
    "second_root": SHA256,
    "hashes": [SHA256],
}
_TILES: Final = """Hashes of the tree as C2SP tlog-tiles lays them out, 32 bytes each: level 0 are the leaves,
and each hash of the next level is the root over a full tile below. `entries` instead of a level: the
entries themselves, each after its length in 2 bytes."""
_OF_THOUSANDS: Final = "The same, of tiles from the thousandth on: tile 1,067 is `x001/067`."
_BEGINNING: Final = "The first hashes of a tile, as many as it had when the log was of some size."
_TILE: Final = (Reply(200, "256 hashes, or entries.", media_type="application/octet-stream"),)
_PARTIAL: Final = (Reply(200, "As many as were asked for.", media_type="application/octet-stream"),)


def _public(path: str, name: str, summary: str, description: str, replies: tuple[Reply, ...]) -> Endpoint:
    handler = getattr(log, name)
    return Endpoint(
        "GET",
        f"/v1/log/{path}",
        handler,
        "log",
        summary,
        description,
        replies,
        codes=_TILE_CODES,
        public=True,
    )


ENDPOINTS_OF_LOG: Final = (
    _public(
        "checkpoint",
        "checkpoint",
        "Get the newest checkpoint of the log",
        "How many entries the log has and the root hash over them, signed: a note as C2SP tlog-checkpoint "
        "says. Keep one, and ask for the consistency with a later one: entries that were removed or altered "
        "meanwhile cannot be hidden.",
        (Reply(200, "The note.", None, _NOTE, media_type="text/plain"),),
    ),
    _public(
        "tile/{level}/{tile}.p/{width}", "partial_tile", "Get the beginning of a tile", _BEGINNING, _PARTIAL
    ),
    _public("tile/{level}/{tile}", "tile", "Get a tile of the log", _TILES, _TILE),
    _public(
        "tile/{level}/{group}/{tile}.p/{width}",
        "partial_tile_of_group",
        "Get the beginning of a later tile",
        _BEGINNING,
        _PARTIAL,
    ),
    _public("tile/{level}/{group}/{tile}", "tile_of_group", "Get a later tile", _OF_THOUSANDS, _TILE),
    Endpoint(
        "GET",
        "/v1/log/inclusion",
        log.inclusion,
        "log",
        "Prove that an entry stands in the log",
        "By the hash of a manifest, which whoever holds the bundle knows, or by its index.",
        (Reply(200, "The proof.", LogInclusion, _INCLUSION),),
        codes=_TILE_CODES,
        public=True,
        query=InclusionQuery,
    ),
    Endpoint(
        "GET",
        "/v1/log/consistency",
        log.consistency,
        "log",
        "Prove that the log only grew",
        "That the log of the second size begins with all of the log of the first.",
        (Reply(200, "The proof.", LogConsistency, _CONSISTENCY),),
        codes=_TILE_CODES,
        public=True,
        query=ConsistencyQuery,
    ),
    Endpoint(
        "GET",
        "/v1/bundles/{bundle_id}/proof",
        log.proof,
        "bundles",
        "Get the proof that a bundle stands in the log",
        "As C2SP tlog-proof, against the first checkpoint that has it: the same bytes as "
        "`proofs/log.tlog-proof` in the bundle. Also after a deletion, and then for the tombstone too.",
        (Reply(200, "The proof.", None, _PROOF, media_type="text/plain", headers=("Content-Disposition",)),),
        codes=("NOT_FOUND", "BUNDLE_NOT_LOGGED", "BUNDLE_NOT_DELETED"),
        scopes=(Scope.BUNDLES_READ,),
        query=ProofQuery,
    ),
)
