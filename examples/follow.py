"""Prints what happens in the shop the moment it happens, and goes on after every interruption.

SHOP_EMAIL=... SHOP_PASSWORD=... python examples/follow.py http://127.0.0.1:8000 ticket,inventory
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator

import httpx

LOGIN = {"email": os.environ.get("SHOP_EMAIL"), "password": os.environ.get("SHOP_PASSWORD")}


def messages(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """Server-sent events: fields until an empty line; what begins with a colon is a comment."""
    message: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            message[name] = value
        else:
            yield message
            message = {}


def follow(http: httpx.Client, query: dict[str, str]) -> None:
    """For ever. The cursor of the last message says where to go on."""
    headers = {"Accept": "text/event-stream"}
    while True:
        try:
            with http.stream("GET", "/v1/events", params=query, headers=headers) as answer:
                if answer.status_code == 401:
                    session = http.post("/v1/auth/login", json=LOGIN).raise_for_status()
                    http.headers["Authorization"] = f"Bearer {session.json()['access_token']}"
                    continue
                if 400 <= answer.status_code < 500 and answer.status_code != 429:
                    raise SystemExit(answer.read().decode())
                for message in messages(answer.iter_lines()):
                    if "id" in message:
                        headers["Last-Event-ID"] = message["id"]
                    if message.get("event") == "end":
                        sys.stderr.write(f"interrupted: {message['data']}\n")
                    elif "data" in message:
                        event = json.loads(message["data"])
                        place = int(event["sequence"]), event["time"]
                        sys.stdout.write(f"{place[0]} {place[1]} {event['type']} {event['id']}\n")
                        sys.stdout.flush()
        except httpx.TransportError as error:
            sys.stderr.write(f"interrupted: {error}\n")
        time.sleep(0.5)


if __name__ == "__main__":
    url, *aggregates = sys.argv[1:]
    query = {"after": os.environ.get("AFTER", "latest")}
    if aggregates:
        query["aggregate"] = aggregates[0]
    follow(httpx.Client(base_url=url, timeout=60), query)
