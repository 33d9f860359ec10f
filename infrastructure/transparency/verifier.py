"""Checks evidence of the shop's log offline: no database, no network, nothing else of ours.

Copy this file wherever you like; it needs Python 3.11 and the package `cryptography`:

    python verifier.py BUNDLE [--key VKEY ...] [--against CHECKPOINT]

Merkle trees are those of RFC 9162 (SHA-256), checkpoints are C2SP tlog-checkpoint in
C2SP signed-note, keys are Ed25519 note keys. docs/auditing.md says what follows from a proof.
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

BUNDLE_FORMAT = "mechanic-shop/evidence/1"
EMPTY_ROOT = sha256(b"").digest()
ED25519 = b"\x01"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEAF = struct.Struct(">BQ16sIq16s32s")


class Fault(Exception):
    """What was shown does not prove what it claims. The message is one sentence."""


class Event(NamedTuple):
    """A stored event. `recorded_at` counts microseconds since 1970 UTC; `state` is stored so."""

    position: int
    stream_id: bytes
    version: int
    topic: str
    recorded_at: int
    commit_id: bytes
    state: bytes


def leaf(event: Event) -> bytes:
    """What the tree commits to, version 1, numbers big-endian:

    1 byte 0x01, position (8), stream id (16), version (4), recorded_at (8, signed), commit
    id (16), SHA-256 of the stored bytes (32), topic (the rest, UTF-8).
    """
    if not len(event.stream_id) == len(event.commit_id) == 16:
        raise ValueError("an id has 16 bytes")
    digest = sha256(event.state).digest()
    return _LEAF.pack(1, *event[:3], *event[4:6], digest) + event.topic.encode()


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """Verifies inclusion in the tree of that size and root (RFC 9162, 2.1.3.2).

    Nodes that led to the root are remembered: a path that meets one has arrived.
    """

    def __init__(self, size: int, root: bytes) -> None:
        self.size, self.root = size, root
        self._known: dict[tuple[int, int], bytes] = {}

    def includes(self, index: int, hash: bytes, proof: Sequence[str | bytes]) -> bool:
        """`hash`: of the leaf; `proof`: from the leaf upwards, as bytes or in base64."""
        if not 0 <= index < self.size:
            return False
        known, passed, node, last, level = self._known, [], index, self.size - 1, 0
        for step in proof:
            place = (level, node)
            if (found := known.get(place)) is not None:
                break
            passed.append((place, hash))
            beside = step if isinstance(step, bytes) else b64decode(step, validate=True)
            if last == 0 or len(beside) != 32:
                return False
            if node & 1 or node == last:
                hash = sha256(b"\x01" + beside + hash).digest()
                while not node & 1 and node:
                    node, last, level = node >> 1, last >> 1, level + 1
            else:
                hash = sha256(b"\x01" + hash + beside).digest()
            node, last, level = node >> 1, last >> 1, level + 1
        else:
            found = self.root if last == 0 else None
        if found == hash:
            known.update(passed)
        return found == hash


def consistent(
    old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the older tree is the beginning of the newer one (RFC 9162, 2.1.4.2)."""
    if old_size in (0, size):
        return not proof and old_root == (root if old_size else EMPTY_ROOT)
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else proof
    if not path or not 0 < old_size < size or any(len(each) != 32 for each in path):
        return False
    node, last = old_size - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    older = newer = path[0]
    for beside in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            older, newer = node_hash(beside, older), node_hash(beside, newer)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            newer = node_hash(newer, beside)
        node, last = node >> 1, last >> 1
    return last == 0 and older == old_root and newer == root


class Key(NamedTuple):
    """A public key that signs notes: `name+id+key` as one line of text."""

    name: str
    id: bytes
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Key:
        try:
            name, id, encoded = text.strip().split("+", 2)
            key = b64decode(encoded, validate=True)
            if key[:1] != ED25519 or len(key) != 33 or id != key_id(name, key[1:]).hex():
                raise ValueError
        except ValueError:
            raise Fault(f"no Ed25519 public key of a note: {text.strip()[:100]}") from None
        return cls(name, bytes.fromhex(id), key[1:])


def key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


class Checkpoint(NamedTuple):
    origin: str
    size: int
    root: bytes


def open_note(note: str, keys: Sequence[Key]) -> str:
    """The text that one of the keys signed. Raises `Fault`."""
    text, blank, lines = note.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise Fault("the checkpoint is no signed note")
    text += "\n"
    trusted, verified = {(key.name, key.id): key.public for key in keys}, False
    try:
        for line in lines.splitlines():
            dash, name, encoded = line.split(" ")
            signature = b64decode(encoded, validate=True)
            if dash != "\u2014" or not name or len(signature) < 5:
                raise ValueError
            if public := trusted.get((name, signature[:4])):
                key = Ed25519PublicKey.from_public_bytes(public)
                key.verify(signature[4:], text.encode())
                verified = True
    except ValueError:
        raise Fault("the checkpoint has a broken line of a signature") from None
    except InvalidSignature:
        raise Fault("the signature of a trusted key does not fit the checkpoint") from None
    if not verified:
        raise Fault("the checkpoint is signed by none of the keys that are trusted here")
    return text


def open_checkpoint(note: str, keys: Sequence[Key]) -> Checkpoint:
    """Raises `Fault` where it is not signed by one of the keys."""
    lines = open_note(note, keys).splitlines()
    try:
        origin, size, root = lines[0], int(lines[1]), b64decode(lines[2], validate=True)
        if not origin or str(size) != lines[1] or size < 0 or len(root) != 32 or "" in lines:
            raise ValueError
    except (ValueError, IndexError):
        raise Fault("the signed text is no checkpoint") from None
    return Checkpoint(origin, size, root)


class Verdict(NamedTuple):
    faults: list[str]
    found: list[str]

    def __str__(self) -> str:
        faults = [f"FAULT: {fault}" for fault in self.faults]
        return "\n".join([*self.found, *faults, "NOT VERIFIED" if faults else "verified"])


def verify_bundle(data: bytes, keys: Sequence[str] = (), held: str | None = None) -> Verdict:
    """Check a bundle of evidence. `keys`: those to trust instead of the bundle's own; `held`: a
    checkpoint kept from before, which the bundle's must continue."""
    faults, found = list[str](), list[str]()
    try:
        if (bundle := json.loads(data))["format"] != BUNDLE_FORMAT:
            raise Fault(f"this verifier reads {BUNDLE_FORMAT}, the bundle is in another format")
        trusted = [Key.parse(text) for text in keys or bundle["keys"]]
        checkpoint = open_checkpoint(bundle["checkpoint"], trusted)
        found.append(f"checkpoint: {checkpoint.size} events of {checkpoint.origin}")
        found += [f"trusted key: {key.name}+{key.id.hex()}" for key in trusted]
        if not keys:
            found.append("the keys are the bundle's own: compare them with those you hold")
        faults += _wrong_events(bundle, checkpoint) + _wrong_state(bundle)
        found.append(f"ticket {bundle['ticket_id']}: {len(bundle['events'])} events")
        if held is not None:
            faults += _broken_off(bundle, checkpoint, open_checkpoint(held, trusted))
    except Fault as fault:
        faults.append(str(fault))
    except Exception as error:
        faults.append(f"this is no bundle of evidence: {type(error).__name__}: {error}")
    return Verdict(faults, found)


def _wrong_events(bundle: Any, checkpoint: Checkpoint) -> list[str]:
    tree, faults, before = Tree(checkpoint.size, checkpoint.root), list[str](), 0
    stream_id = bytes.fromhex(bundle["ticket_id"].replace("-", ""))
    for version, told in enumerate(bundle["events"], start=1):
        event, wrong = read_event(told), ""
        if event.stream_id != stream_id or event.version != version or event.position <= before:
            wrong = "is of another ticket, or out of order"
        elif not tree.includes(event.position - 1, leaf_hash(leaf(event)), told["proof"]):
            wrong = "is not what the log holds there, or its proof is broken"
        if wrong:
            faults.append(f"the event at position {event.position}, version {version}, {wrong}")
        before = event.position
    return faults if bundle["events"] else ["the bundle holds no events"]


def read_event(told: Any) -> Event:
    """An event as a bundle says it."""
    return Event(
        told["position"],
        bytes.fromhex(told["stream_id"].replace("-", "")),
        told["version"],
        told["topic"],
        (datetime.fromisoformat(told["recorded_at"]) - EPOCH) // timedelta(microseconds=1),
        bytes.fromhex(told["commit_id"].replace("-", "")),
        b64decode(told["state"], validate=True),
    )


def _wrong_state(bundle: Any) -> list[str]:
    """The state is not in the tree: its digest shows only that it is what the fold gave."""
    state = bundle["state"]
    body = json.dumps(state, ensure_ascii=False, separators=(",", ":")).encode()
    if sha256(body).hexdigest() != bundle["state_sha256"]:
        return ["the state is not the one whose digest the bundle names"]
    if (state["id"], state["version"]) != (bundle["ticket_id"], len(bundle["events"])):
        return ["the state is of another ticket or version than the events"]
    return []


def _broken_off(bundle: Any, checkpoint: Checkpoint, held: Checkpoint) -> list[str]:
    if held.origin != checkpoint.origin:
        return [f"the checkpoint you hold is of another log, {held.origin}"]
    if held.size > checkpoint.size:
        return [f"the bundle ends at {checkpoint.size}, before your checkpoint at {held.size}"]
    told = bundle["consistency"] or {"size": checkpoint.size, "proof": []}
    if told["size"] != held.size:
        return [f"the bundle is not proven to continue your checkpoint: ask for since={held.size}"]
    proof = [b64decode(each, validate=True) for each in told["proof"]]
    if consistent(held.size, held.root, checkpoint.size, checkpoint.root, proof):
        return []
    return [f"the log does not continue your checkpoint: its first {held.size} events are others"]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 if all is well, 1 if not."""
    parser = argparse.ArgumentParser(description="Check a bundle of evidence offline.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--key", action="append", default=[], help="a public key to trust")
    parser.add_argument("--against", type=Path, help="a checkpoint you kept")
    asked = parser.parse_args(arguments)
    held = asked.against and asked.against.read_text(encoding="utf-8")
    verdict = verify_bundle(asked.bundle.read_bytes(), asked.key, held)
    sys.stdout.write(f"{verdict}\n")
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    sys.exit(main())
