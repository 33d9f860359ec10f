"""What the HTTP server itself turns away, over real connections."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from api.gate import BODY_MAX_BYTES
from api.problems import OF_STATUS
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Api

PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Two threads, and a second for each request."""
    api = Api.start(
        tmp_path_factory.mktemp("api"),
        ADMIN_EMAIL=ADMIN_EMAIL,
        ADMIN_PASSWORD=ADMIN_PASSWORD,
        DEMO="0",
        WEB_THREADS="2",
        REQUEST_SECONDS="1",
    )
    yield api
    api.destroy()


def _connect(api: Api) -> socket.socket:
    return socket.create_connection(("127.0.0.1", api.port), timeout=PATIENCE_SECONDS)


def _answer(api: Api, request: bytes) -> bytes:
    """All that comes back for it."""
    with _connect(api) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    ("request_line", "headers", "status"),
    [
        ("GET /livez?" + "x" * 9000 + " HTTP/1.1", "", 414),
        ("GET /livez HTTP/1.1", "A: " + "x" * 9000 + "\r\n", 431),
        ("GET /livez HTTP/1.1", "".join(f"A-{n}: x\r\n" for n in range(101)), 431),
        ("GET /livez HTTP/9.9", "", 400),
        ("NONSENSE", "", 400),
        ("GET /livez HTTP/1.1", "Content-Length: -1\r\n", 400),
        ("GET /livez HTTP/1.1", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
    ],
)
def test_what_is_no_request_of_ours_is_refused(
    api: Api, request_line: str, headers: str, status: int
) -> None:
    request = f"{request_line}\r\nHost: shop\r\nConnection: close\r\n{headers}\r\n"

    answer = _answer(api, request.encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    problem = json.loads(body)

    assert _status(answer) == problem["status"] == status
    assert b"application/problem+json" in head
    assert problem["type"].removeprefix("/docs/problems/") == OF_STATUS[status]
    assert problem["detail"]


def test_a_large_body_is_refused_told_or_not(api: Api) -> None:
    body = b'{"email": "' + b"x" * BODY_MAX_BYTES + b'"}'
    chunks = (body[n : n + 65536] for n in range(0, len(body), 65536))

    for content in (body, chunks):
        answer = httpx.post(
            f"{api.url}/v1/auth/login",
            content=content,
            headers={"Content-Type": "application/json"},
            timeout=PATIENCE_SECONDS,
        )

        assert answer.status_code == 413
        assert answer.json()["type"] == "/docs/problems/too-large"


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"5\r\nab"])
def test_a_broken_body_is_no_mistake_of_ours(api: Api, chunk: bytes) -> None:
    head = (
        b"POST /v1/auth/login HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with _connect(api) as connection:
        connection.sendall(head + chunk)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert _status(answer) == 400
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"] == "/docs/problems/unreadable"


SLOW = {
    "in the request line": b"GET /livez HT",
    "in the headers": b"GET /livez HTTP/1.1\r\nHost: sh",
    "in the body": (
        b"POST /v1/auth/login HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
        b'Content-Length: 1000\r\n\r\n{"email": '
    ),
}


@pytest.mark.parametrize("where", SLOW)
def test_clients_that_stop_half_way_do_not_hold_the_threads(api: Api, where: str) -> None:
    """More of them than there are threads; who comes next is served all the same."""
    slow = [_connect(api) for _ in range(4)]
    for connection in slow:
        connection.sendall(SLOW[where])

    assert httpx.get(f"{api.url}/livez", timeout=PATIENCE_SECONDS).status_code == 200
    for connection in slow:
        while connection.recv(65536):
            continue
        connection.close()


def test_clients_that_take_no_answers_do_not_hold_the_threads(api: Api) -> None:
    """More of them than there are threads; who asks on and on, and reads nothing, is cut off."""
    request = b"GET /openapi.json HTTP/1.1\r\nHost: shop\r\nA: " + b"x" * 8000 + b"\r\n\r\n"

    def asks(connection: socket.socket) -> Exception | None:
        with connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
            try:
                connection.sendall(request * 2000)
            except OSError as error:
                return error
        return None

    with ThreadPoolExecutor() as clients:
        ends = list(clients.map(asks, [_connect(api) for _ in range(4)]))

    assert [isinstance(end, ConnectionError) for end in ends] == [True] * 4
    assert httpx.get(f"{api.url}/livez", timeout=PATIENCE_SECONDS).status_code == 200


def test_a_forged_forwarding_header_is_not_believed(api: Api) -> None:
    """Gunicorn by itself would believe whoever is on the same machine."""
    answer = httpx.get(f"{api.url}/livez", headers={"X-Forwarded-Proto": "https"})

    assert "strict-transport-security" not in answer.headers
