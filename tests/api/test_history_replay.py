"""History explains everything that was ever served, on things of every kind."""

from __future__ import annotations

from random import Random
from typing import Any
from urllib.parse import quote

from tests.api.answers import items
from tests.api.past import LINES, Busy, flat
from tests.shop import Shop, done

READS_MIN = 500
PAGES_MAX = 100


def pages(shop: Shop, path: str, limit: int) -> list[dict[str, Any]]:
    """All of a paged list."""
    found, url = list[dict[str, Any]](), f"{path}?limit={limit}"
    for _ in range(PAGES_MAX):
        answer = shop.get(url)
        found += items(answer)
        url = answer.json["next"]
        assert ("link" in answer.headers) == bool(url)
        if not url:
            return found
    raise AssertionError(f"more than {PAGES_MAX} pages of {path}")


def test_everything_ever_served_reads_the_same_as_the_past(shop: Shop) -> None:
    busy = Busy(shop, Random(1))
    reads, known = 0, dict[str, set[int]]()
    while reads < READS_MIN:
        served = busy.served(10)
        reads += 10 * len(busy.paths)
        for path, versions in served.items():
            known.setdefault(path, set()).update(versions)
            for version, then in versions.items():
                now = shop.get(f"{path}?version={version}")
                assert now.text == then.text
                assert now.headers["etag"] == then.headers["etag"]
                moment = quote(done(then)["updated_at"])
                assert shop.get(f"{path}?as_of={moment}").text == then.text
    assert all(len(versions) > 3 for versions in known.values()), known


def test_changes_folded_from_nothing_are_every_body_ever_served(shop: Shop) -> None:
    busy = Busy(shop, Random(2))
    served = busy.served(60)

    for path, versions in served.items():
        shown: dict[str, Any] = {}
        last = 0
        for entry in pages(shop, f"{path}/history", limit=3):
            assert entry["version"] == last + 1
            last = entry["version"]
            for name, change in entry["changes"].items():
                assert shown.get(name) == change["before"]
                assert change["before"] != change["after"]
                shown.pop(name, None)
                if change["after"] is not None:
                    shown[name] = change["after"]
            if last in versions:
                body = done(versions[last])
                assert body == rebuilt(shown, body.keys(), entry)
        assert last == max(versions)


def rebuilt(shown: dict[str, Any], names: Any, entry: dict[str, Any]) -> dict[str, Any]:
    body = {name: shown.get(name) for name in names}
    for name in LINES:
        if name in body:
            body[name] = [line for key, line in shown.items() if key.startswith(f"{name}/")]
    return body | {"version": entry["version"], "updated_at": entry["recorded_at"]}


def test_a_difference_is_that_of_the_bodies(shop: Shop) -> None:
    random = Random(3)
    served = Busy(shop, random).served(40)

    for path, versions in served.items():
        for _ in range(12):
            first, last = sorted(random.choices(list(versions), k=2))
            before, after = flat(done(versions[first])), flat(done(versions[last]))

            answer = done(shop.get(f"{path}/diff?from={first}&to={last}"))

            assert answer == {
                "from": first,
                "to": last,
                "changes": {
                    name: {"before": before.get(name), "after": after.get(name)}
                    for name in before.keys() | after.keys()
                    if before.get(name) != after.get(name)
                },
            }
