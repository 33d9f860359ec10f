"""Consistency tokens: what they carry, and what they refuse."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.tokens import LENGTH_MAX, NOTHING_SEEN, VERSIONS_MAX, Token, parse

numbers = st.integers(0, 2**63 - 1)
tokens = st.builds(Token, numbers, st.dictionaries(st.uuids(), numbers, max_size=VERSIONS_MAX))
A, B = UUID(int=1), UUID(int=2)


@given(tokens)
def test_a_token_survives_the_way_to_the_client_and_back(token: Token) -> None:
    text = str(token)

    assert parse(text) == token
    assert len(text) <= LENGTH_MAX
    assert text.isascii()


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_token_has_seen_nothing(nothing: str | None) -> None:
    assert parse(nothing) == NOTHING_SEEN


@given(st.text(min_size=1) | st.binary(min_size=1).map(lambda raw: raw.hex()))
def test_garbage_is_refused_or_is_a_token(text: str) -> None:
    with suppress(ValueError):
        assert 0 <= parse(text).position < 2**63


@pytest.mark.parametrize(
    "token",
    [
        Token(2**63),
        Token(-1),
        Token(0, {A: 2**63}),
        Token(0, {A: -1}),
        Token(0, {UUID(int=n): 1 for n in range(VERSIONS_MAX + 1)}),
    ],
)
def test_what_no_database_could_compare_is_refused(token: Token) -> None:
    with pytest.raises(ValueError, match="Consistency-Token"):
        parse(str(token))


@pytest.mark.parametrize("text", ["A" * (LENGTH_MAX + 1), "é", "AAAA", "kgCQ" * 9, "\0", "===="])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Consistency-Token"):
        parse(text)


def test_what_was_seen_is_never_unseen() -> None:
    token = Token(7, {A: 5})

    assert token.seen(3, A, 2) == token
    assert token.seen_all({A: 4}) == token
    assert token.seen(9, A, 6) == Token(9, {A: 6})


def test_where_the_views_have_shown_a_stream_their_position_is_enough() -> None:
    token = Token(7, {A: 5, B: 2})

    assert token.shown(8, A) == Token(8, {B: 2})
    assert token.shown(6, B) == Token(7, {A: 5})
    assert token.shown(8) == Token(8)


def test_the_longest_unseen_are_forgotten_first() -> None:
    token = Token().seen_all({A: 1})
    for n in range(100, 100 + VERSIONS_MAX - 1):
        token = token.seen(0, UUID(int=n), 1)
    token = token.seen_all({A: 2})

    token = token.seen(0, B, 1)

    assert len(token.versions) == VERSIONS_MAX
    assert token.versions[A] == 2
    assert token.versions[B] == 1
    assert UUID(int=100) not in token.versions


@given(st.lists(st.tuples(numbers, st.uuids(), numbers), max_size=80))
def test_a_token_stays_within_its_bounds(reads: list[tuple[int, UUID, int]]) -> None:
    token = NOTHING_SEEN
    for position, id, version in reads:
        token = token.seen(position, id, version)

        assert len(token.versions) <= VERSIONS_MAX
        assert token.position >= position
        assert token.versions.get(id, 0) >= version
