"""The longest values a client may send: stored, shown and found."""

from __future__ import annotations

from sqlalchemy import select

from projections.tables import tables
from tests.api.answers import ids
from tests.shop import Shop, done


def test_the_longest_values_reach_the_views(shop: Shop) -> None:
    """Letters that grow when compared without case: three for one."""
    wide = "\u0390"
    line, short = wide * 200, wide * 64
    email = f"{wide * 64}@{'x' * 180}.example"
    person = {"name": line, "email": email, "phone": "0" * 40, "address": "\U0001f527" * 4000}
    customer = done(shop.post("/v1/customers", json=person))["id"]
    details = {"make": line, "model": line, "plate": short, "plate_region": short, "color": short}
    vehicle = shop.vehicle(customer, **details)
    mechanic = shop.mechanic(**person, certifications=[line] * 50)
    item = shop.item(name=line, part_number=short, description=wide * 4000)
    concerns = {"customer_concerns": [wide * 500] * 50, "description": wide * 4000}
    ticket = shop.ticket(customer, vehicle, **concerns)
    done(shop.put(f"/v1/tickets/{ticket}/mechanics/{mechanic}"))
    account = {"email": email, "password": wide * 200, "role": "auditor"}
    done(shop.post("/v1/accounts", json=account))
    last = shop.position()

    shop.settle()

    parked = select(tables(shop.runtime.generations.live())["dead_letters"].c.error)
    with shop.runtime.database.reading() as connection:
        assert connection.scalars(parked).all() == []
    shown = shop.get(f"/v1/customers/{customer}")
    assert int(shown.headers["feed-position"]) == last
    assert done(shown).items() >= person.items()
    for path in (
        f"/v1/vehicles/{vehicle}",
        f"/v1/mechanics/{mechanic}",
        f"/v1/inventory/{item}",
        f"/v1/tickets/{ticket}",
        "/v1/vehicles",
        "/v1/stock-levels",
    ):
        assert shop.get(path).status_code == 200
    for path, params, id in (
        ("/v1/customers", {"q": line}, customer),
        ("/v1/customers", {"email": email}, customer),
        ("/v1/vehicles", {"q": line}, vehicle),
        ("/v1/vehicles", {"plate": short}, vehicle),
        ("/v1/inventory", {"part_number": short}, item),
        ("/v1/tickets", {"plate": short}, ticket),
    ):
        assert ids(shop.get(path, params=params)) == [id], (path, params)
