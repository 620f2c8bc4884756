"""Picks: which of several hosts gets the next request.

Each algorithm is a small object with `pick`: hosts in, host out, and no clock of its own. What it
has to remember of a host it keeps itself. The names are those of the systems that it follows: nginx
(smooth weighted round robin), Envoy (weights of the least-request policy), Finagle (two choices).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from foundation_lab.services.arguments import positive

if TYPE_CHECKING:
    import random

    from foundation_lab.services.balancing.host import Host

Key = str | int | bytes
"""What a request is about: the same key goes to the same host where an algorithm hashes."""


class Algorithm:
    """How a host is picked.

    Attributes:
        name: What the algorithm is called.
        weighs: Whether it looks at weights.
        warms: Whether hosts may start slowly.
    """

    name: ClassVar[str] = ""
    weighs: ClassVar[bool] = True
    warms: ClassVar[bool] = True

    def pick(
        self, hosts: tuple[Host, ...], now: float, key: Key | None, stream: random.Random
    ) -> Host:
        """Return the host that the next request goes to.

        Args:
            hosts: Whom to choose from, one at least; the same object as long as they stay the same.
            now: The virtual time.
            key: What the request is about.
            stream: Where chance comes from.
        """
        raise NotImplementedError

    def ended(self, host: Host, duration: float, now: float) -> None:
        """Take notice that a request ended, in any way, after `duration` seconds."""

    def forget(self, host: Host) -> None:
        """Take notice that a host has gone."""

    def forget_all(self) -> None:
        """Begin anew."""

    def checked_weight(self, host: str, weight: float) -> float:
        """Return the weight of a host if it can have it.

        Raises:
            ValueError: It is not above 0, or the algorithm knows no weights.
        """
        if weight != 1 and not self.weighs:
            message = f"weight={weight!r} of {host!r}: {self.name} knows none; weighted does"
            raise ValueError(message)
        return positive("weight", weight)

    def check_slow_start(self, seconds: float | None) -> None:
        """Check that hosts may start slowly, if they are to.

        Raises:
            ValueError: They are, and may not.
        """
        if seconds is not None and not self.warms:
            message = f"slow_start={seconds!r}: {self.name} does not know it; leave it"
            raise ValueError(message)


class RandomPick(Algorithm):
    """Any host, with a chance in proportion to its weight."""

    name = "random"

    def __init__(self) -> None:
        self._seen: tuple[Host, ...] = ()
        self._even = False

    def pick(
        self,
        hosts: tuple[Host, ...],
        now: float,
        key: Key | None,  # noqa: ARG002  (an algorithm takes a key)
        stream: random.Random,
    ) -> Host:
        """Return the host that the next request goes to."""
        if hosts is not self._seen:
            self._seen, self._even = hosts, False
        if not self._even:
            weights = [host.weight_at(now) for host in hosts]
            self._even = len(set(weights)) == 1 and all(h.warming_since is None for h in hosts)
        if self._even:
            return hosts[int(stream.random() * len(hosts))]
        left = stream.random() * sum(weights)
        for host, weight in zip(hosts, weights, strict=True):
            left -= weight
            if left < 0:
                return host
        return hosts[-1]  # the sum was rounded

    def forget_all(self) -> None:
        """Begin anew."""
        self._seen = ()


class RoundRobin(Algorithm):
    """One host after the other, in their order; weights do not count."""

    name = "round_robin"
    weighs = False
    warms = False

    def __init__(self) -> None:
        self._next = 0

    def pick(
        self,
        hosts: tuple[Host, ...],
        now: float,  # noqa: ARG002  (an algorithm takes the time, a key and a stream)
        key: Key | None,  # noqa: ARG002
        stream: random.Random,  # noqa: ARG002
    ) -> Host:
        """Return the host that the next request goes to."""
        index = self._next if self._next < len(hosts) else 0
        self._next = index + 1
        return hosts[index]

    def forget_all(self) -> None:
        """Begin anew with the first host."""
        self._next = 0


class SmoothWeighted(Algorithm):
    """Smooth weighted round robin, as in nginx: each host its share, spread over the round.

    At every pick each host is credited its weight; the one with the most credit (the first of
    several) is picked and pays the sum of the weights. Hosts that are out of rotation keep their
    credit. Source: nginx, src/http/ngx_http_upstream_round_robin.c, and its commit 52327e0627f4.
    """

    name = "weighted"

    def __init__(self) -> None:
        self._credit: dict[Host, float] = {}

    def pick(
        self,
        hosts: tuple[Host, ...],
        now: float,
        key: Key | None,  # noqa: ARG002  (an algorithm takes a key and a stream)
        stream: random.Random,  # noqa: ARG002
    ) -> Host:
        """Return the host that the next request goes to."""
        credit, total = self._credit, 0.0
        best, most = hosts[0], float("-inf")
        for host in hosts:
            weight = host.weight_at(now)
            total += weight
            has = credit[host] = credit.get(host, 0.0) + weight
            if has > most:
                best, most = host, has
        credit[best] -= total
        return best

    def forget(self, host: Host) -> None:
        """Take notice that a host has gone."""
        self._credit.pop(host, None)

    def forget_all(self) -> None:
        """Begin anew, without any credit."""
        self._credit.clear()


class LeastLoaded(Algorithm):
    """The least loaded of all hosts, see `Host.load_at`; any of those that are equally so.

    With equal weights it is to join the shortest queue.
    """

    name = "least_loaded"

    def pick(
        self,
        hosts: tuple[Host, ...],
        now: float,
        key: Key | None,  # noqa: ARG002  (an algorithm takes a key)
        stream: random.Random,
    ) -> Host:
        """Return the host that the next request goes to."""
        least, best = float("inf"), []
        for host in hosts:
            load = host.load_at(now)
            if load < least:
                least, best = load, [host]
            elif load == least:
                best.append(host)
        return best[0] if len(best) == 1 else best[int(stream.random() * len(best))]


class PowerOfTwo(Algorithm):
    """The less loaded of two hosts that are drawn at random; the first when they are equally so.

    The two are never the same host, as in Finagle (finagle-core, loadbalancer/p2c/P2CPick.scala);
    weights do not change whom is drawn, but who wins. Source of the idea: Mitzenmacher, "The power
    of two choices in randomized load balancing", 1996.
    """

    name = "power_of_two"

    def pick(
        self,
        hosts: tuple[Host, ...],
        now: float,
        key: Key | None,  # noqa: ARG002  (an algorithm takes a key)
        stream: random.Random,
    ) -> Host:
        """Return the host that the next request goes to."""
        count = len(hosts)
        if count == 1:
            return hosts[0]
        first = int(stream.random() * count)
        second = int(stream.random() * (count - 1))
        one, other = hosts[first], hosts[second + (second >= first)]
        return one if self.load(one, now) <= self.load(other, now) else other

    def load(self, host: Host, now: float) -> float:
        """Return what is compared."""
        return host.load_at(now)
