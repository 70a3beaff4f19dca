"""Trees, checkpoints and proofs are those of RFC 6962 and C2SP: by public vectors and by the RFC itself."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from affidavit.bundle import merkle
from affidavit.bundle.checkpoint import (
    Checkpoint,
    CheckpointError,
    is_origin,
    note_key_id,
    raw_key,
    read_note,
    sign,
    verifier_key,
)
from affidavit.bundle.log_proof import LogProofError, read_log_proof, write_log_proof

# The leaves and roots of the tests of the reference implementation of RFC 6962.
ENTRIES = [
    bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")
] + [bytes(range(0x60, 0x70))]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSIONS = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}
CONSISTENCIES = {
    (1, 1): [],
    (1, 8): INCLUSIONS[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]

# A real log's checkpoint, its key, and its proof of an entry: log2025-1.rekor.sigstore.dev, entry 412114.
REKOR_KEY = base64.b64decode("t8rlp1knGwjfbcXAYPYAkn0XiLz1x8O4t0YkEhie244=")
REKOR_NOTE = (
    "log2025-1.rekor.sigstore.dev\n412115\n+8vUkEgBK/ansexBUomzocaWoPEmPIzxJC/y+xNMQN4=\n\n"
    "— log2025-1.rekor.sigstore.dev zxGZFahCZ/+MqTjH4rC5MWcdLDWbpetE5l30RZfQc4BQkRjWSoKipEUPjvHENeZDHIlAsuez"
    "JcLzUVvItpNjaSRoMAs=\n"
)
REKOR_HASHES = [
    "KIoYVJ0TqmaEkFboP7YWTjSh8vFjVECmokcTOAByfIM=",
    "Umf0h0cK2hegTzNnSgsXszyiA4bp5OvEvP+GrWq3C8w=",
    "vNQeSNBfepYZI2Ez3ViKdCft0JH87ZS8IGKwixxUVjc=",
    "JBAugd5awOqmHXIKgz1MOjlR5f37VqmP0bWoRVcHX5M=",
    "xYH2mAxGxfOgvSOLnItT2LsJt+Z2a2egjf8QJFwK7jA=",
    "PbZWM3NitzChx9A22m/kddDtzh2bAKX5Fy7j76l3z2k=",
    "sKX9Sbsahvw5DiC2oP6pbZsDi1NzuNS1nIULXkCC57o=",
    "pfTCxXHnCM253jwYxVJcuUhmoTTtDxznn92QhN0M4Ws=",
    "cJ8uk2ZvZyfg+HRILKOHcyHu2pvI8Fz3R1MyMvyzWtA=",
]
REKOR_ENTRY = base64.b64decode(
    "eyJhcGlWZXJzaW9uIjoiMC4wLjIiLCJraW5kIjoiaGFzaGVkcmVrb3JkIiwic3BlYyI6eyJoYXNoZWRSZWtvcmRWMDAyIjp7ImRhdGEi"
    "OnsiYWxnb3JpdGhtIjoiU0hBMl8yNTYiLCJkaWdlc3QiOiI1ZEoyU2FrVWVPWFk0dXQxaEJIUG9teitoVG42dGMwS1R6Y0dvc0ErZXBF"
    "PSJ9LCJzaWduYXR1cmUiOnsiY29udGVudCI6Ik1FWUNJUURjSk84Mm56MXJydHUxRHhTcHJ1WDFvZ0p1bThkbDRJaUdCTVB6M2pZY2Jn"
    "SWhBS3dROHdOdTFPbjhwWWZoQUpDSzhPcVQwT09HVGgveUFRK0FuL2UzZC9kVSIsInZlcmlmaWVyIjp7ImtleURldGFpbHMiOiJQS0lY"
    "X0VDRFNBX1AyNTZfU0hBXzI1NiIsInB1YmxpY0tleSI6eyJyYXdCeXRlcyI6Ik1Ga3dFd1lIS29aSXpqMENBUVlJS29aSXpqMERBUWNE"
    "UWdBRTBxOVErdGRHMTk1Q1hLZm1VeDFZYXR2Wi9tTjNyaGpwT2ZtMWx2c2tXcHJIOVB4cGU5WGM2TGpFSmJCY1ZQaHV0a2ZVdkJCOVJE"
    "ays0MlNORTYvNXhnPT0ifX19fX19"
)


class Signing:
    """A key of the tests."""

    def __init__(self, seed: bytes = bytes(32)) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.key = self._private.public_key()
        self.public = raw_key(self.key)
        self.key_id = "k"

    def sign(self, data: bytes) -> bytes:
        return self._private.sign(data)


ORIGIN = "example.com/log"
SIGNING = Signing()


def signed(size: int, root: bytes, signing: Signing = SIGNING, origin: str = ORIGIN) -> str:
    return sign(Checkpoint(origin, size, root), signing.public, signing)


def code_of(content: bytes) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_note(content).signer([SIGNING.key])
    return caught.value.code


@cache
def entry(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(4)).digest()


@cache
def naive_root(start: int, end: int) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    if start == end:
        return hashlib.sha256(b"").digest()
    if end - start == 1:
        return hashlib.sha256(b"\x00" + entry(start)).digest()
    k = 1
    while k * 2 < end - start:
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(start, start + k) + naive_root(start + k, end)).digest()


def naive_path(m: int, start: int, end: int) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1."""
    if end - start == 1:
        return []
    k = 1
    while k * 2 < end - start:
        k *= 2
    if m < k:
        return [*naive_path(m, start, start + k), naive_root(start + k, end)]
    return [*naive_path(m - k, start + k, end), naive_root(start, start + k)]


def naive_subproof(m: int, start: int, end: int, *, is_whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962, section 2.1.2."""
    if m == end - start:
        return [] if is_whole else [naive_root(start, end)]
    k = 1
    while k * 2 < end - start:
        k *= 2
    if m <= k:
        return [*naive_subproof(m, start, start + k, is_whole=is_whole), naive_root(start + k, end)]
    return [*naive_subproof(m - k, start + k, end, is_whole=False), naive_root(start, start + k)]


@pytest.fixture(scope="module")
def nodes() -> dict[tuple[int, int], bytes]:
    """Return the nodes of a tree that was built one leaf at a time, as the log keeps them."""
    frontier, made = merkle.Frontier(), {}
    for number in range(260):
        for level, found in enumerate(frontier.append(merkle.leaf_hash(entry(number)))):
            made[level, number >> level] = found
    return made


def folded(nodes: dict[tuple[int, int], bytes], leaves: merkle.Range) -> bytes:
    return merkle.fold([nodes[each] for each in merkle.complete_subtrees(leaves)])


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_reference(size: int) -> None:
    assert merkle.root(LEAVES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size"), INCLUSIONS)
def test_inclusion_proofs_are_those_of_the_reference(index: int, size: int) -> None:
    proof = merkle.inclusion_proof(LEAVES[:size], index)

    assert [each.hex() for each in proof] == INCLUSIONS[index, size]
    assert merkle.is_included(LEAVES[index], index, size, proof, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new"), CONSISTENCIES)
def test_consistency_proofs_are_those_of_the_reference(old: int, new: int) -> None:
    proof = merkle.consistency_proof(LEAVES[:new], old)

    assert [each.hex() for each in proof] == CONSISTENCIES[old, new]
    assert merkle.is_consistent(old, bytes.fromhex(ROOTS[old]), new, bytes.fromhex(ROOTS[new]), proof)


def test_every_consistency_proof_up_to_260_is_that_of_the_rfc_and_holds(
    nodes: dict[tuple[int, int], bytes],
) -> None:
    for new in range(1, 261):
        for old in range(1, new + 1):
            proof = [folded(nodes, each) for each in merkle.consistency_ranges(old, new)]
            assert proof == naive_subproof(old, 0, new, is_whole=True), (old, new)
            assert merkle.is_consistent(old, naive_root(0, old), new, naive_root(0, new), proof), (old, new)


def test_every_inclusion_proof_up_to_260_is_that_of_the_rfc_and_holds(
    nodes: dict[tuple[int, int], bytes],
) -> None:
    for size in range(1, 261):
        for index in range(size):
            proof = [folded(nodes, each) for each in merkle.inclusion_ranges(index, size)]
            assert proof == naive_path(index, 0, size), (index, size)
            leaf = merkle.leaf_hash(entry(index))
            assert merkle.is_included(leaf, index, size, proof, naive_root(0, size)), (index, size)


@pytest.mark.parametrize("new", [1, 2, 3, 7, 8, 33])
def test_consistency_proof_of_anything_else_does_not_hold(new: int) -> None:
    for old in range(1, new + 1):
        proof = naive_subproof(old, 0, new, is_whole=True)
        before, after = naive_root(0, old), naive_root(0, new)
        wrong = [
            (old, after if old < new else entry(0), new, after, proof),
            (old, before, new, before if old < new else entry(0), proof),
            (old, before, new, after, [*proof, entry(0)]),
            *[(old, before, new, after, [*proof[:n], entry(0), *proof[n + 1 :]]) for n in range(len(proof))],
            *[(old, before, new, after, proof[:n]) for n in range(len(proof))],
            (new + 1, after, new, after, []),
        ]
        assert not any(merkle.is_consistent(*each) for each in wrong), (old, new)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 33])
def test_inclusion_proof_of_anything_else_does_not_hold(size: int) -> None:
    root = naive_root(0, size)
    for index in range(size):
        proof = naive_path(index, 0, size)
        leaf = merkle.leaf_hash(entry(index))
        wrong = [
            (entry(index), index, size, proof, root),
            *[(leaf, other, size, proof, root) for other in range(-1, size + 2) if other != index],
            (leaf, index, size, [*proof, entry(0)], root),
            *[(leaf, index, size, [*proof[:n], entry(0), *proof[n + 1 :]], root) for n in range(len(proof))],
            *[(leaf, index, size, proof[:n], root) for n in range(len(proof))],
            (leaf, index, size, proof, entry(0)),
        ]
        assert not any(merkle.is_included(*each) for each in wrong), (index, size)


def test_a_note_of_the_go_documentation_is_made_and_its_key_named_the_same() -> None:
    skey = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")
    signing = Signing(skey[1:])
    text = "If you think cryptography is the answer to your problem,\n"
    text += "then you don't know what your problem is.\n"

    signature = note_key_id("PeterNeumann", signing.public) + signing.sign(text.encode())

    assert base64.b64encode(signature).decode() == (
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )
    known = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert verifier_key("PeterNeumann", signing.public) == known


def test_a_checkpoint_of_a_public_log_is_read_and_verified() -> None:
    key = Ed25519PublicKey.from_public_bytes(REKOR_KEY)

    note = read_note(REKOR_NOTE.encode())

    assert note.signer([SIGNING.key, key]) is key
    assert (note.checkpoint.origin, note.checkpoint.size) == ("log2025-1.rekor.sigstore.dev", 412115)


def test_a_proof_of_a_public_log_is_written_read_and_verified() -> None:
    hashes = [base64.b64decode(each) for each in REKOR_HASHES]

    proof = read_log_proof(write_log_proof(412114, hashes, REKOR_NOTE))

    proof.require(REKOR_ENTRY, "log2025-1.rekor.sigstore.dev")
    proof.require_signed([Ed25519PublicKey.from_public_bytes(REKOR_KEY)])


def test_a_checkpoint_comes_back_as_it_was_signed() -> None:
    checkpoint = Checkpoint(ORIGIN, 2**40, entry(1))

    note = read_note(sign(checkpoint, SIGNING.public, SIGNING).encode())

    assert note.checkpoint == checkpoint
    assert note.signer([SIGNING.key]) is SIGNING.key


def test_lines_of_witnesses_are_passed_over() -> None:
    note = signed(1, entry(1))
    witness = Signing(b"w" * 32)
    line = base64.b64encode(note_key_id("w.example", witness.public) + bytes(72)).decode()

    found = read_note(f"{note}— w.example {line}\n".encode())

    assert found.signer([SIGNING.key]) is SIGNING.key


def test_one_known_key_that_did_not_sign_spoils_the_note() -> None:
    old = Signing(b"o" * 32)
    note = signed(1, entry(1))
    line = base64.b64encode(note_key_id(ORIGIN, old.public) + bytes(64)).decode()

    with pytest.raises(CheckpointError) as caught:
        read_note(f"{note}— {ORIGIN} {line}\n".encode()).signer([SIGNING.key, old.key])

    assert caught.value.code == "CHECKPOINT_SIGNATURE_INVALID"


def test_a_key_of_another_name_is_unknown() -> None:
    text = Checkpoint(ORIGIN, 1, entry(1)).text()
    signature = note_key_id("other", SIGNING.public) + SIGNING.sign(text.encode())
    note = f"{text}\n— other {base64.b64encode(signature).decode()}\n"

    assert code_of(note.encode()) == "CHECKPOINT_KEY_UNKNOWN"


@pytest.mark.parametrize(
    "change",
    [
        ("\n7\n", "\n07\n"),
        ("\n7\n", "\n+7\n"),
        ("\n7\n", "\n\uff17\n"),
        ("\n7\n", "\n10000000000000000000\n"),
        ("\n7\n", "\n7 \n"),
        ("\n7\n", "\n\n"),
        (ORIGIN + "\n7", "a b\n7"),
        (ORIGIN + "\n7", "a+b\n7"),
        (ORIGIN + "\n7", "a\x00b\n7"),
        (ORIGIN + "\n7", "\n7"),
        ("=\n\n", "\n\n"),
        ("=\n\n", "=\r\n\n"),
        ("— ", "- "),
        ("— ", "—"),
        ("=\n\n—", "=\n—"),
    ],
)
def test_what_is_spelled_otherwise_is_no_checkpoint(change: tuple[str, str]) -> None:
    note = signed(7, entry(1))
    assert note.replace(*change) != note
    assert code_of(note.replace(*change).encode()) == "CHECKPOINT_MALFORMED"


@pytest.mark.parametrize("cut", [b"", b"\n", b"\n\n", b"\xff\xfe", b"a" * 100_000])
def test_what_is_no_note_is_refused(cut: bytes) -> None:
    assert code_of(cut) == "CHECKPOINT_MALFORMED"


def test_no_flipped_bit_of_a_proof_passes() -> None:
    size, index = 11, 6
    note = signed(size, naive_root(0, size))
    content = write_log_proof(index, naive_path(index, 0, size), note)
    passed = []

    for place in range(len(content)):
        for bit in range(8):
            flipped = bytearray(content)
            flipped[place] ^= 1 << bit
            try:
                proof = read_log_proof(bytes(flipped))
                proof.require(entry(index), ORIGIN)
                proof.require_signed([SIGNING.key])
            except LogProofError:
                continue
            passed.append((place, bit))

    assert passed == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("index 6", "index 06"), "LOG_PROOF_MALFORMED"),
        (("index 6", "index -1"), "LOG_PROOF_MALFORMED"),
        (("index 6", "extra AAAA\nindex 6"), "LOG_PROOF_MALFORMED"),
        (("@v1", "@v2"), "LOG_PROOF_MALFORMED"),
        (("index 6", "index 5"), "LOG_ENTRY_NOT_INCLUDED"),
        (("index 6", "index 11"), "LOG_ENTRY_NOT_INCLUDED"),
        ((f"{ORIGIN}\n", "example.com/other\n"), "LOG_ORIGIN_OTHER"),
        (("\n\n", "\n"), "LOG_PROOF_MALFORMED"),
    ],
)
def test_each_wrong_proof_says_why(change: tuple[str, str], code: str) -> None:
    content = write_log_proof(6, naive_path(6, 0, 11), signed(11, naive_root(0, 11)))
    changed = content.decode().replace(*change, 1)
    assert changed != content.decode()

    with pytest.raises(LogProofError) as caught:
        read_log_proof(changed.encode()).require(entry(6), ORIGIN)

    assert caught.value.code == code


def test_the_proof_of_another_entry_is_refused() -> None:
    content = write_log_proof(6, naive_path(6, 0, 11), signed(11, naive_root(0, 11)))

    with pytest.raises(LogProofError, match="does not lead"):
        read_log_proof(content).require(entry(5), ORIGIN)


def test_a_proof_signed_by_nobody_known_is_refused() -> None:
    content = write_log_proof(6, naive_path(6, 0, 11), signed(11, naive_root(0, 11)))

    with pytest.raises(LogProofError) as caught:
        read_log_proof(content).require_signed([Signing(b"o" * 32).key])

    assert caught.value.code == "CHECKPOINT_KEY_UNKNOWN"


def test_an_empty_log_has_the_root_of_nothing() -> None:
    note = read_note(signed(0, merkle.EMPTY_ROOT).encode())

    assert (note.checkpoint.size, note.checkpoint.root) == (0, hashlib.sha256(b"").digest())


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b", "a" * 256, "a\u200eb"])
def test_a_log_has_a_name_that_fits_into_a_note(name: str) -> None:
    assert is_origin(ORIGIN)
    assert not is_origin(name)
