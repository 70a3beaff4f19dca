"""Trees as RFC 6962 has them: the roots that Certificate Transparency publishes, and proofs of all sizes."""

from __future__ import annotations

import hashlib

import pytest

from affidavit.bundle import merkle

ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
# Of the first n entries, as the tests of google/certificate-transparency have them.
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


def leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(n.to_bytes(2, "big")) for n in range(count)]


@pytest.mark.parametrize("count", range(9))
def test_root_is_the_published_one(count: int) -> None:
    assert merkle.root(map(merkle.leaf_hash, ENTRIES[:count])).hex() == ROOTS[count]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 21, 64, 65])
def test_every_leaf_is_proven_by_its_own_proof_alone(count: int) -> None:
    found = leaves(count)
    root = merkle.root(found)
    for index in range(count):
        proof = merkle.inclusion_proof(found, index)
        assert merkle.is_included(found[index], index, count, proof, root)
        assert not merkle.is_included(merkle.leaf_hash(b"else"), index, count, proof, root)
        assert not merkle.is_included(found[index], index, count, [*proof, root], root)
        assert not any(
            merkle.is_included(found[index], other, count, proof, root)
            for other in range(count)
            if other != index
        )


@pytest.mark.parametrize("count", [0, 1, 2, 3, 8, 13, 32])
def test_growth_is_proven_from_every_size_and_a_changed_hash_spoils_it(count: int) -> None:
    found = leaves(count)
    root = merkle.root(found)
    for old in range(count + 1):
        before, proof = merkle.root(found[:old]), merkle.consistency_proof(found, old)
        assert merkle.is_consistent(old, before, count, root, proof)
        assert not merkle.is_consistent(old, hashlib.sha256(b"else").digest(), count, root, proof)
        for n in range(len(proof)):
            changed = [*proof[:n], bytes(32), *proof[n + 1 :]]
            assert not merkle.is_consistent(old, before, count, root, changed)


def test_proof_of_growth_backwards_is_refused() -> None:
    assert not merkle.is_consistent(2, merkle.EMPTY_ROOT, 1, merkle.EMPTY_ROOT, [])


def test_appending_tells_the_subtrees_that_it_completes() -> None:
    frontier = merkle.Frontier()
    kept = {}
    for n, leaf in enumerate(leaves(11)):
        for level, node in enumerate(frontier.append(leaf)):
            kept[level, n >> level] = node
    for size in range(1, 12):
        parts = [kept[place] for place in merkle.complete_subtrees((0, size))]
        assert merkle.fold(parts) == merkle.root(leaves(size))


def test_tree_goes_on_from_its_kept_subtrees() -> None:
    first = merkle.Frontier()
    for leaf in leaves(6):
        first.append(leaf)
    second = merkle.Frontier(first.size, first.subtrees)
    for leaf in leaves(9)[6:]:
        second.append(leaf)
    assert second.root() == merkle.root(leaves(9))


def test_frontier_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="one subtree for each bit"):
        merkle.Frontier(3, [bytes(32)])


def test_proof_of_a_leaf_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no such leaf"):
        merkle.inclusion_ranges(3, 3)
    assert not merkle.is_included(bytes(32), 3, 3, [], bytes(32))
