"""Waits: run the simulation until something holds.

Every wait is triggered by a level, not by an edge: what holds already, or has happened already, is
seen and nothing is run. Times are virtual seconds; the steps of the very instant of the deadline
still count. A wait that is not met raises an `AssertionError` that says why. In a process, where
nothing can be run, use an expectation's ``wait()``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from foundation_lab.services.service import Health, Service
from foundation_lab.telemetry import events
from foundation_lab.testing.components import (
    find_service,
    last_health,
    require_service,
    what_is_there,
)
from foundation_lab.testing.failure import circumstances, compose, describe_record
from foundation_lab.testing.matchers import describe_wanted
from foundation_lab.testing.waiting import present, told_of, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.record import Record

T = TypeVar("T")


def wait_for(
    sim: Simulation, predicate: Callable[[], T], within: float = 5.0, *, what: str | None = None
) -> T:
    """Run until a predicate holds; it is asked now and after every step.

    It needs no events, so it works with telemetry disabled too.

    Args:
        sim: The simulation.
        predicate: Called without arguments; it should be cheap, and change nothing.
        within: For how many virtual seconds the simulation may go on.
        what: What is waited for, in words, for the message of a failure.

    Returns:
        The first true value that the predicate returned.

    Raises:
        AssertionError: It did not hold in time.
    """
    return until(sim, predicate, within, what or describe_wanted(predicate))


# -- services ----------------------------------------------------------------------------------


def wait_for_service_ready(
    sim: Simulation, name: str, within: float = 5.0, *, kind: str | None = None
) -> Service:
    """Run until a service is there and up.

    Args:
        sim: The simulation.
        name: The service's name; it may come to be while the simulation runs.
        within: For how many virtual seconds the simulation may go on.
        kind: The service's kind (``backend``, ...), where several services share the name.

    Returns:
        The service.

    Raises:
        AssertionError: It was not ready in time.
        ValueError: Several services have this name.
    """

    def ready() -> Service | None:
        service = find_service(sim, name, kind)
        return service if service is not None and service.up else None

    return present(
        until(sim, ready, within, f"service {name!r} to be ready", what_is_there(sim, name, kind))
    )


def wait_for_service_health(
    sim: Simulation,
    name: str,
    expected: Health | str,
    within: float = 5.0,
    *,
    kind: str | None = None,
) -> Service:
    """Run until a service's health is as expected, by its state and not by its last health check.

    Args:
        sim: The simulation.
        name: The service's name.
        expected: ``healthy``, ``degraded``, ``unhealthy`` or ``unknown``.
        within: For how many virtual seconds the simulation may go on.
        kind: The service's kind, where several services share the name.

    Returns:
        The service.

    Raises:
        AssertionError: It was not so in time.
        ValueError: There is no such health, or several services have this name.
    """
    health = Health(expected)

    def as_expected() -> Service | None:
        service = find_service(sim, name, kind)
        return service if service is not None and service.health() is health else None

    what = f"service {name!r} to be {health}"
    return present(until(sim, as_expected, within, what, what_is_there(sim, name, kind)))


def wait_for_health_improvement(
    sim: Simulation,
    name: str,
    within: float = 5.0,
    *,
    than: Health | str | None = None,
    kind: str | None = None,
) -> Service:
    """Run until a service is better than it was.

    Unhealthy and unknown are the worst, degraded is better, healthy is the best.

    Args:
        sim: The simulation.
        name: The service's name.
        within: For how many virtual seconds the simulation may go on.
        than: What it was; by default what its last recorded health check said, or else what it is
            now.
        kind: The service's kind, where several services share the name.

    Returns:
        The service.

    Raises:
        AssertionError: It was not better in time.
        ValueError: What it was is the best already; there is no such service, or several.
    """
    service = require_service(sim, name, kind)
    before = last_health(sim, service) if than is None else Health(than)
    if before is Health.HEALTHY:
        message = f"{name!r} was healthy, which cannot improve; say what it was with than=..."
        raise ValueError(message)

    def improved() -> bool:
        return _RANK[service.health()] > _RANK[before]

    what = f"service {name!r} to be better than {before}"
    until(sim, improved, within, what, what_is_there(sim, name, kind))
    return service


def wait_for_process_restart(
    sim: Simulation, name: str, within: float = 5.0, *, since: int = 0, kind: str | None = None
) -> Service:
    """Run until a service has been restarted and is up.

    Args:
        sim: The simulation.
        name: The service's name.
        within: For how many virtual seconds the simulation may go on.
        since: The mark: the `restart_count` that the service had before. By default any restart
            since the beginning counts.
        kind: The service's kind, where several services share the name.

    Returns:
        The service, in its new incarnation.

    Raises:
        AssertionError: It was not restarted in time.
        UnknownName: There is no such service.
        ValueError: Several services have this name.
    """
    service = require_service(sim, name, kind)
    what = f"service {name!r} to be restarted (restart_count above {since})"
    until(
        sim,
        lambda: service.up and service.restart_count > since,
        within,
        what,
        lambda: [f"{service!r} has restart_count {service.restart_count}"],
    )
    return service


# -- agents ------------------------------------------------------------------------------------


def wait_for_agent_registration(sim: Simulation, agent_id: str, within: float = 5.0) -> Record:
    """Run until an agent is registered, by the events of the registry.

    Returns:
        The record of the registration. It may be one of the past, unless the agent was unregistered
        after it.

    Raises:
        AssertionError: It was not registered in time.
    """
    kinds = (events.agent.Registered, events.agent.Unregistered)
    with told_of(sim, kinds, agent_id=agent_id) as told:

        def registered() -> Record | None:
            known = told and isinstance(told[-1].event, events.agent.Registered)
            return told[-1] if known else None

        what = f"agent {agent_id!r} to be registered"
        return present(until(sim, registered, within, what, lambda: _last_words(told)))


def wait_for_coordination_completion(
    sim: Simulation, session_id: str, within: float = 5.0
) -> Record:
    """Run until a coordination session has completed, by its events.

    Returns:
        The record of ``coordination.completed``; its `event` carries the result.

    Raises:
        AssertionError: It failed, which is told at once, or did not complete in time.
    """
    kinds = (events.coordination.Completed, events.coordination.Failed)
    what = f"session {session_id!r} to complete"
    with told_of(sim, kinds, session_id=session_id) as told:
        until(sim, lambda: told, within, what)
    if isinstance(told[0].event, events.coordination.Failed):
        message = compose(
            f"waited for {what}, but it failed", [describe_record(told[0])], circumstances(sim)
        )
        raise AssertionError(message)  # noqa: TRY004  (the session failed, not a type)
    return told[0]


def _last_words(told: list[Record]) -> list[str]:
    return [f"last: {describe_record(record)}" for record in told[-1:]]


_RANK = {Health.UNKNOWN: 0, Health.UNHEALTHY: 0, Health.DEGRADED: 1, Health.HEALTHY: 2}
