"""Signed notes and checkpoints, against published examples."""

from __future__ import annotations

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infrastructure.transparency.verifier import (
    Event,
    Fault,
    Key,
    key_id,
    leaf,
    open_checkpoint,
    open_note,
)

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
"""The example of golang.org/x/mod/sumdb/note, whose format C2SP signed-note took over."""
SUMDB = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
"""A key with a plus in its base64, as Go publishes it."""
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
SIGNATURE = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdng"
    "otpRZb6KE6RyyBwJnAM=\n"
)
NOTE = f"{TEXT}\n{SIGNATURE}"
C2SP_CHECKPOINT = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
)
"""The example of C2SP tlog-checkpoint; its key is not published."""


def test_the_published_note_opens_with_the_published_key() -> None:
    assert open_note(NOTE, [Key.parse(PETER)]) == TEXT


def test_keys_are_named_by_their_digest() -> None:
    for text in (PETER, SUMDB):
        key = Key.parse(text)
        assert key.id == key_id(key.name, key.public)


@pytest.mark.parametrize(
    ("note", "says"),
    [
        (NOTE.replace("answer", "anseer"), "does not fit"),
        (TEXT, "no signed note"),
        (NOTE.removesuffix("\n"), "no signed note"),
        (NOTE.replace("\u2014", "-"), "broken line"),
        (NOTE.replace("x08go", "x08g!"), "broken line"),
        (NOTE.replace("PeterNeumann x", "PeterNewmann x"), "none of the keys"),
        (NOTE.replace(" x08g", " y08g"), "none of the keys"),
        (f"{TEXT}\n", "no signed note"),
    ],
)
def test_a_note_that_was_altered_does_not_open(note: str, says: str) -> None:
    with pytest.raises(Fault, match=says):
        open_note(note, [Key.parse(PETER)])


def test_signatures_of_unknown_keys_are_passed_over_and_a_wrong_one_of_a_known_key_is_not() -> None:
    other = SIGNATURE.replace("PeterNeumann", "SomebodyElse")
    broken = SIGNATURE.replace("yBwJnAM", "yBwJnBM")

    assert open_note(f"{TEXT}\n{other}{SIGNATURE}", [Key.parse(PETER)]) == TEXT
    with pytest.raises(Fault, match="does not fit"):
        open_note(f"{TEXT}\n{SIGNATURE}{broken}", [Key.parse(PETER)])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("PeterNeumann", "PeterNewmann"),
        PETER.replace("+ARpc", "+AhPc"),
        PETER[:-4],
        "\u00e4+zz+==",
    ],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(Fault, match="public key"):
        Key.parse(text)


def signed(text: str) -> tuple[str, Key]:
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public = private.public_key().public_bytes_raw()
    key = Key("log", key_id("log", public), public)
    signature = b64encode(key.id + private.sign(text.encode())).decode()
    return f"{text}\n\u2014 log {signature}\n", key


def test_the_published_checkpoint_reads() -> None:
    note, key = signed(C2SP_CHECKPOINT)

    found = open_checkpoint(note, [key])

    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20852163)
    assert found.root.hex().startswith("0ac5186a91863e8e1d90c808014aa89b")


@pytest.mark.parametrize(
    "text",
    [
        "origin\n1\n",
        "origin\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n-1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\nx\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==\n",
        "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n1\n!\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    note, key = signed(text)

    with pytest.raises(Fault, match="no checkpoint"):
        open_checkpoint(note, [key])


def test_a_leaf_is_written_down_byte_for_byte() -> None:
    """For ever: what was logged is hashed in this form."""
    event = Event(7, bytes(range(16)), 3, "ticket.started", -5, bytes(16), b'{"a":1}')

    assert leaf(event).hex() == (
        "01"
        "0000000000000007"
        "000102030405060708090a0b0c0d0e0f"
        "00000003"
        "fffffffffffffffb"
        "00000000000000000000000000000000"
        "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
        "7469636b65742e73746172746564"
    )


def test_every_field_of_an_event_is_in_its_leaf() -> None:
    event = Event(7, bytes(16), 3, "ticket.started", 5, bytes(16), b"{}")
    others = [
        event._replace(position=8),
        event._replace(stream_id=bytes(15) + b"1"),
        event._replace(version=4),
        event._replace(topic="ticket.startee"),
        event._replace(recorded_at=6),
        event._replace(commit_id=bytes(15) + b"1"),
        event._replace(state=b"{ }"),
    ]

    assert len({leaf(each) for each in (event, *others)}) == 8
