"""Queueing theory in closed form, to check a simulation against."""

from __future__ import annotations

import math
from typing import NamedTuple

from foundation_lab.analytics.arguments import (
    require_count,
    require_not_negative,
    require_positive,
)


class Queue(NamedTuple):
    """A queue in its steady state.

    Attributes:
        utilisation: Share of the servers that are busy, 0 to 1.
        wait_probability: Share of arrivals that have to wait, 0 to 1.
        mean_wait: Seconds an arrival waits before its service begins.
        mean_time: Seconds an arrival spends in all, waiting and in service.
        mean_waiting: Number of arrivals that wait.
        mean_number: Number of arrivals in the system, waiting and in service.
    """

    utilisation: float
    wait_probability: float
    mean_wait: float
    mean_time: float
    mean_waiting: float
    mean_number: float


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


def erlang_b(offered_load: float, servers: int) -> float:
    """Return the share of arrivals that are turned away, every server being busy (M/G/c/c).

    Source: Erlang (1917), by the recursion B(c) = a B(c - 1) / (c + a B(c - 1)), B(0) = 1, which
    does not overflow.

    Args:
        offered_load: Arrival rate times mean service time, in erlangs, 0 or more.
        servers: Number of servers, 0 or more.

    Raises:
        ValueError: The load is negative, or `servers` is not a whole number of 0 or more.

    Example:
        >>> erlang_b(offered_load=1.0, servers=2)
        0.2
    """
    require_not_negative("offered_load", offered_load)
    require_count("servers", servers, least=0)
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = offered_load * blocked / (count + offered_load * blocked)
    return blocked


def erlang_c(offered_load: float, servers: int) -> float:
    """Return the share of arrivals that have to wait, where none is turned away (M/M/c).

    Source: Erlang (1917), through Erlang B: C = B / (1 - rho (1 - B)) with rho = load / servers.

    Args:
        offered_load: Arrival rate times mean service time, in erlangs, 0 or more and below
            `servers`.
        servers: Number of servers, 1 or more.

    Raises:
        ValueError: The load is negative or reaches `servers`, or `servers` is not a whole number of
            1 or more.

    Example:
        >>> round(erlang_c(offered_load=1.0, servers=2), 12) == round(1 / 3, 12)
        True
    """
    require_not_negative("offered_load", offered_load)
    require_count("servers", servers, least=1)
    if offered_load >= servers:
        raise ValueError(
            f"offered_load={offered_load!r} reaches servers={servers!r}, so the queue has no end; "
            "add servers or lower the load"
        )
    blocked = erlang_b(offered_load, servers)
    return blocked / (1 - offered_load / servers * (1 - blocked))


def mmc(arrival_rate: float, service_rate: float, servers: int) -> Queue:
    """Return the steady state of M/M/c: Poisson arrivals, exponential service, one endless queue.

    Source: Kleinrock, "Queueing Systems" volume 1 (1975): W_q = C / (c mu - lambda), and Little's
    law for the rest.

    Args:
        arrival_rate: Arrivals a second, 0 or more and below `service_rate` times `servers`.
        service_rate: Services a second that one busy server completes, above 0.
        servers: Number of servers, 1 or more.

    Raises:
        ValueError: A rate or the number of servers is out of range, or the queue would grow without
            end.

    Example:
        >>> queue = mmc(arrival_rate=1.0, service_rate=1.0, servers=2)
        >>> queue.utilisation, round(queue.wait_probability, 6), round(queue.mean_wait, 6)
        (0.5, 0.333333, 0.333333)
    """
    require_not_negative("arrival_rate", arrival_rate)
    require_positive("service_rate", service_rate)
    load = arrival_rate / service_rate
    waits = erlang_c(load, servers)
    mean_wait = waits / (servers * service_rate - arrival_rate)
    mean_time = mean_wait + 1 / service_rate
    return Queue(
        utilisation=load / servers,
        wait_probability=waits,
        mean_wait=mean_wait,
        mean_time=mean_time,
        mean_waiting=arrival_rate * mean_wait,
        mean_number=arrival_rate * mean_time,
    )


def mm1(arrival_rate: float, service_rate: float) -> Queue:
    """Return the steady state of M/M/1, which is M/M/c with one server.

    Source: Kleinrock, "Queueing Systems" volume 1 (1975): the mean number is rho / (1 - rho).

    Args:
        arrival_rate: Arrivals a second, 0 or more and below `service_rate`.
        service_rate: Services a second that the busy server completes, above 0.

    Raises:
        ValueError: A rate is out of range, or the queue would grow without end.

    Example:
        >>> queue = mm1(arrival_rate=1.0, service_rate=2.0)
        >>> queue.utilisation, queue.mean_wait, queue.mean_time, queue.mean_number
        (0.5, 0.5, 1.0, 1.0)
    """
    return mmc(arrival_rate, service_rate, servers=1)


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
