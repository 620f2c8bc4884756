"""Queues whose arrivals do not wait for ever, such as pools with a checkout timeout."""

from __future__ import annotations

import math
from typing import NamedTuple

from foundation_lab.analytics.arguments import (
    require_count,
    require_not_negative,
    require_positive,
)
from foundation_lab.analytics.queueing import erlang_b


class ImpatientQueue(NamedTuple):
    """A queue in its steady state whose arrivals do not wait for ever.

    Attributes:
        utilisation: Share of the servers that are busy, 0 to 1.
        wait_probability: Share of arrivals that have to wait, 0 to 1.
        abandon_probability: Share of arrivals that give up, 0 to 1.
        mean_wait: Seconds an arrival waits, until its service begins or it gives up.
        mean_wait_served: Seconds an arrival waits that does not give up.
        mean_waiting: Number of arrivals that wait.
    """

    utilisation: float
    wait_probability: float
    abandon_probability: float
    mean_wait: float
    mean_wait_served: float
    mean_waiting: float


def mmc_d(
    arrival_rate: float, service_rate: float, servers: int, patience: float
) -> ImpatientQueue:
    """Return the steady state of M/M/c+D: as M/M/c, but who waited for `patience` seconds gives up.

    A pool of c connections with a checkout timeout is one. It has a steady state at any load.

    Source: Barrer, "Queuing with Impatient Customers and Ordered Service" (Operations Research,
    1957); Baccelli and Hebuterne, "On Queues with Impatient Customers" (1981). The time v that an
    arrival would have to wait has the density f(v) = lambda P(c - 1) exp(-(c mu - lambda) v) up to
    the patience d, and falls with c mu beyond it; P(j) is the chance of j busy servers, and all
    chances add up to 1. Then the share that gives up is f(d) / (c mu).

    Args:
        arrival_rate: Arrivals a second, above 0.
        service_rate: Services a second that one busy server completes, above 0.
        servers: Number of servers, 1 or more.
        patience: Seconds that an arrival waits at most, 0 or more.

    Raises:
        ValueError: A rate, the patience or the number of servers is out of range.

    Example:
        >>> queue = mmc_d(arrival_rate=1.0, service_rate=1.0, servers=1, patience=1.0)
        >>> [round(value, 6) for value in queue[:4]]  # a third each: idle, gives up, is served late
        [0.666667, 0.666667, 0.333333, 0.5]
    """
    require_positive("arrival_rate", arrival_rate)
    require_positive("service_rate", service_rate)
    require_count("servers", servers, least=1)
    require_not_negative("patience", patience)
    fastest = servers * service_rate
    drift = fastest - arrival_rate
    area, moment = _decay(abs(drift), patience)
    first, last = 1.0, math.exp(-abs(drift) * patience)  # the density at 0 and at d, and its scale
    if drift < 0:  # it grows: all is seen from its end, so that nothing overflows
        first, last, moment = last, first, patience * area - moment
    blocked = arrival_rate * erlang_b(arrival_rate / service_rate, servers - 1)
    density = blocked / (first + blocked * (area + last / fastest))
    gives_up = density * last / fastest
    waits = density * area + gives_up
    mean_wait = density * moment + patience * gives_up
    return ImpatientQueue(
        utilisation=arrival_rate * (1 - gives_up) / fastest,
        wait_probability=waits,
        abandon_probability=gives_up,
        mean_wait=mean_wait,
        mean_wait_served=density * moment / (1 - gives_up),
        mean_waiting=arrival_rate * mean_wait,
    )


def _decay(rate: float, until: float) -> tuple[float, float]:
    """Return the integrals of exp(-rate v) and of v exp(-rate v) from 0 to `until`.

    >>> [round(value, 6) for value in _decay(0.0, 2.0)]
    [2.0, 2.0]
    """
    turn = rate * until
    if turn < 1e-4:
        return until * (1 - turn / 2 + turn**2 / 6), until**2 * (0.5 - turn / 3 + turn**2 / 8)
    area = -math.expm1(-turn) / rate
    return area, (area - until * math.exp(-turn)) / rate
