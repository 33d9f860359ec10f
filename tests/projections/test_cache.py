"""What a cache may answer, the same in this process and in Redis."""

from __future__ import annotations

import pytest

from projections.cache import Cache, Entry, LocalCache, Mark
from tests.builders import CUSTOMER_ID
from tests.projections.caches import entry, flush, lose_mark, redis_cache, served


@pytest.fixture(params=["local", "redis"])
def cache(request: pytest.FixtureRequest) -> Cache:
    if request.param == "local":
        return LocalCache()
    return redis_cache(request.getfixturevalue("redis_url"))


def publish(cache: Cache, entries: dict[str, Entry], before: int, after: int, *kinds: str) -> None:
    cache.publish(1, entries, before=before, after=after, kinds=set(kinds))


def test_an_empty_cache_knows_nothing(cache: Cache) -> None:
    assert cache.look(1, "a") == (None, None)


def test_what_was_published_is_there_with_its_mark(cache: Cache) -> None:
    publish(cache, {"a": entry(3, 7, b"\x00\xff body")}, 0, 3, "ticket")

    assert cache.look(1, "a") == (entry(3, 7, b"\x00\xff body"), Mark(3, 3, {"ticket": 3}))


def test_an_owner_is_kept(cache: Cache) -> None:
    owned = Entry(3, 1, CUSTOMER_ID, b"{}")
    publish(cache, {"a": owned}, 0, 3)

    assert cache.look(1, "a")[0] == owned


def test_a_chain_of_batches_keeps_the_floor(cache: Cache) -> None:
    publish(cache, {"a": entry(3)}, 0, 3, "ticket")
    publish(cache, {"b": entry(5)}, 3, 5, "customer")

    assert cache.look(1, "a") == (entry(3), Mark(5, 3, {"ticket": 3, "customer": 5}))
    assert served(cache, "a") == entry(3)


def test_after_a_lost_batch_nothing_older_is_served(cache: Cache) -> None:
    publish(cache, {"a": entry(3)}, 0, 3, "ticket")
    publish(cache, {"b": entry(9)}, 7, 9, "ticket")

    assert served(cache, "a") is None
    assert served(cache, "b") == entry(9)


def test_an_empty_batch_finds_out_that_one_was_lost(cache: Cache) -> None:
    publish(cache, {"a": entry(3)}, 0, 3, "ticket")
    publish(cache, {}, 3, 3)
    assert served(cache, "a") == entry(3)

    publish(cache, {}, 9, 9)

    assert served(cache, "a") is None
    assert cache.look(1, "a")[1] == Mark(9, 9, {"ticket": 3})


def test_a_late_publisher_takes_nothing_back(cache: Cache) -> None:
    publish(cache, {"a": entry(9, 9)}, 3, 9, "ticket")
    publish(cache, {"a": entry(5, 5), "b": entry(5)}, 3, 5, "ticket")

    assert served(cache, "a") == entry(9, 9)
    assert served(cache, "b") is None
    assert cache.look(1, "a")[1] == Mark(9, 9, {"ticket": 9})


def test_a_reader_fills_what_is_missing(cache: Cache) -> None:
    publish(cache, {}, 0, 3, "ticket")
    cache.fill(1, "a", entry(3), ("ticket",))

    assert served(cache, "a", ("ticket",)) == entry(3)


def test_a_reader_does_not_fill_what_is_older_than_the_last_change_of_its_kind(
    cache: Cache,
) -> None:
    publish(cache, {}, 0, 3, "ticket")
    publish(cache, {}, 3, 5, "ticket")
    cache.fill(1, "a", entry(4), ("ticket",))
    cache.fill(1, "b", entry(4), ("customer",))
    cache.fill(1, "c", entry(4), ("customer", "ticket"))

    assert cache.look(1, "a")[0] is None
    assert cache.look(1, "b")[0] == entry(4)
    assert cache.look(1, "c")[0] is None


def test_a_reader_does_not_fill_below_the_floor(cache: Cache) -> None:
    publish(cache, {}, 3, 5)
    cache.fill(1, "a", entry(4), ("customer",))

    assert cache.look(1, "a")[0] is None


def test_a_reader_does_not_overwrite_what_is_newer(cache: Cache) -> None:
    publish(cache, {}, 0, 3)
    cache.fill(1, "a", entry(9, 9), ())
    cache.fill(1, "a", entry(8, 8), ())

    assert served(cache, "a") == entry(9, 9)


def test_positions_are_compared_as_numbers(cache: Cache) -> None:
    publish(cache, {"a": entry(9)}, 0, 9, "ticket")
    publish(cache, {"a": entry(10, 2)}, 9, 10, "ticket")
    publish(cache, {"a": entry(9)}, 0, 9, "ticket")

    assert cache.look(1, "a") == (entry(10, 2), Mark(10, 9, {"ticket": 10}))


def test_a_list_is_served_until_one_of_its_kinds_changes(cache: Cache) -> None:
    publish(cache, {}, 0, 3)
    cache.fill(1, "list", entry(3), ("ticket", "mechanic"))
    publish(cache, {}, 3, 5, "customer")
    assert served(cache, "list", ("ticket", "mechanic")) == entry(3)

    publish(cache, {}, 5, 6, "mechanic")

    assert served(cache, "list", ("ticket", "mechanic")) is None


def test_what_was_filled_before_the_first_mark_is_not_believed(cache: Cache) -> None:
    cache.fill(1, "a", entry(2), ("ticket",))
    assert served(cache, "a") is None

    publish(cache, {}, 2, 3, "ticket")

    assert served(cache, "a") is None


def test_without_its_mark_nothing_is_believed(cache: Cache) -> None:
    publish(cache, {"a": entry(3)}, 0, 3)
    lose_mark(cache)
    assert served(cache, "a") is None

    publish(cache, {"b": entry(5)}, 3, 5)

    assert served(cache, "a") is None
    assert served(cache, "b") == entry(5)


def test_an_emptied_cache_fills_again(cache: Cache) -> None:
    publish(cache, {"a": entry(3)}, 0, 3)
    flush(cache)
    publish(cache, {}, 3, 3)
    cache.fill(1, "a", entry(3), ("ticket",))

    assert served(cache, "a") == entry(3)


def test_generations_know_nothing_of_each_other(cache: Cache) -> None:
    publish(cache, {"a": entry(3)}, 0, 3)
    cache.fill(2, "a", entry(1, 2), ())

    assert cache.look(2, "a") == (entry(1, 2), None)
    assert cache.look(1, "a")[0] == entry(3)


def test_the_oldest_go_when_this_process_holds_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalCache, "ENTRIES_MAX", 2)
    cache = LocalCache()
    publish(cache, {"a": entry(1), "b": entry(1), "c": entry(1)}, 0, 1)

    assert [cache.look(1, key)[0] is None for key in "abc"] == [True, False, False]


def test_what_is_distrusted_is_neither_shown_nor_kept_until_there_is_news(cache: Cache) -> None:
    cache.publish(1, {"a": entry(5)}, before=0, after=5, kinds={"ticket"})

    cache.distrust(1, 5)
    cache.fill(1, "b", entry(5), ("ticket",))

    kept, mark = cache.look(1, "a")
    assert kept is not None
    assert mark is not None
    assert not mark.holds(kept, ())
    assert cache.look(1, "b")[0] is None
    cache.publish(1, {}, before=5, after=5, kinds=set())
    assert cache.look(1, "a")[1] == mark
    cache.publish(1, {"a": entry(6)}, before=5, after=6, kinds={"ticket"})
    fresh, moved = cache.look(1, "a")
    assert fresh is not None
    assert moved is not None
    assert moved.holds(fresh, ("ticket",))


def test_an_empty_cache_distrusts_what_is_filled_late(cache: Cache) -> None:
    cache.distrust(1, 5)
    cache.fill(1, "a", entry(5), ("ticket",))

    assert cache.look(1, "a")[0] is None
