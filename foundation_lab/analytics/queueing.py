"""Queueing theory in closed form, to check a simulation against."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from foundation_lab.analytics.arguments import (
    require_count,
    require_not_negative,
    require_positive,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


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


def mg1(arrival_rate: float, mean_service: float, squared_variation: float) -> Queue:
    """Return the steady state of M/G/1: Poisson arrivals, one server, any service time.

    The means are those of every order of service that neither looks at the service times nor
    interrupts one: first in first out, last in first out, at random.

    Source: Pollaczek (1930) and Khinchine (1932): W_q = lambda E[S^2] / (2 (1 - rho)) with
    E[S^2] = (1 + c^2) E[S]^2.

    Args:
        arrival_rate: Arrivals a second, 0 or more.
        mean_service: Seconds that a service takes on average, above 0.
        squared_variation: The variance of a service time over the square of its mean: 0 for a
            constant one, 1 for an exponential one, 1/k for Erlang-k, exp(sigma^2) - 1 for a
            log-normal one.

    Raises:
        ValueError: A number is out of range, or the queue would grow without end.

    Example:
        >>> mg1(arrival_rate=1.0, mean_service=0.5, squared_variation=1.0).mean_wait
        0.5
    """
    load = _load(arrival_rate, mean_service)
    require_not_negative("squared_variation", squared_variation)
    remaining = arrival_rate * (1 + squared_variation) * mean_service**2 / 2
    mean_wait = remaining / (1 - load)
    mean_time = mean_wait + mean_service
    return Queue(
        utilisation=load,
        wait_probability=load,
        mean_wait=mean_wait,
        mean_time=mean_time,
        mean_waiting=arrival_rate * mean_wait,
        mean_number=arrival_rate * mean_time,
    )


def md1(arrival_rate: float, service_time: float) -> Queue:
    """Return the steady state of M/D/1, which is M/G/1 with a constant service time.

    Source: Pollaczek and Khinchine, see `mg1`.

    Args:
        arrival_rate: Arrivals a second, 0 or more.
        service_time: Seconds that every service takes, above 0.

    Raises:
        ValueError: A number is out of range, or the queue would grow without end.

    Example:
        >>> md1(arrival_rate=1.0, service_time=0.5).mean_wait
        0.25
    """
    return mg1(arrival_rate, service_time, squared_variation=0.0)


def processor_sharing(arrival_rate: float, mean_service: float, work: float | None = None) -> float:
    """Return the mean seconds that an arrival spends in M/G/1-PS, whose arrivals share one server.

    The mean depends on the mean of the work alone, whatever its distribution.

    Source: Kleinrock, "Queueing Systems" volume 2 (1976), section 4.4: T(x) = x / (1 - rho) for an
    arrival with x seconds of work.

    Args:
        arrival_rate: Arrivals a second, 0 or more.
        mean_service: Seconds that the work of an arrival takes on average when it is alone, above
            0.
        work: The seconds of work of the arrival asked for; by default the mean.

    Raises:
        ValueError: A number is out of range, or the server would never be done.

    Example:
        >>> processor_sharing(arrival_rate=1.0, mean_service=0.5)
        1.0
    """
    load = _load(arrival_rate, mean_service)
    if work is None:
        work = mean_service
    require_not_negative("work", work)
    return work / (1 - load)


def priority_waits(
    arrival_rates: Sequence[float], mean_service: float, squared_variation: float = 1.0
) -> list[float]:
    """Return the mean wait of each class in M/G/1 with priorities that interrupt no service.

    Source: Cobham, "Priority assignment in waiting line problems", Operations Research 2 (1954):
    W_k = W_0 / ((1 - sigma_(k-1)) (1 - sigma_k)), where W_0 = lambda E[S^2] / 2 and sigma_k is the
    load of the classes up to k.

    Args:
        arrival_rates: Arrivals a second of each class, the most urgent first, 0 or more.
        mean_service: Seconds that a service of any class takes on average, above 0.
        squared_variation: As for `mg1`.

    Returns:
        The seconds that an arrival of each class waits, in the order of the classes.

    Raises:
        ValueError: A number is out of range, or the queue would grow without end.

    Example:
        >>> [round(wait, 6) for wait in priority_waits([0.25, 0.25], mean_service=1.0)]
        [0.666667, 1.333333]
    """
    for rate in arrival_rates:
        require_not_negative("arrival_rates", rate)
    total = sum(arrival_rates)
    _load(total, mean_service)
    require_not_negative("squared_variation", squared_variation)
    remaining = total * (1 + squared_variation) * mean_service**2 / 2
    waits, above = [], 0.0
    for rate in arrival_rates:
        upto = above + rate * mean_service
        waits.append(remaining / ((1 - above) * (1 - upto)))
        above = upto
    return waits


def _load(arrival_rate: float, mean_service: float) -> float:
    require_not_negative("arrival_rate", arrival_rate)
    require_positive("mean_service", mean_service)
    load = arrival_rate * mean_service
    if load >= 1:
        raise ValueError(
            f"arrival_rate={arrival_rate!r} times mean_service={mean_service!r} reaches 1, so the "
            "queue has no end; lower one of them"
        )
    return load
