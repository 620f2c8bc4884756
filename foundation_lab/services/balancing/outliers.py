"""Which hosts are outliers: the arithmetic of outlier detection, without a clock.

Names and rules follow Envoy, "Outlier detection"
(https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class HostRecord:
    """What is known of one host."""

    def __init__(self) -> None:
        self.failures_in_a_row = 0
        self.calls = 0
        self.successes = 0
        self.ejected_at: float | None = None
        self.returned_at: float | None = None
        self.multiplier = 0

    def count(self, *, failed: bool) -> None:
        """Count a call that ended."""
        self.failures_in_a_row = self.failures_in_a_row + 1 if failed else 0
        self.calls += 1
        self.successes += not failed

    def forget_interval(self) -> None:
        """Begin an interval: no call of it has ended."""
        self.calls = self.successes = 0


def low_success_rates(
    counts: Mapping[str, tuple[int, int]],
    *,
    factor: float = 1.9,
    minimum_hosts: int = 5,
    request_volume: int = 100,
) -> tuple[list[str], float]:
    """Return the hosts whose success rate is too low, and the rate below which that is.

    The limit is the mean of the success rates less `factor` times their standard deviation, that
    of the whole population. Only hosts with enough calls take part.

    Args:
        counts: For each host in rotation the calls that ended in the interval, and how many of
            them succeeded.
        factor: How many standard deviations below the mean are too low.
        minimum_hosts: Fewer hosts than that are not compared; the limit is -1 then.
        request_volume: How many calls a host needs to take part.

    Example:
        >>> counts = {"a": (100, 50), "b": (100, 100), "c": (100, 100)}
        >>> counts |= {"d": (100, 100), "e": (100, 100)}
        >>> hosts, limit = low_success_rates(counts)
        >>> hosts, round(limit, 6)  # 0.9 - 1.9 * 0.2
        (['a'], 0.52)
    """
    rates = {
        host: good / calls
        for host, (calls, good) in counts.items()
        if calls and calls >= request_volume
    }
    if not rates or len(rates) < minimum_hosts:
        return [], -1.0
    mean = math.fsum(rates.values()) / len(rates)
    variance = math.fsum((rate - mean) ** 2 for rate in rates.values()) / len(rates)
    limit = mean - factor * math.sqrt(variance)
    return [host for host, rate in rates.items() if rate < limit], limit


def most_ejected(hosts: int, share: float) -> int:
    """Return how many hosts of so many may be out of rotation: a share, but at least one.

    Example:
        >>> [most_ejected(hosts, 0.1) for hosts in (5, 19, 20, 30)]
        [1, 1, 2, 3]
    """
    return max(1, math.floor(share * hosts + 1e-9))
