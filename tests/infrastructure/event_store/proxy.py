"""A wire between client and server that can be cut at the worst moment."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

COMMIT, NOTHING = b"COMMIT", b"DO   0"
ALONE = b"\x07\0\0\0\x03" + COMMIT


class Proxy:
    """Stands before a server and forwards everything, until it is told to cut the wires. Before
    a MySQL server it can do so in place of one COMMIT.

    It reads along: clients must not encrypt.
    """

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._wires = set[socket.socket]()
        self._cut: Callable[[socket.socket, socket.socket, bytes], None] | None = None
        Thread(target=self._accept, daemon=True).start()

    def cut_next_commit(
        self, *, forward: bool, after_seconds: float = 0, then: Callable[[], None] | None = None
    ) -> None:
        """Close the client's connection in place of its next COMMIT; later let the server have
        the COMMIT, or only what comes before, and close its connection too.
        """

        def cut(client: socket.socket, server: socket.socket, packet: bytes) -> None:
            _close(client)
            if forward and not after_seconds:
                server.sendall(packet)
            else:
                # What comes before COMMIT in its packet is done, and holds its locks.
                server.sendall(packet.removesuffix(COMMIT) + NOTHING)
                time.sleep(after_seconds)
                if forward:
                    server.sendall(ALONE)
                else:
                    _close(server)
            if then:
                then()

        self._cut = cut

    @property
    def has_cut(self) -> bool:
        """Whether the COMMIT that was to be cut came along."""
        return self._cut is None

    def cut(self) -> int:
        """Close every connection, whatever is on its way; how many there were."""
        wires = list(self._wires)
        for wire in wires:
            _close(wire)
        return len(wires)

    def refuse(self) -> None:
        """Take no more connections; those there are stay."""
        _close(self._listener)

    def close(self) -> None:
        self.refuse()
        assert self.has_cut, "the COMMIT to be cut never came along"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._server)
                except OSError:  # it is away, and may come back
                    _close(client)
                    continue
                self._wires.add(client)
                Thread(target=self._requests, args=(client, server), daemon=True).start()
                Thread(target=_pump, args=(server, client), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while packet := client.recv(65536):
                if packet.endswith(COMMIT) and self._cut:
                    cut, self._cut = self._cut, None
                    cut(client, server, packet)
                    return
                server.sendall(packet)
        self._wires.discard(client)
        _close(server)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while packet := source.recv(65536):
            with suppress(OSError):
                sink.sendall(packet)
    _close(sink)


def _close(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
