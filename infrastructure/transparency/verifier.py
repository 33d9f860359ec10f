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
from binascii import a2b_base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

BUNDLE_FORMAT = "mechanic-shop/evidence/2"
EMPTY_ROOT = sha256(b"").digest()
ED25519 = b"\x01"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
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


def unpacked(text: str) -> bytes:
    return a2b_base64(text, strict_mode=True)


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


def root_of(size: int, indexes: list[int], hashes: list[bytes], proof: bytes) -> bytes | None:
    """The root of the tree of that size in which these leaves, in order, have these hashes.

    `proof`: what stands beside their ways to the root and does not follow from them, the lowest
    level first, each from the left. For one leaf that is RFC 9162, 2.1.3.2. `None` if the proof
    is not of these leaves.
    """
    if not (indexes and indexes[0] >= 0 and indexes[-1] < size):
        return None
    nodes, last, at, sha = indexes, size - 1, 0, sha256
    while last:
        above, made, count, each = list[int](), list[bytes](), len(nodes), 0
        while each < count:
            node, hash = nodes[each], hashes[each]
            each += 1
            if node & 1:
                hash = sha(b"\x01" + proof[at : at + 32] + hash).digest()
                at += 32
            elif each < count and nodes[each] == node + 1:
                hash = sha(b"\x01" + hash + hashes[each]).digest()
                each += 1
            elif node != last:
                hash = sha(b"\x01" + hash + proof[at : at + 32]).digest()
                at += 32
            above.append(node >> 1)
            made.append(hash)
        nodes, hashes, last = above, made, last >> 1
    # One node at last: every leaf went into it.
    return hashes[0] if at == len(proof) and len(hashes) == 1 else None


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
            key = unpacked(encoded)
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
            signature = unpacked(encoded)
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
        origin, size, root = lines[0], int(lines[1]), unpacked(lines[2])
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
        lines = [*self.found, *faults, "NOT VERIFIED" if faults else "verified"]
        return "\n".join(ascii(line)[1:-1] for line in lines)  # No bundle commands a terminal.


def verify_bundle(data: bytes, keys: Sequence[str] = (), held: str | None = None) -> Verdict:
    """Check a bundle. `keys`: those to trust, not its own; `held`: what it must continue."""
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
    """Each event against its leaf, then all leaves against the root that was signed."""
    stream_id = bytes.fromhex(bundle["ticket_id"].replace("-", ""))
    leaves, proof = unpacked(bundle["leaves"]), unpacked(bundle["proof"])
    hashes = [leaves[at : at + 32] for at in range(0, len(leaves), 32)]
    faults, indexes, before = list[str](), list[int](), 0
    if not len(bundle["events"]) == len(hashes) > 0:
        return [f"the bundle holds {len(bundle['events'])} events and {len(hashes)} leaves"]
    for version, told in enumerate(bundle["events"], start=1):
        event = read_event(stream_id, told)
        if event.version != version or event.position <= before:
            faults.append(f"the event at position {event.position} is out of order, or one is out")
        elif leaf_hash(leaf(event)) != hashes[version - 1]:
            where = f"the event at position {event.position}, version {version},"
            faults.append(f"{where} is not what the log holds there")
        before = event.position
        indexes.append(before - 1)
    if root_of(checkpoint.size, indexes, hashes, proof) != checkpoint.root:
        faults.append("the leaves and the proof do not lead to the root that was signed")
    return faults


def read_event(stream_id: bytes, told: Any) -> Event:
    place = told["position"], stream_id, told["version"], told["topic"]
    moment = (datetime.fromisoformat(told["recorded_at"]) - EPOCH) // MICROSECOND
    commit_id = bytes.fromhex(told["commit_id"].replace("-", ""))
    return Event(*place, moment, commit_id, unpacked(told["state"]))


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
    proof = [unpacked(each) for each in told["proof"]]
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
