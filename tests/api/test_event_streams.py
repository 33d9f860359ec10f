"""Downloads, streams and waiting: what holds a thread, gives it back, and misses nothing."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from threading import Thread

import pytest
from falcon.testing import Result

from api import event_streams, events
from domain.account import Role
from infrastructure.access_tokens import InvalidAccess
from infrastructure.feed_cursors import FeedFork
from tests.api.answers import is_problem
from tests.api.feed import LINES, Backup, Stream, everything, parsed, positions, read, types
from tests.process import wait_until
from tests.shop import Client, Shop, done

PLACES = 4
"""Half of the eight threads that the settings give by default."""
PATIENCE_SECONDS = 30


@pytest.fixture
def busy(shop: Shop) -> Shop:
    for _ in range(4):
        shop.item(3)
    shop.mechanic()
    shop.position()
    return shop


@pytest.fixture
def open_stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Stream]]:
    """Streams that beat often, so that no test waits for ever."""
    monkeypatch.setattr(event_streams, "HEARTBEAT_SECONDS", 0.5)
    monkeypatch.setattr(event_streams, "CHECK_SECONDS", 0.05)
    opened = list[Stream]()

    def open(client: Client, query: str = "", **headers: str) -> Stream:
        opened.append(Stream(client, query, **headers))
        return opened[-1]

    yield open
    for stream in opened:
        stream.close()


Open = Callable[..., Stream]


def tails() -> list[Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "tail"]


def forget_standings(shop: Shop) -> None:
    """As after STANDING_SECONDS."""
    shop.runtime.sessions._standings.clear()


def test_a_download_is_the_whole_feed(busy: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_streams, "LINES", 3)
    answer = busy.get("/v1/events", headers={"Accept": LINES})

    lines = parsed(answer)
    whole = everything(busy)
    assert [{k: v for k, v in line.items() if k != "cursor"} for line in lines] == whole
    assert [n for n, line in enumerate(lines, 1) if "cursor" in line] == [
        *range(3, len(whole), 3),
        *([len(whole)] if len(whole) % 3 else []),
    ] or len(whole) % 3 == 0
    assert answer.headers["feed-cursor"] == lines[-1]["cursor"]
    assert read(busy, f"after={answer.headers['feed-cursor']}")[0] == []
    for n, line in enumerate(lines, 1):
        if "cursor" in line and n < len(lines):
            following, _ = read(busy, f"after={line['cursor']}&limit=1")
            assert positions(following) == [n + 1]


def test_a_download_comes_in_pieces(
    busy: Shop, open_stream: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_streams, "LINES", 3)
    download = open_stream(busy, Accept=LINES)

    assert len(download.piece().splitlines()) == 3
    busy.item(3)
    busy.position()

    rest = download.rest().splitlines()
    assert download.headers["feed-cursor"] == json.loads(rest[-1])["cursor"]


def test_a_download_takes_a_filter_a_beginning_and_an_end(busy: Shop) -> None:
    _, first = read(busy, "limit=4")
    _, second = read(busy, f"after={first}&limit=8")
    query = f"aggregate=inventory&after={first}&until={second}"

    lines = parsed(busy.get(f"/v1/events?{query}", headers={"Accept": LINES}))

    assert {type.partition(".")[0] for type in types(lines)} == {"inventory"}
    assert set(positions(lines)) < set(range(5, 13))
    empty = busy.get(f"/v1/events?after={second}&until={first}", headers={"Accept": LINES})
    assert parsed(empty) == []


def test_lines_with_a_limit_are_a_page(busy: Shop) -> None:
    answer = busy.get("/v1/events?limit=4", headers={"Accept": LINES})

    page, cursor = read(busy, "limit=4")
    assert parsed(answer) == page
    assert answer.headers["feed-cursor"] == cursor


def test_a_download_breaks_off_when_its_reader_may_not_read_any_more(
    busy: Shop, open_stream: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_streams, "LINES", 3)
    account = busy.account(Role.AUDITOR)
    busy.position()
    download = open_stream(busy.as_account(account, "auditor"), Accept=LINES)
    download.piece()

    done(busy.delete(f"/v1/accounts/{account}"))
    forget_standings(busy)

    with pytest.raises(InvalidAccess):
        download.rest()


@pytest.mark.parametrize(("size", "pieces"), [(6, 3), (8, 2)])
def test_a_download_breaks_off_when_the_feed_goes_another_way(
    busy: Shop, open_stream: Open, monkeypatch: pytest.MonkeyPatch, size: int, pieces: int
) -> None:
    """16 events are put back of 22: behind what was read, or exactly what was read."""
    monkeypatch.setattr(event_streams, "LINES", size)
    backup = Backup(busy.runtime.database)
    busy.item(3), busy.item(3)
    busy.position()
    download = open_stream(busy, Accept=LINES)
    for _ in range(pieces):
        download.piece()

    backup.put_back()

    with pytest.raises(FeedFork):
        download.rest()


def test_a_stream_tells_what_was_and_what_comes(busy: Shop, open_stream: Open) -> None:
    whole = everything(busy)
    stream = open_stream(busy)

    assert stream.status == "200 OK"
    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.headers["cache-control"] == "no-store"
    first = stream.message()
    assert (first["retry"], "data" in first) == ("2000", False)
    assert stream.events(len(whole)) == whole
    done(busy.post("/v1/mechanics", json={"name": "A", "email": busy.email()}))
    busy.position()
    news = stream.events(2)

    assert types(news) == ["mechanic.hired", "claim.taken"]
    assert positions(news) == [len(whole) + 1, len(whole) + 2]
    assert news[0]["data"]["name"] == "A"
    assert stream.last_id == read(busy, "after=latest")[1]


def test_a_stream_goes_on_behind_the_last_event_that_came_through(
    busy: Shop, open_stream: Open
) -> None:
    stream = open_stream(busy, "aggregate=inventory")
    seen = stream.events(3)
    stream.close()

    again = open_stream(busy, "aggregate=inventory&after=latest", Last_Event_ID=stream.last_id)

    assert again.events(5) == everything(busy, "aggregate=inventory")[len(seen) :]


def test_a_stream_may_begin_with_what_comes(busy: Shop, open_stream: Open) -> None:
    stream = open_stream(busy, "after=latest&type=claim.taken")
    begun = stream.message()
    assert begun["id"] == read(busy, "after=latest")[1]
    busy.item(3)
    busy.position()

    assert types(stream.events(1)) == ["claim.taken"]


def test_a_reporter_streams_nothing_personal(busy: Shop, open_stream: Open) -> None:
    stream, all_of_it = open_stream(busy.as_("reporter")), open_stream(busy)
    busy.position()
    everybody = all_of_it.events(len(everything(busy)))
    theirs = stream.events(len(everything(busy.as_("reporter"))))

    assert [e["data"]["name"] for e in theirs if e["type"] == "mechanic.hired"] == [None]
    assert [e["data"]["name"] for e in everybody if e["type"] == "mechanic.hired"] != [None]


def test_what_comes_is_filtered_and_hidden_as_what_was(busy: Shop, open_stream: Open) -> None:
    """The first round comes from the database, the others from the tail."""
    reporter = open_stream(busy.as_("reporter"), "after=latest&type=mechanic.hired")
    admin = open_stream(busy, "after=latest&type=mechanic.hired")
    reporter.message(), admin.message()

    for _ in range(3):
        busy.mechanic()
        busy.item(3)
        busy.position()
        (theirs,), (ours,) = reporter.events(1), admin.events(1)
        assert types([theirs, ours]) == ["mechanic.hired"] * 2
        assert (theirs["data"]["name"], ours["data"]["name"]) == (None, "A Mechanic")


def test_an_idle_stream_beats_and_tells_how_far_it_is(
    busy: Shop, open_stream: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_streams, "HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr(event_streams, "CHECK_SECONDS", 0.01)
    stream = open_stream(busy, "type=ticket.opened")
    stream.message()

    beat = stream.message()
    while "id" not in beat:
        beat = stream.message()

    assert beat == {"id": read(busy, "after=latest")[1]}
    assert stream.message() == {"": "still here"}


@pytest.mark.parametrize(
    ("query", "headers", "pointer"),
    [
        ("after=nonsense", {}, "/after"),
        ("colour=red", {}, "/colour"),
        ("", {"Last-Event-ID": "nonsense"}, "/headers/Last-Event-ID"),
        ("", {"Last-Event-ID": ""}, "/headers/Last-Event-ID"),
    ],
)
def test_a_stream_that_is_asked_for_wrongly_does_not_begin(
    shop: Shop, query: str, headers: dict[str, str], pointer: str
) -> None:
    answer = shop.get(f"/v1/events?{query}", headers={"Accept": "text/event-stream", **headers})

    is_problem(answer, 422, "invalid-fields", pointer)
    assert shop.runtime.tailer.taken == 0


def test_a_stream_of_a_feed_that_is_no_more_does_not_begin(busy: Shop) -> None:
    backup = Backup(busy.runtime.database)
    busy.item(3)
    busy.position()
    _, cursor = read(busy, "after=latest")
    backup.put_back()

    for accept in ("text/event-stream", LINES):
        answer = busy.get(f"/v1/events?after={cursor}", headers={"Accept": accept})
        is_problem(answer, 409, "feed-fork")
    assert busy.runtime.tailer.taken == 0


def test_a_stream_ends_when_the_feed_goes_another_way(busy: Shop, open_stream: Open) -> None:
    backup = Backup(busy.runtime.database)
    busy.item(3)
    busy.position()
    stream = open_stream(busy, "after=latest")
    stream.message()
    busy.item(3)
    busy.position()
    stream.events(3)

    backup.put_back()
    busy.item(3)
    busy.position()

    assert stream.ending() == "feed-fork"


def test_there_are_only_so_many_places(busy: Shop, open_stream: Open) -> None:
    streams = [open_stream(busy, "after=latest") for _ in range(PLACES)]

    for accept, prefer in (("text/event-stream", None), (LINES, None), (None, "wait=1")):
        headers = {"Accept": accept, "Prefer": prefer}
        answer = busy.get("/v1/events?type=ticket.opened", headers=headers)
        is_problem(answer, 503, "too-many-streams")
        assert answer.headers["retry-after"] == "1"
    assert busy.get("/v1/events").status_code == 200
    assert busy.get("/v1/events?limit=3", headers={"Accept": LINES}).status_code == 200
    streams[0].close()
    assert open_stream(busy).status == "200 OK"
    assert busy.runtime.tailer.taken == PLACES


def test_a_place_is_given_back_however_a_stream_ends(busy: Shop, open_stream: Open) -> None:
    tailer = busy.runtime.tailer
    never_read = open_stream(busy)
    open_stream(busy).message()
    read_to_the_end = open_stream(busy, Accept=LINES)
    read_to_the_end.rest()
    assert tailer.taken == 3

    del never_read
    read_to_the_end.close()
    read_to_the_end.close()
    wait_until(lambda: tailer.taken <= 2)


def test_one_tail_serves_everybody_and_ends_with_the_last(busy: Shop, open_stream: Open) -> None:
    streams = [open_stream(busy, "after=latest") for _ in range(3)]
    for stream in streams:
        stream.message()
    readers = [Thread(target=stream.events, args=(3,)) for stream in streams]
    for reader in readers:
        reader.start()
    wait_until(tails)
    assert len(tails()) == 1
    busy.item(3)
    busy.position()
    for reader in readers:
        reader.join(PATIENCE_SECONDS)
        assert not reader.is_alive()

    for stream in streams:
        stream.close()

    wait_until(lambda: not tails())


def test_who_is_too_slow_is_told_so_and_nobody_else(busy: Shop, open_stream: Open) -> None:
    tailer = busy.runtime.tailer
    tailer._kept = deque(maxlen=10)
    slow, quick = open_stream(busy, "after=latest"), open_stream(busy, "after=latest")
    begun = slow.message()["id"]
    quick.message()
    # The first events they read from the database, the second ones as they come.
    seen = []
    for _ in range(2):
        busy.item(3)
        busy.position()
        seen += slow.events(3)
        quick.events(3)
    for _ in range(5):
        busy.item(3)
        head = busy.position()
        quick.events(3)
    wait_until(lambda: tailer._end is not None and tailer._end.position == head)

    assert slow.ending() == "too-slow"

    busy.item(3)
    busy.position()
    quick.events(3)
    again = open_stream(busy, Last_Event_ID=slow.last_id)
    after_begun, _ = read(busy, f"after={begun}&limit=1000")
    assert seen + again.events(len(after_begun) - 6) == after_begun


CHANGES: dict[str, Callable[[Shop, str], Result]] = {
    "deactivated": lambda shop, id: shop.delete(f"/v1/accounts/{id}"),
    "another role": lambda shop, id: shop.patch(f"/v1/accounts/{id}", json={"role": "reporter"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_stream_ends_when_its_reader_may_not_read_it_any_more(
    busy: Shop, open_stream: Open, change: str
) -> None:
    account = busy.account(Role.AUDITOR)
    stream = open_stream(busy.as_account(account, "auditor"), "after=latest")
    stream.message()

    done(CHANGES[change](busy, account))
    forget_standings(busy)

    assert stream.ending() == "unauthorized"


def test_asking_for_the_head_alone_holds_no_place(busy: Shop) -> None:
    for accept in ("text/event-stream", LINES):
        answer = busy.request("HEAD", "/v1/events", headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (200, accept)
        assert answer.text == ""
    assert busy.runtime.tailer.taken == 0


def test_streams_and_waiting_requests_end_with_their_process(
    busy: Shop, open_stream: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_streams, "CHECK_SECONDS", 0.01)
    stream = open_stream(busy, "after=latest")
    stream.message()

    busy.runtime.tailer.close_when(lambda: True)

    assert stream.ending() == "closing"
    answer = busy.get("/v1/events?after=latest", headers={"Prefer": "wait=9999"})
    assert (answer.json, answer.headers["preference-applied"]) == ([], "wait=30")


def test_who_waits_is_answered_when_something_happens(busy: Shop) -> None:
    _, cursor = read(busy, "after=latest")
    answers = []

    def ask() -> None:
        path = f"/v1/events?after={cursor}&type=inventory.received"
        answers.append(busy.get(path, headers={"Prefer": "wait=30"}))

    waiting = Thread(target=ask)
    waiting.start()
    wait_until(lambda: busy.runtime.tailer.taken)
    busy.item(3)
    busy.position()
    waiting.join(PATIENCE_SECONDS)

    (answer,) = answers
    assert types(answer.json) == ["inventory.received"]
    assert answer.headers["cache-control"] == "no-store"
    assert read(busy, f"after={answer.headers['feed-cursor']}")[0] == []
    assert busy.runtime.tailer.taken == 0


def test_who_waits_in_vain_gets_an_empty_page_and_how_far_it_goes(
    busy: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "WAIT_MAX_SECONDS", 0.05)
    _, cursor = read(busy, "after=latest")

    answer = busy.get(f"/v1/events?after={cursor}", headers={"Prefer": "wait=5"})

    assert (answer.status_code, answer.json) == (200, [])
    assert answer.headers["feed-cursor"] == cursor
    assert busy.runtime.tailer.taken == 0


def test_nobody_waits_where_there_is_something(busy: Shop) -> None:
    answer = busy.get("/v1/events?limit=1", headers={"Prefer": "wait=30"})

    assert len(answer.json) == 1
    assert "preference-applied" not in answer.headers
