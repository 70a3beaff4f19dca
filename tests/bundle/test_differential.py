"""Two verifiers that share no code come to the same verdict on whatever the rightful key may sign."""

from __future__ import annotations

import copy
import json
import random
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import rfc8785

from tests.bundle.archive import pack
from tests.bundle.broken import manifest_of, with_manifest
from tests.bundle.making import Draft, entries, envelope
from tests.bundle.specimens import non_ascii, plain, reviewed, with_log_proof
from tests.bundle.test_second_verifier import first, second

CASES = 150  # of each seed; 15,000 were tried when this was written
ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 2**53, -(2**53), 2**53 - 1, 1.5, 1.25, 0.0, -0.0, 1e300),
    *("", "a", "p1.w0", "\0", "\ue000", "\U0001f9fe", "0" * 64, "exact", "\ud800", "\x85", "\x1c", "\ufeff"),
    *("2026-01-02T03:04:05.000006Z", "2024-02-30T00:00:00.000000Z", "2026-01-02T24:00:00.000000Z"),
    *([], {}, [0, 1], [1, 0], [0, 10**9], [0, 1, 2, 3], ["p1.w0"], [[]], {"a": 1}),
]
SPECIMENS = (plain, with_log_proof, reviewed, non_ascii)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.filterwarnings("ignore")
def test_both_come_to_the_same_verdict(seed: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        differing = [data for data in cases(random.Random(seed)) if first(data)[0] != second(data)[0]]

    assert differing == []


def cases(chance: random.Random) -> Iterator[bytes]:
    made = 0
    while made < CASES:
        try:
            data = signed(chance, chance.choice(SPECIMENS)())
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # what was changed cannot be written, or not be signed
        made += 1
        yield data


def signed(chance: random.Random, draft: Draft) -> bytes:
    """Change one part of a bundle, and sign what came of it."""
    match chance.choice(["manifest", "statement", "chunk", "artifact"]):
        case "manifest":
            return with_manifest(draft, written(changed(chance, manifest_of(draft))))
        case "statement":
            forged = envelope(written(changed(chance, draft.signed_statement())), draft.signer)
            parts = [(name, forged if name == "manifest.dsse.json" else data) for name, data in draft.parts()]
            return pack(entries(parts))
        case "chunk":
            lines = draft.artifact("chunks.ndjson").splitlines()
            n = chance.randrange(len(lines))
            lines[n] = written(changed(chance, json.loads(lines[n])))
            return draft.with_chunks(b"".join(line + b"\n" for line in lines)).zip()
        case _:
            names = [a.name for a in draft.artifacts if a.name in ("extraction.json", "reviewed.json")]
            name = chance.choice(names)
            return draft.with_artifact(name, written(changed(chance, json.loads(draft.artifact(name))))).zip()


def written(value: Any) -> bytes:
    """Return canonical JSON, or what comes nearest."""
    try:
        return rfc8785.dumps(value)
    except (ValueError, rfc8785.CanonicalizationError):
        return json.dumps(value, separators=(",", ":")).encode()


def changed(chance: random.Random, value: Any) -> Any:
    """Return the value with one of its members changed, taken away or added."""
    value = copy.deepcopy(value)
    *above, key = chance.choice([path for path in paths(value) if path])
    holder = value
    for each in above:
        holder = holder[each]
    match chance.randrange(5):
        case 0 | 1:
            holder[key] = chance.choice(ODD)
        case 2:
            del holder[key]
        case 3 if isinstance(holder, dict):
            holder[chance.choice(["more", "", "\ue000"])] = chance.choice(ODD)
        case 3:
            holder.insert(key, copy.deepcopy(chance.choice(holder)))
        case _:
            holder[key] = nearby(chance, holder[key])
    return value


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, each in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from paths(each, (*path, key))


def nearby(chance: random.Random, value: Any) -> Any:
    match value:
        case bool() | None:
            return not value
        case int() | float():
            return value + chance.choice([1, -1, 0.01, 0.0105, 0.0115, 0.5])
        case str():
            at = chance.randrange(len(value) + 1)
            return value[:at] + chance.choice(["x", " ", "\x85", "\x1c", "\ufeff", "\n"]) + value[at + 1 :]
        case list():
            return value[::-1]
    return chance.choice(ODD)
