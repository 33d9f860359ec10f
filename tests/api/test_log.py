"""The log over HTTP: an auditor's client needs nothing but these answers and the standard."""

from __future__ import annotations

from base64 import b64decode

import pytest

from infrastructure.transparency.merkle import Edge
from infrastructure.transparency.verifier import (
    Checkpoint,
    Key,
    consistent,
    leaf_hash,
    open_checkpoint,
    root_of,
)
from tests.api.answers import is_problem
from tests.infrastructure.transparency.past import catch_up, go_on
from tests.shop import Client, Shop, done


@pytest.fixture
def auditor(shop: Shop) -> Client:
    """In a shop whose log holds a little more than one full tile."""
    go_on(shop.runtime, 150)
    catch_up(shop.runtime)
    return shop.as_("auditor")


def checkpoint(auditor: Client) -> Checkpoint:
    keys = [Key.parse(key["public_key"]) for key in done(auditor.get("/v1/log/keys"))["items"]]
    answer = auditor.get("/v1/log/checkpoint")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    return open_checkpoint(answer.text, keys)


def decoded(proof: list[str]) -> list[bytes]:
    return [b64decode(each) for each in proof]


def test_the_tree_follows_from_its_tiles_and_from_its_entries(auditor: Client) -> None:
    signed = checkpoint(auditor)
    full, rest = signed.size // 256, signed.size % 256
    assert full == 1
    assert rest

    paths = ["000", f"001.p/{rest}"]
    tiles = [auditor.get(f"/v1/log/tile/0/{path}").content for path in paths]
    above = auditor.get("/v1/log/tile/1/000.p/1").content
    entries = b"".join(auditor.get(f"/v1/log/tile/entries/{path}").content for path in paths)

    edge = Edge()
    for at in range(0, len(tiles[0]), 32):
        list(edge.append(tiles[0][at : at + 32]))
    assert edge.root() == above
    grown = Edge()
    for _ in range(signed.size):
        length = int.from_bytes(entries[:2])
        list(grown.append(leaf_hash(entries[2 : 2 + length])))
        entries = entries[2 + length :]
    assert entries == b""
    assert grown.root() == signed.root
    assert dict(grown.partial())[0, 1] == tiles[1]


def test_full_tiles_may_be_kept_for_ever(auditor: Client) -> None:
    for path in ("0/000", "entries/000", "0/000.p/7"):
        answer = auditor.get(f"/v1/log/tile/{path}")
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert "immutable" in answer.headers["Cache-Control"]
    assert (
        auditor.get("/v1/log/tile/0/000.p/7").content
        == (auditor.get("/v1/log/tile/0/000").content[: 7 * 32])
    )
    assert "no-cache" in auditor.get("/v1/log/checkpoint").headers["Cache-Control"]


NO_TILES = {
    "0/002": 404,
    "0/001": 404,
    "0/001.p/255": 404,
    "entries/001": 404,
    "entries/x001/000": 404,
    "2/000.p/1": 404,
    "63/000": 404,
    "64/000": 422,
    "00/000": 422,
    "-1/000": 422,
    "x/000": 422,
    "0/0": 422,
    "0/0000": 422,
    "0/x000/001": 422,
    "0/001/001": 422,
    "0/000.p/0": 422,
    "0/000.p/01": 422,
    "0/000.p/256": 422,
    "0/000.p/": 422,
    "0/%D9%A0%D9%A0%D9%A0": 422,
    "0/" + "x999/" * 40 + "999": 422,
}


def test_a_tile_that_is_none_is_a_problem(auditor: Client, subtests: pytest.Subtests) -> None:
    for path, status in NO_TILES.items():
        with subtests.test(path):
            answer = auditor.get(f"/v1/log/tile/{path}")
            if status == 404:
                is_problem(answer, 404, "not-found")
            else:
                wrong = "tile_path" if path.startswith("0/") else "level"
                is_problem(answer, 422, "invalid-fields", f"/{wrong}")


def test_every_event_is_proven_to_be_in_the_log(auditor: Client) -> None:
    signed = checkpoint(auditor)
    for position in (1, 2, 100, 255, 256, 257, signed.size):
        told = done(auditor.get(f"/v1/log/proof/inclusion?position={position}"))
        data = b64decode(told["leaf"])
        assert int.from_bytes(data[1:9]) == told["position"] == position
        assert leaf_hash(data) == b64decode(told["leaf_hash"])
        proof = b"".join(decoded(told["proof"]))
        assert root_of(signed.size, [position - 1], [leaf_hash(data)], proof) == signed.root
        assert told["checkpoint"] == auditor.get("/v1/log/checkpoint").text


def test_an_event_is_found_by_its_stream_and_version_and_in_an_older_tree(
    shop: Shop, auditor: Client
) -> None:
    size = checkpoint(auditor).size
    position = shop.runtime.feed.read(0, 1)[0]
    query = f"stream_id={position.originator_id}&version=1"

    now = done(auditor.get(f"/v1/log/proof/inclusion?{query}"))
    then = done(auditor.get(f"/v1/log/proof/inclusion?{query}&size=5"))

    assert (now["position"], now["size"]) == (1, size)
    assert (then["position"], then["size"], then["checkpoint"]) == (1, 5, None)
    proof = b"".join(decoded(then["proof"]))
    assert root_of(5, [0], [b64decode(then["leaf_hash"])], proof) == b64decode(then["root"])


def test_the_log_is_proven_to_continue_what_it_was(shop: Shop, auditor: Client) -> None:
    before = checkpoint(auditor)
    go_on(shop.runtime, 3)
    catch_up(shop.runtime)
    after = checkpoint(auditor)

    told = done(auditor.get(f"/v1/log/proof/consistency?from={before.size}"))

    assert (told["from"], told["to"]) == (before.size, after.size)
    assert told["checkpoint"] == auditor.get("/v1/log/checkpoint").text
    proof = decoded(told["proof"])
    assert consistent(before.size, before.root, after.size, after.root, proof)
    older = done(auditor.get(f"/v1/log/proof/consistency?from=3&to={before.size}"))
    assert older["root_to"] == told["root_from"]
    assert older["checkpoint"] is None


NO_PROOFS = {
    "inclusion": "/position",
    "inclusion?position=0": "/position",
    "inclusion?position=-1": "/position",
    "inclusion?position=x": "/position",
    "inclusion?position=100000": "/position",
    "inclusion?position=99999999999999999999": "/position",
    "inclusion?position=6&size=5": "/position",
    "inclusion?position=1&size=0": "/size",
    "inclusion?position=1&size=100000": "/size",
    "inclusion?position=1&version=1": "/position",
    "inclusion?version=1": "/position",
    "inclusion?stream_id=0199a4f2-6c1e-7d35-8b0a-5e2f7c914d60": "/position",
    "inclusion?stream_id=0199a4f2-6c1e-7d35-8b0a-5e2f7c914d60&version=1": "/version",
    "inclusion?stream_id=x&version=1": "/stream_id",
    "consistency": "/from",
    "consistency?from=0": "/from",
    "consistency?from=7&to=6": "/from",
    "consistency?from=1&to=100000": "/to",
    "consistency?from=100000": "/from",
    "consistency?from=1&surplus=1": "/surplus",
}


def test_a_proof_of_what_is_not_there_names_the_field(
    auditor: Client, subtests: pytest.Subtests
) -> None:
    for path, pointer in NO_PROOFS.items():
        with subtests.test(path):
            is_problem(auditor.get(f"/v1/log/proof/{path}"), 422, "invalid-fields", pointer)


PATHS = ("checkpoint", "keys", "proof/inclusion?position=1", "proof/consistency?from=1")


def test_auditors_and_admins_read_the_log_and_nobody_else(
    shop: Shop, auditor: Client, subtests: pytest.Subtests
) -> None:
    for path in (*PATHS, "tile/0/000", "tile/entries/000"):
        for role in ("admin", "auditor", "mechanic", "reporter", "customer"):
            with subtests.test(f"{role} {path}"):
                answer = shop.as_(role).get(f"/v1/log/{path}")
                if role in ("admin", "auditor"):
                    assert answer.status_code == 200
                else:
                    is_problem(answer, 403, "forbidden")
        is_problem(shop.nobody().get(f"/v1/log/{path}"), 401, "unauthorized")


def test_a_shop_where_nothing_has_happened_yet_has_a_log_too(shop: Shop) -> None:
    assert checkpoint(shop).size == 0
    is_problem(shop.get("/v1/log/tile/0/000.p/1"), 404, "not-found")
    is_problem(shop.get("/v1/log/proof/inclusion?position=1"), 422, "invalid-fields", "/position")
