"""Evidence of a ticket: what proves its history to somebody who has only the file."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete

from infrastructure.transparency import evidence as evidence_module
from infrastructure.transparency import verifier
from infrastructure.transparency.tables import log_tiles
from infrastructure.transparency.verifier import leaf, leaf_hash, read_event, verify_bundle
from tests.api.answers import is_problem
from tests.infrastructure.transparency.past import catch_up, go_on
from tests.shop import Shop, done


@pytest.fixture
def ticket(shop: Shop) -> str:
    """One with parts, labor and letters beyond ASCII, of a customer with a name."""
    customer, item = shop.customer(name="Größe"), shop.item()
    ticket = shop.ticket(customer, description='Größe "A"\t\u2028 \U0001f527 <b>')
    path = f"/v1/tickets/{ticket}"
    done(shop.post(f"{path}/parts", json={"inventory_id": item, "quantity": 2}))
    done(
        shop.post(
            f"{path}/labor", json={"description": "Work", "minutes": 20, "rate_cents_per_hour": 1}
        )
    )
    settle(shop)
    return ticket


def settle(shop: Shop) -> str:
    shop.settle()
    return catch_up(shop.runtime)


def bundle(shop: Shop, ticket: str, query: str = "") -> bytes:
    answer = shop.as_("auditor").get(f"/v1/tickets/{ticket}/evidence{query}")
    assert answer.status_code == 200, answer.text
    return answer.content


def test_what_a_bundle_says_commands_no_terminal_and_forges_no_line() -> None:
    told = json.dumps({"format": verifier.BUNDLE_FORMAT, "keys": ["\x1b[2J\nverified\u202e"]})

    lines = str(verify_bundle(told.encode())).split("\n")

    assert lines[-1] == "NOT VERIFIED"
    assert "verified" not in lines
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("query", ["", "?since=1"])
def test_a_hash_that_the_log_has_lost_is_not_the_clients_mistake(
    shop: Shop, ticket: str, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    with shop.runtime.database.transaction() as connection:
        connection.execute(delete(log_tiles))

    answer = shop.as_("auditor").get(f"/v1/tickets/{ticket}/evidence{query}")

    is_problem(answer, 500, "internal")
    assert "the log has lost hashes" in caplog.text


def test_a_bundle_verifies_and_shows_what_is_served(shop: Shop, ticket: str) -> None:
    data = bundle(shop, ticket)
    told = json.loads(data)

    verdict = verify_bundle(data)

    assert verdict.faults == []
    assert told["state"] == done(shop.get(f"/v1/tickets/{ticket}"))
    assert [event["version"] for event in told["events"]] == [1, 2, 3]
    stored = shop.runtime.transparency_log.entry(told["events"][0]["position"])
    assert stored is not None
    assert b64decode(told["events"][0]["state"]) == stored.state
    assert told["customer"]["name"] == "Größe"


def test_a_bundle_proves_to_continue_a_checkpoint_that_was_kept(shop: Shop, ticket: str) -> None:
    keys = [key.public_key for key in shop.runtime.transparency_log.signers.published()]
    held = settle(shop)
    size = shop.runtime.transparency_log.head().size
    go_on(shop.runtime)
    settle(shop)

    data = bundle(shop, ticket, f"?since={size}")

    assert verify_bundle(data, keys, held).faults == []
    (fault,) = verify_bundle(bundle(shop, ticket), keys, held).faults
    assert f"ask for since={size}" in fault
    same = settle(shop)
    assert verify_bundle(bundle(shop, ticket), keys, same).faults == []


def _drop(told: Any, at: int) -> None:
    """An event, with its leaf."""
    del told["events"][at]
    leaves = b64decode(told["leaves"])
    told["leaves"] = b64encode(leaves[: 32 * at] + leaves[32 * at + 32 :]).decode()


def _flip(told: Any, name: str) -> None:
    data = bytearray(b64decode(told[name]))
    data[0] ^= 1
    told[name] = b64encode(data).decode()


def _forge(told: Any, at: int) -> None:
    """By somebody who knows how leaves are made."""
    event = told["events"][at]
    event["topic"] = "ticket.voided"
    forged = leaf_hash(leaf(read_event(UUID(told["ticket_id"]).bytes, event)))
    leaves = b64decode(told["leaves"])
    told["leaves"] = b64encode(leaves[: 32 * at] + forged + leaves[32 * at + 32 :]).decode()


Change = Callable[[Any], object]
CHANGES: dict[str, tuple[Change, str]] = {
    "stored bytes": (
        lambda b: b["events"][1].update(state=b64encode(b"{}").decode()),
        "version 2, is not what the log holds",
    ),
    "an event with its leaf": (lambda b: _forge(b, 1), "do not lead to the root"),
    "a leaf": (lambda b: _flip(b, "leaves"), "version 1, is not what the log holds"),
    "the proof": (lambda b: _flip(b, "proof"), "do not lead to the root"),
    "a proof cut off": (lambda b: b.update(proof=""), "do not lead to the root"),
    "a proof with more": (lambda b: b.update(proof="AAAA" + b["proof"]), "do not lead to the root"),
    "a leaf left out": (lambda b: b.update(leaves=""), "3 events and 0 leaves"),
    "a version": (lambda b: b["events"][2].update(version=2), "out of order"),
    "a position": (lambda b: b["events"][2].update(position=1), "out of order"),
    "topic": (lambda b: b["events"][1].update(topic="ticket.voided"), "version 2, is not"),
    "time": (
        lambda b: b["events"][0].update(recorded_at="2001-01-01T00:00:00Z"),
        "version 1, is not",
    ),
    "commit": (lambda b: b["events"][0].update(commit_id=str(uuid4())), "version 1, is not"),
    "an event left out": (lambda b: _drop(b, 1), "out of order"),
    "the last event left out": (lambda b: _drop(b, 2), "another ticket or version"),
    "an event without its leaf left out": (lambda b: b["events"].pop(), "2 events and 3 leaves"),
    "another order": (lambda b: b["events"].reverse(), "out of order"),
    "no events": (lambda b: b.update(events=[], leaves="", proof=""), "0 events and 0 leaves"),
    "another ticket": (lambda b: b.update(ticket_id=str(uuid4())), "not what the log holds"),
    "the state": (lambda b: b["state"].update(total_cents=1), "whose digest"),
    "the checkpoint": (
        lambda b: b.update(checkpoint=b["checkpoint"].replace("\n", "1\n", 2)),
        "does not fit",
    ),
    "no signature": (
        lambda b: b.update(checkpoint=b["checkpoint"].partition("\n\n")[0]),
        "no signed note",
    ),
    "no key": (lambda b: b.update(keys=[]), "none of the keys"),
    "the format": (lambda b: b.update(format="another"), "in another format"),
    "no such field": (lambda b: b.pop("events"), "no bundle"),
    "another type": (lambda b: b.update(events=5), "no bundle"),
}


def test_a_bundle_that_was_changed_does_not_verify(shop: Shop, ticket: str) -> None:
    good = bundle(shop, ticket)

    for what, (change, says) in CHANGES.items():
        change(told := json.loads(good))
        faults = verify_bundle(json.dumps(told).encode()).faults
        assert any(says in fault for fault in faults), (what, faults)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"format": 1}']
)
def test_what_is_no_bundle_is_told_so(data: bytes) -> None:
    assert len(verify_bundle(data).faults) == 1


def test_a_bundle_signed_by_a_key_that_is_not_trusted_does_not_verify(
    shop: Shop, ticket: str
) -> None:
    stranger = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"

    (fault,) = verify_bundle(bundle(shop, ticket), [stranger]).faults

    assert "none of the keys" in fault


def test_the_verifier_works_alone(shop: Shop, ticket: str, tmp_path: Path) -> None:
    """Copied out, in a Python that knows nothing of ours."""
    held = settle(shop)
    (tmp_path / "bundle.json").write_bytes(good := bundle(shop, ticket))
    (tmp_path / "held").write_text(held)
    (tmp_path / "forged.json").write_bytes(good.replace(b'"topic":"ticket.p', b'"topic":"ticket.q'))
    (tmp_path / "verifier.py").write_text(Path(verifier.__file__).read_text())
    (key,) = json.loads(good)["keys"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "verifier.py", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    whole = run("bundle.json", "--key", key, "--against", "held")
    forged = run("forged.json")

    assert (whole.returncode, whole.stdout.splitlines()[-1]) == (0, "verified"), whole.stderr
    assert (forged.returncode, forged.stdout.splitlines()[-1]) == (1, "NOT VERIFIED")
    assert "FAULT: the event at position" in forged.stdout
    source = Path(verifier.__file__).read_text()
    assert not any(f"from {package}" in source for package in ("infrastructure", "domain", "api"))


def test_an_erased_person_leaves_every_proof_valid_and_reads_null(shop: Shop, ticket: str) -> None:
    before = bundle(shop, ticket)
    held = json.loads(before)["checkpoint"]
    size = held.splitlines()[1]
    done(shop.delete(f"/v1/tickets/{ticket}"))
    customer = json.loads(before)["customer"]["id"]

    done(shop.post(f"/v1/customers/{customer}/erase"))
    settle(shop)

    after = bundle(shop, ticket, f"?since={size}")
    assert verify_bundle(before, (), held).faults == []
    assert verify_bundle(after, (), held).faults == []
    assert json.loads(after)["customer"] == {"id": customer, "name": None}
    assert "Größe" not in after.decode().replace('Größe \\"A\\"', "")


def test_evidence_waits_until_the_log_holds_all_of_it(
    shop: Shop, ticket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(shop.post(f"/v1/tickets/{ticket}/start"))
    monkeypatch.setattr(evidence_module, "WAIT_SECONDS", 0)
    answer = shop.get(f"/v1/tickets/{ticket}/evidence")
    is_problem(answer, 503, "projection-behind")
    assert "Retry-After" in answer.headers

    monkeypatch.setattr(evidence_module, "WAIT_SECONDS", 30)
    later = Timer(0.1, settle, [shop])
    later.start()
    told = json.loads(bundle(shop, ticket))
    later.join()

    assert len(told["events"]) == told["state"]["version"] == 4


def test_evidence_of_nothing_is_not_found(shop: Shop, ticket: str) -> None:
    for id in (str(uuid4()), shop.customer(), "x"):
        is_problem(shop.get(f"/v1/tickets/{id}/evidence"), 404, "not-found")
    for since in ("0", "100000", "x"):
        answer = shop.get(f"/v1/tickets/{ticket}/evidence?since={since}")
        is_problem(answer, 422, "invalid-fields", "/since")
