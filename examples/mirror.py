"""Mirrors every event of the shop into SQLite. Stop it at any moment: it goes on where it was.

SHOP_EMAIL=... SHOP_PASSWORD=... python examples/mirror.py http://127.0.0.1:8000 mirror.db
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from typing import Any

import httpx

CONSUMER = f"/v1/consumers/{os.environ.get('CONSUMER', 'mirror')}"
LOGIN = {"email": os.environ.get("SHOP_EMAIL"), "password": os.environ.get("SHOP_PASSWORD")}
EVENTS = "CREATE TABLE IF NOT EXISTS events (position INTEGER PRIMARY KEY, id UNIQUE, event)"
CURSOR = "CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY, cursor)"


def ask(http: httpx.Client, method: str, path: str, **sent: Any) -> httpx.Response:
    """Until the shop has an answer: it may be away, or the token may have ended."""
    while True:
        try:
            answer = http.request(method, path, **sent)
            if answer.status_code == 401:
                session = http.post("/v1/auth/login", json=LOGIN)
                if session.status_code in (401, 422):
                    raise SystemExit(session.text)
                http.headers["Authorization"] = f"Bearer {session.json()['access_token']}"
            elif answer.status_code < 500 and answer.status_code != 429:
                return answer
        except (httpx.TransportError, KeyError, ValueError):
            time.sleep(0.2)
        else:
            time.sleep(float(answer.headers.get("Retry-After", 0)))


def mirror(http: httpx.Client, db: sqlite3.Connection) -> None:
    """One batch after the other, each in one transaction with the cursor behind it: whatever
    crashes when, no event is missing and none is there twice."""
    # The shop shows how far behind this consumer is; where it is, it knows best itself.
    shown = ask(http, "PUT", CONSUMER, json={}).raise_for_status().json()["cursor"]
    while True:
        ((cursor,),) = db.execute("SELECT cursor FROM cursor").fetchall() or [("beginning",)]
        if cursor not in (shown, "beginning"):
            moved = ask(http, "PUT", f"{CONSUMER}/cursor", json=dict(expected=shown, cursor=cursor))
            shown = moved.raise_for_status().json()["cursor"]
        query = {"after": cursor, "limit": 1000}
        page = ask(http, "GET", "/v1/events", params=query, headers={"Prefer": "wait=20"})
        # 409: the shop was put back from a backup, and this mirror shows what never was.
        page.raise_for_status()
        rows = [(int(e["sequence"]), e["id"], json.dumps(e)) for e in page.json()]
        with db:
            db.executemany("INSERT INTO events VALUES (?, ?, ?)", rows)
            db.execute("REPLACE INTO cursor VALUES (1, ?)", [page.headers["Feed-Cursor"]])


if __name__ == "__main__":
    url, file = sys.argv[1:]
    database = sqlite3.connect(file)
    database.execute(EVENTS)
    database.execute(CURSOR)
    try:
        mirror(httpx.Client(base_url=url, timeout=60), database)
    except httpx.HTTPStatusError as refused:
        raise SystemExit(refused.response.text) from None
