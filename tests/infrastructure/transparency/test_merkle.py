"""Trees and proofs, against the published vectors and against the definition.

Leaves, roots and proofs are the reference ones of Certificate Transparency (RFC 6962), as in
transparency-dev/merkle, proof/verify_test.go.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infrastructure.transparency.merkle import Edge, Hashes, Place, consistency, inclusion, nodes
from infrastructure.transparency.verifier import (
    EMPTY_ROOT,
    consistent,
    leaf_hash,
    node_hash,
    root_of,
)

LEAVES = [
    bytes.fromhex(text)
    for text in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    bytes.fromhex(text)
    for text in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
"""By the number of leaves."""
INCLUSION = {
    (0, 1): [],
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
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
"""By the index of the leaf and the size of the tree."""
CONSISTENCY = {
    (1, 1): [],
    (1, 8): INCLUSION[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (6, 7): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}
"""By the sizes of the two trees."""


class Grown:
    """A tree grown leaf by leaf, and its tiles."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.hashes, self.edge = [leaf_hash(data) for data in leaves], Edge()
        self.tiles: dict[Place, bytes] = {}
        for hash in self.hashes:
            self.tiles.update(self.edge.append(hash))
        self.tiles.update(self.edge.partial())

    def proof(self, spans: list[tuple[int, int]]) -> list[bytes]:
        hashes = Hashes(spans, lambda places: {place: self.tiles[place] for place in places})
        return [hashes.of(span) for span in spans]


def by_definition(hashes: list[bytes]) -> bytes:
    """MTH as RFC 9162, 2.1.1 writes it."""
    if len(hashes) < 2:
        return hashes[0] if hashes else EMPTY_ROOT
    half = max(1 << n for n in range(32) if 1 << n < len(hashes))
    return node_hash(by_definition(hashes[:half]), by_definition(hashes[half:]))


def counted(number: int) -> list[bytes]:
    return [str(n).encode() for n in range(number)]


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_the_published_ones(size: int) -> None:
    assert Grown(LEAVES[:size]).edge.root() == ROOTS[size]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion_proofs_are_the_published_ones(index: int, size: int) -> None:
    proof = [bytes.fromhex(text) for text in INCLUSION[index, size]]
    hash = leaf_hash(LEAVES[index])

    assert Grown(LEAVES[:size]).proof(inclusion([index], size)) == proof
    assert root_of(size, [index], [hash], b"".join(proof)) == ROOTS[size]
    for wrong in joined(proof):
        assert root_of(size, [index], [hash], wrong) != ROOTS[size]
    for other, larger in ((index - 1, size), (index + 1, size), (index, 2 * size)):
        assert root_of(larger, [other], [hash], b"".join(proof)) != ROOTS[size]
    assert root_of(size, [index], [EMPTY_ROOT], b"".join(proof)) != ROOTS[size]


@pytest.mark.parametrize(("old", "size"), CONSISTENCY)
def test_consistency_proofs_are_the_published_ones(old: int, size: int) -> None:
    proof = [bytes.fromhex(text) for text in CONSISTENCY[old, size]]

    assert Grown(LEAVES[:size]).proof(consistency(old, size)) == proof
    assert consistent(old, ROOTS[old], size, ROOTS[size], proof)
    for wrong in corrupted(proof):
        assert not consistent(old, ROOTS[old], size, ROOTS[size], wrong)
    assert not consistent(old, EMPTY_ROOT, size, ROOTS[size], proof)
    assert not consistent(old, ROOTS[old], size, EMPTY_ROOT, proof)
    if old != size:
        assert not consistent(old, ROOTS[size], size, ROOTS[old], proof)
        assert not consistent(old + 1, ROOTS[old], size, ROOTS[size], proof)
        assert not consistent(old, ROOTS[old], size, ROOTS[size], [])


def corrupted(proof: list[bytes]) -> list[list[bytes]]:
    wrong = [[*proof, b""], [*proof, ROOTS[8]], [b"", *proof], [ROOTS[8], *proof]]
    wrong += [proof[:-1], proof[1:]] if proof else []
    for at, hash in enumerate(proof):
        flipped = bytes([hash[0] ^ 8]) + hash[1:]
        wrong.append([*proof[:at], flipped, *proof[at + 1 :]])
    return wrong


def joined(proof: list[bytes]) -> set[bytes]:
    """Every corruption of it, as one piece; and some that pieces cannot show."""
    whole = b"".join(proof)
    wrong = {b"".join(steps) for steps in corrupted(proof)} | {whole + b"\x00", whole[:-1]}
    return wrong - {whole}


def test_the_empty_log_is_the_beginning_of_every_log() -> None:
    assert consistent(0, EMPTY_ROOT, 8, ROOTS[8], [])
    assert consistent(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    assert not consistent(0, ROOTS[1], 8, ROOTS[8], [])
    assert not consistent(8, ROOTS[8], 7, ROOTS[7], [])


@pytest.mark.parametrize("size", [255, 256, 257, 511, 513, 1000, 65_536, 65_537, 70_000])
def test_the_tree_is_that_of_the_definition_where_tiles_begin_and_end(size: int) -> None:
    grown = Grown(counted(size))
    root = by_definition(grown.hashes)

    assert grown.edge.root() == root
    assert Edge(size, grown.tiles).root() == root
    assert grown.proof([(0, size)]) == [root]


def test_tiles_are_those_that_the_specification_counts() -> None:
    """C2SP tlog-tiles: a tree of size 70,000."""
    tiles = Grown(counted(70_000)).tiles

    widths = {place: len(hashes) // 32 for place, hashes in tiles.items()}
    full = [place for place, width in widths.items() if width == 256]
    partial = {place: width for place, width in widths.items() if width < 256}
    assert len(full) == 273 + 1
    assert partial == {(0, 273): 112, (1, 1): 17, (2, 0): 1}


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_every_proof_of_every_tree_holds_and_of_no_other(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 700))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    grown = Grown(counted(size))
    root, before = grown.edge.root(), by_definition(grown.hashes[:old])
    older = grown.proof(consistency(old, size))
    beside = grown.proof(inclusion([index], size))

    assert root_of(size, [index], [grown.hashes[index]], b"".join(beside)) == root
    assert consistent(old, before, size, root, older)
    assert root_of(size, [index], [leaf_hash(b"another")], b"".join(beside)) != root
    for wrong in joined(beside):
        assert root_of(size, [index], [grown.hashes[index]], wrong) != root
    for steps in corrupted(older):
        assert not consistent(old, before, size, root, steps)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_many_leaves_are_proven_together_and_no_other_leaf_is(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 600))
    indexes = sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=50)))
    grown = Grown(counted(size))
    root, hashes = grown.edge.root(), [grown.hashes[index] for index in indexes]
    beside = grown.proof(inclusion(indexes, size))
    proof = b"".join(beside)

    assert root_of(size, indexes, hashes, proof) == root
    assert len(beside) <= sum(len(inclusion([index], size)) for index in indexes)
    for at in range(len(indexes)):
        forged = [*hashes[:at], leaf_hash(b"another"), *hashes[at + 1 :]]
        assert root_of(size, indexes, forged, proof) != root
    for wrong in joined(beside):
        assert root_of(size, indexes, hashes, wrong) != root


def test_a_leaf_that_is_told_twice_or_out_of_order_is_not_passed_over() -> None:
    grown = Grown(LEAVES[:8])
    at_3, at_5 = (grown.hashes[index] for index in (3, 5))
    ways = {index: grown.proof(inclusion([index], 8)) for index in (3, 5)}
    twice = b"".join(hash + hash for hash in ways[5])

    assert root_of(8, [5, 5], [at_5, leaf_hash(b"another")], twice) is None
    assert root_of(8, [5, 3], [at_5, at_3], b"".join(ways[5][:2] + ways[3][:2])) is None
    assert root_of(8, [], [], b"") is None
    assert root_of(1, [0], [at_3], b"") == at_3


def test_spans_are_cut_into_complete_subtrees() -> None:
    assert list(nodes((0, 7))) == [(2, 0), (1, 2), (0, 6)]
    assert list(nodes((4, 7))) == [(1, 2), (0, 6)]
    assert list(nodes((3, 3))) == []


def test_a_missing_or_short_tile_is_an_error() -> None:
    tiles = Grown(counted(300)).tiles
    short = {**tiles, (0, 1): tiles[0, 1][:-32]}
    for broken in ({(0, 0): tiles[0, 0]}, short):

        def load(wanted: set[Place], there: dict[Place, bytes] = broken) -> dict[Place, bytes]:
            return {place: there[place] for place in wanted if place in there}

        with pytest.raises(LookupError):
            Hashes([(0, 300)], load).of((0, 300))
