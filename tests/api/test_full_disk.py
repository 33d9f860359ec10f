"""A disk that is full: writes say so and leave nothing, reads go on, and it heals by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, event

from tests.infrastructure.event_store.legs import on_sqlite
from tests.shop import Shop

PAGES_LEFT = "PRAGMA max_page_count = {}"
WRITES_MAX = 500


@on_sqlite
def test_a_full_disk_is_told_leaves_nothing_and_heals(shop: Shop) -> None:
    first = shop.customer()
    before = shop.position()
    done = 0
    with full_disk():
        for _ in range(WRITES_MAX):  # What is left of the last pages has to be used up first.
            refused = shop.post("/v1/customers", json={"name": "A", "email": shop.email()})
            if refused.status_code != 201:
                break
            done += 1
        read = shop.get("/v1/events")

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert refused.json["type"] == "/docs/problems/disk-full"
    assert "disk" not in refused.json["detail"]
    assert read.status_code == 200
    assert shop.position() == before + 2 * done
    assert shop.patch(f"/v1/customers/{first}", json={"name": "B"}).status_code == 200


@contextmanager
def full_disk() -> Iterator[None]:
    """The file grows no more."""

    def limit(connection: Connection, pages: int = 1) -> None:
        connection.exec_driver_sql(PAGES_LEFT.format(pages))

    event.listen(Engine, "begin", limit)
    try:
        yield
    finally:
        event.remove(Engine, "begin", limit)
        event.listen(Engine, "begin", lambda c: limit(c, 1 << 30), once=True)
