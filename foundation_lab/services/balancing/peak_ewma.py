"""Peak EWMA: two choices by a latency that jumps up at once and comes down slowly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from foundation_lab.services.arguments import positive
from foundation_lab.services.balancing.algorithm import PowerOfTwo

if TYPE_CHECKING:
    from foundation_lab.services.balancing.host import Host

PENALTY: Final = (2**63 - 1 >> 16) / 1e9
"""What a host costs that has requests inside and has never answered, in seconds: 39 hours."""


class PeakLatency:
    """The latency of one host, sensitive to peaks.

    An answer that took longer than the average replaces it. A shorter one, and the passing of time
    (an answer of 0 s at each look), count with the weight 1 - exp(-Δt / τ), where Δt is the time
    since the last answer or look: not the number of answers but time makes it forget.

    Source: Twitter's Finagle, com.twitter.finagle.loadbalancer.PeakEwma; Linkerd's is the same.

    Args:
        decay_time: τ in seconds.
        now: The virtual time.

    Example:
        >>> latency = PeakLatency(10.0, now=0.0)
        >>> latency.observe(2.0, now=0.0)
        >>> [round(latency.at(now), 3) for now in (0, 10, 20)]  # 2, 2/e, 2/e²
        [2.0, 0.736, 0.271]
    """

    __slots__ = ("_decay_time", "_seconds", "_seen")

    def __init__(self, decay_time: float, now: float) -> None:
        self._decay_time = decay_time
        self._seconds = 0.0
        self._seen = now

    def observe(self, duration: float, now: float) -> None:
        """Count an answer that took `duration` seconds."""
        if duration > self._seconds:
            self._seconds = duration
        elif now > self._seen:
            kept = math.exp((self._seen - now) / self._decay_time)
            self._seconds = self._seconds * kept + duration * (1 - kept)
        self._seen = now

    def at(self, now: float) -> float:
        """Return the latency in seconds as it is seen now; 0 when nothing is known."""
        self.observe(0.0, now)
        return self._seconds


def cost(latency: float, active: int) -> float:
    """Return what one more request would cost: the latency times the requests there would be.

    A host that nothing is known of costs nothing while it is idle, so that it is tried, and more
    than any other while its first requests are inside, so that it is not swamped meanwhile.

    Example:
        >>> cost(0.5, active=3), cost(0.0, active=0), cost(0.0, active=1) > 100_000
        (2.0, 0.0, True)
    """
    if latency == 0 and active:
        return PENALTY + active
    return latency * (active + 1)


class PeakEwma(PowerOfTwo):
    """The cheaper of two hosts that are drawn at random; see `cost`.

    Every end of a request counts, failures and interrupts too, as in Finagle: a host that fails
    fast looks quick, and is for an `OutlierDetector` to find.

    Args:
        decay_time: How long a peak is remembered, in seconds: after that time a share of 1/e of it
            is left. Finagle's default is 10 s.
    """

    name = "peak_ewma"

    def __init__(self, decay_time: float = 10.0) -> None:
        self.decay_time = positive("decay_time", decay_time)
        self._latencies: dict[Host, PeakLatency] = {}

    def load(self, host: Host, now: float) -> float:
        """Return what is compared: the cost, divided by the weight."""
        latency = self._latencies.get(host)
        seconds = 0.0 if latency is None else latency.at(now)
        return cost(seconds, host.active) / host.weight_at(now)

    def ended(self, host: Host, duration: float, now: float) -> None:
        """Count a request that ended, in any way."""
        latency = self._latencies.get(host)
        if latency is None:
            latency = self._latencies[host] = PeakLatency(self.decay_time, now)
        latency.observe(duration, now)

    def forget(self, host: Host) -> None:
        """Take notice that a host has gone."""
        self._latencies.pop(host, None)

    def forget_all(self) -> None:
        """Begin anew: nothing is known of any host."""
        self._latencies.clear()
