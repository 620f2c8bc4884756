"""Queueing theory in closed form where the number is limited: of places, or of users."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from foundation_lab.analytics.arguments import (
    require_count,
    require_not_negative,
    require_positive,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_LARGE = 1e200


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


class BoundedQueue(NamedTuple):
    """A queue with room for a limited number, in its steady state.

    Attributes:
        loss_probability: Share of arrivals that are turned away, 0 to 1.
        utilisation: Share of the servers that are busy, 0 to 1.
        mean_time: Seconds that an arrival that is let in spends in all.
        mean_number: Number of arrivals in the system, waiting and in service.
    """

    loss_probability: float
    utilisation: float
    mean_time: float
    mean_number: float


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
    shares = _birth_and_death(
        (users - busy + 1) / (think_time * min(busy, servers) * service_rate)
        for busy in range(1, users + 1)
    )
    serving = sum(min(k, servers) * share for k, share in enumerate(shares))
    throughput = serving * service_rate
    return ClosedQueue(
        throughput=throughput,
        utilisation=serving / servers,
        mean_time=interactive_response_time(users, throughput, think_time),
        mean_number=users - throughput * think_time,
        idle_probability=shares[0],
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


def mmck(arrival_rate: float, service_rate: float, servers: int, room: int) -> BoundedQueue:
    """Return the steady state of M/M/c/K, which turns arrivals away when `room` are in it.

    Source: Kleinrock, "Queueing Systems" volume 1 (1975), section 3.6: the birth-death chain with
    births at lambda below K and deaths at min(n, c) mu, and Little's law.

    Args:
        arrival_rate: Arrivals a second, above 0.
        service_rate: Services a second that one busy server completes, above 0.
        servers: Number of servers, 1 or more.
        room: Number of arrivals that the system holds, those in service among them, `servers` or
            more.

    Raises:
        ValueError: A rate or a number is out of range.

    Example:
        >>> queue = mmck(arrival_rate=1.0, service_rate=1.0, servers=1, room=3)
        >>> queue.loss_probability, queue.mean_number, queue.mean_time
        (0.25, 1.5, 2.0)
    """
    require_positive("arrival_rate", arrival_rate)
    require_positive("service_rate", service_rate)
    require_count("servers", servers, least=1)
    require_count("room", room, least=servers)
    shares = _birth_and_death(
        arrival_rate / (min(number, servers) * service_rate) for number in range(1, room + 1)
    )
    lost = shares[-1]
    mean_number = sum(number * share for number, share in enumerate(shares))
    admitted = arrival_rate * (1 - lost)
    return BoundedQueue(
        loss_probability=lost,
        utilisation=admitted / (servers * service_rate),
        mean_time=mean_number / admitted,
        mean_number=mean_number,
    )


def _birth_and_death(ratios: Iterable[float]) -> list[float]:
    """Return the share of the time in each state of a chain.

    Args:
        ratios: For each state but the first, the rate into it by the rate back.
    """
    weights = [1.0]
    for ratio in ratios:
        weights.append(weights[-1] * ratio)
        if weights[-1] > _LARGE:
            weights = [weight / _LARGE for weight in weights]
    total = sum(weights)
    return [weight / total for weight in weights]
