"""Consistent hashing: the same key to the same host, and few keys that move when hosts come and go.

The ring is that of libketama (R. Jones, last.fm, 2007): each host stands at many points of a circle
of 2³² places, and a key belongs to the host at the first point that is not before it. A host that
comes takes about 1/n of the keys, a little from each; when it goes, they go back where they were.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import lru_cache
from hashlib import md5
from typing import TYPE_CHECKING, Final

from foundation_lab.services.arguments import whole
from foundation_lab.services.balancing.algorithm import Algorithm, Key

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from foundation_lab.services.balancing.host import Host

PLACES: Final = 2**32
POINTS_A_HASH: Final = 4


def digest_of(key: Key) -> bytes:
    """Return the 16 bytes that a key is hashed to, the same in every process and version.

    Raises:
        TypeError: The key is neither text nor a whole number nor bytes.
    """
    if isinstance(key, bool) or not isinstance(key, str | int | bytes):
        message = f"key={key!r}; give text, a whole number or bytes, which hash alike everywhere"
        raise TypeError(message)
    data = key if isinstance(key, bytes) else str(key).encode()
    return md5(data, usedforsecurity=False).digest()


def place_of(key: Key) -> int:
    """Return where on the ring a key lies: the first four bytes of its digest.

    Example:
        >>> place_of("a")  # the MD5 of "a" begins with 0c c1 75 b9
        3111502092
    """
    return int.from_bytes(digest_of(key)[:4], "little")


@lru_cache(maxsize=4096)
def points_of(host: str, hashes: int) -> tuple[int, ...]:
    """Return the points at which a host stands: four for each hash of its name and a number."""
    return tuple(
        int.from_bytes(digest[4 * part : 4 * part + 4], "little")
        for number in range(hashes)
        for digest in (digest_of(f"{host}-{number}"),)
        for part in range(POINTS_A_HASH)
    )


def bound_of(active: int, hosts: int, factor: float) -> int:
    """Return how many requests each of equal hosts may have when one more than `active` is to come.

    Source: Mirrokni, Thorup and Zadimoghaddam, "Consistent hashing with bounded loads", SODA 2018.

    Example:
        >>> bound_of(active=9, hosts=4, factor=1.25)  # 1.25 * 10 / 4
        4
    """
    return math.ceil(factor * (active + 1) / hosts - 1e-9)


class Ring:
    """Hosts on a circle.

    Args:
        hosts: Each host, and how many hashes it gets, four points each.
    """

    def __init__(self, hosts: Iterable[tuple[Host, int]]) -> None:
        points = sorted(
            (point, host.name, host)
            for host, hashes in hosts
            for point in points_of(host.name, hashes)
        )
        self._points = [point for point, _, _ in points]
        self._hosts = [host for _, _, host in points]

    def at(self, place: int) -> int:
        """Return the index of the first point that is not before a place."""
        return bisect_left(self._points, place) % len(self._points)

    def host(self, index: int) -> Host:
        """Return the host at a point; after the last point comes the first."""
        return self._hosts[index % len(self._hosts)]


class ConsistentHash(Algorithm):
    """The host whose point on the ring is next to the key; without a key, a random place.

    Hosts that are out of rotation are off the ring, so that only their keys move.

    Args:
        hashes: How many hashes a host of weight 1 gets, four points each; libketama's 40 makes 160
            points. Other weights get as many times more or fewer, one at least.
        bound: With it, no host has more than `bound` times its share of the active requests,
            rounded up; a request goes on to the next host on the ring instead. It is above 1, such
            as 1.25.
    """

    name = "consistent_hash"
    warms = False

    def __init__(self, hashes: int = 40, bound: float | None = None) -> None:
        self.hashes = whole("hashes", hashes)
        if bound is not None and not (bound > 1 and math.isfinite(bound)):
            message = f"bound={bound!r}; give a number above 1, such as 1.25"
            raise ValueError(message)
        self.bound = bound
        self._seen: tuple[Host, ...] = ()
        self._ring = Ring(())

    def pick(
        self,
        hosts: tuple[Host, ...],
        now: float,  # noqa: ARG002  (an algorithm takes the time)
        key: Key | None,
        stream: random.Random,
    ) -> Host:
        """Return the host that the next request goes to."""
        if hosts is not self._seen:
            self._ring = Ring((host, max(1, round(self.hashes * host.weight))) for host in hosts)
            self._seen = hosts
        place = int(stream.random() * PLACES) if key is None else place_of(key)
        ring = self._ring
        index = ring.at(place)
        if self.bound is None:
            return ring.host(index)
        active = sum(host.active for host in hosts)
        weight = sum(host.weight for host in hosts)
        while True:
            host = ring.host(index)
            if host.active < bound_of(active, 1, self.bound * host.weight / weight):
                return host
            index += 1

    def forget_all(self) -> None:
        """Begin anew."""
        self._seen = ()
