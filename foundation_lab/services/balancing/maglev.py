"""Maglev hashing: a table in which each host has the same share of the places, to one or so.

Source: Eisenbud et al., "Maglev: A fast and reliable software network load balancer", NSDI 2016,
section 3.4. Compared with the ring the load is spread more evenly, and a few more keys move when
hosts come and go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from foundation_lab.services.arguments import whole
from foundation_lab.services.balancing.algorithm import Algorithm, Key
from foundation_lab.services.balancing.consistent_hash import digest_of

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from foundation_lab.services.balancing.host import Host


class Preference(NamedTuple):
    """Which places a host would like: ``offset``, then ``offset + skip``, and so on."""

    offset: int
    skip: int


def preference_of(host: str, size: int) -> Preference:
    """Return which places of a table of a prime size a host would like."""
    digest = digest_of(host)
    offset = int.from_bytes(digest[:8], "little") % size
    return Preference(offset, int.from_bytes(digest[8:], "little") % (size - 1) + 1)


def table_of(
    preferences: Sequence[Preference], size: int, weights: Sequence[float] | None = None
) -> list[int]:
    """Return for each place of the table the index of the host that it belongs to.

    Hosts take turns; at its turn a host takes the first place it would like that is still free. A
    host of less weight than the heaviest is left out of so many rounds, as in Envoy.

    Example:
        >>> paper = [Preference(3, 4), Preference(0, 2), Preference(3, 1)]
        >>> table_of(paper, 7)  # table 1 of the paper, before
        [1, 0, 1, 0, 2, 2, 0]
        >>> table_of([paper[0], paper[2]], 7)  # and after B1 has gone
        [0, 0, 0, 0, 1, 1, 1]
    """
    table = [-1] * size
    turn = [0] * len(preferences)
    shares = [1.0] * len(preferences) if weights is None else [w / max(weights) for w in weights]
    earned = [0.0] * len(preferences)
    filled = 0
    while True:
        for index, (offset, skip) in enumerate(preferences):
            earned[index] += shares[index]
            if earned[index] < 1 - 1e-9:
                continue
            earned[index] -= 1
            place = (offset + turn[index] * skip) % size
            while table[place] >= 0:
                turn[index] += 1
                place = (offset + turn[index] * skip) % size
            table[place] = index
            turn[index] += 1
            filled += 1
            if filled == size:
                return table


class Maglev(Algorithm):
    """The host to whom the key's place in the table belongs; without a key, a random place.

    Args:
        table_size: How many places there are: a prime, far above the number of hosts. Envoy's
            default is 65537.
    """

    name = "maglev"
    warms = False

    def __init__(self, table_size: int = 65537) -> None:
        self.table_size = whole("table_size", table_size, 2)
        if any(table_size % n == 0 for n in range(2, int(table_size**0.5) + 1)):
            message = f"table_size={table_size!r}; give a prime, such as 251, 5003 or 65537"
            raise ValueError(message)
        self._seen: tuple[Host, ...] = ()
        self._table: list[int] = []

    def pick(
        self,
        hosts: tuple[Host, ...],
        now: float,  # noqa: ARG002  (an algorithm takes the time)
        key: Key | None,
        stream: random.Random,
    ) -> Host:
        """Return the host that the next request goes to."""
        size = self.table_size
        if hosts is not self._seen:
            wishes = [preference_of(host.name, size) for host in hosts]
            self._table = table_of(wishes, size, [host.weight for host in hosts])
            self._seen = hosts
        if key is None:
            place = int(stream.random() * size)
        else:
            place = int.from_bytes(digest_of(key)[:8], "little") % size
        return hosts[self._table[place]]

    def forget_all(self) -> None:
        """Begin anew."""
        self._seen = ()
