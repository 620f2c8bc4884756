"""Queueing theory in closed form, to check a simulation against."""

from __future__ import annotations

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


class ClosedQueue(NamedTuple):
    """A queue with a fixed number of users, in its steady state.

    Attributes:
        throughput: Services a second that are completed.
        utilisation: Share of the servers that are busy, 0 to 1.
        mean_time: Seconds from a user's asking to the answer, waiting and in service.
        mean_number: Number of users who wait or are served; the others think.
        idle_probability: Share of the time in which everybody thinks, 0 to 1.
    """

    throughput: float
    utilisation: float
    mean_time: float
    mean_number: float
    idle_probability: float


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


def machine_repairman(
    users: int, think_time: float, service_rate: float, servers: int = 1
) -> ClosedQueue:
    """Return the steady state of M/M/c//N: users who think, ask, wait for the answer, think again.

    Think times and services are exponential. (With a single server it is the machine repairman:
    machines run, break down, and wait for the one who repairs them.)

    Source: Kleinrock, "Queueing Systems" volume 1 (1975), section 3.9 on the finite population:
    with k users at the servers the next one comes at the rate (N - k) / Z, and one is served at the
    rate min(k, c) mu. The mean time follows from the law of the interactive response time.

    Args:
        users: N, 1 or more.
        think_time: Z, the mean seconds from an answer to the next request, above 0.
        service_rate: Services a second that one busy server completes, above 0.
        servers: Number of servers, 1 or more.

    Raises:
        ValueError: A number is out of range.

    Example:
        One user never waits: he thinks for 3 s and is served for 1 s.

        >>> queue = machine_repairman(users=1, think_time=3.0, service_rate=1.0)
        >>> queue.throughput, queue.utilisation, queue.mean_time, queue.mean_number
        (0.25, 0.25, 1.0, 0.25)
    """
    require_count("users", users, least=1)
    require_count("servers", servers, least=1)
    require_positive("think_time", think_time)
    require_positive("service_rate", service_rate)
    weights = [1.0]
    for busy in range(1, users + 1):
        ratio = (users - busy + 1) / (think_time * min(busy, servers) * service_rate)
        weights.append(weights[-1] * ratio)
        if weights[-1] > 1e200:
            weights = [weight / 1e200 for weight in weights]
    total = sum(weights)
    serving = sum(min(k, servers) * weight for k, weight in enumerate(weights)) / total
    throughput = serving * service_rate
    return ClosedQueue(
        throughput=throughput,
        utilisation=serving / servers,
        mean_time=interactive_response_time(users, throughput, think_time),
        mean_number=users - throughput * think_time,
        idle_probability=weights[0] / total,
    )


def interactive_response_time(users: int, throughput: float, think_time: float) -> float:
    """Return the mean response time R = N / X - Z of N users in a closed loop.

    It holds whatever the distributions are. Source: Lazowska and others, "Quantitative System
    Performance" (1984), section 3.4: Little's law for the loop as a whole.

    Args:
        users: N, 1 or more.
        throughput: X, answers a second, above 0.
        think_time: Z, mean seconds from an answer to the next request, 0 or more.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> interactive_response_time(users=10, throughput=2.0, think_time=4.0)
        1.0
    """
    require_count("users", users, least=1)
    require_positive("throughput", throughput)
    require_not_negative("think_time", think_time)
    return users / throughput - think_time
