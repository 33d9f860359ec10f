"""Where a request comes from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import falcon

from infrastructure.setting_values import Network

IPV6_HOME = 64
"""Whoever has one IPv6 address has all that begin with the same bits."""


def address(req: falcon.Request, trusted: Sequence[Network]) -> str:
    """Whose budget it counts against: the peer or, while those who say so are trusted, the one
    they forward for. An IPv6 address stands for its network."""
    if not trusted:
        return _home(req.remote_addr)
    peer = _parsed(req.remote_addr)
    for hop in reversed((req.get_header("X-Forwarded-For") or "").split(",")):
        before = _parsed(hop)
        if peer is None or before is None or not _in(trusted, peer):
            break
        peer = before
    return _home(str(peer))


def secure(req: falcon.Request, trusted: Sequence[Network]) -> bool:
    """Whether it came over TLS, here or to a proxy that is trusted."""
    if req.scheme == "https":
        return True
    if not trusted:
        return False
    peer = _parsed(req.remote_addr)
    forwarded = (req.get_header("X-Forwarded-Proto") or "").strip().lower()
    return forwarded == "https" and peer is not None and _in(trusted, peer)


@lru_cache(4096)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.strip())
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


@lru_cache(4096)
def _home(text: str) -> str:
    """Whom an address stands for."""
    peer = _parsed(text)
    if isinstance(peer, IPv6Address):
        return str(IPv6Network((peer, IPV6_HOME), strict=False))
    return str(peer)


def _in(networks: Sequence[Network], one: IPv4Address | IPv6Address) -> bool:
    return any(one in network for network in networks)
