"""Waits for services; they work as `foundation_lab.testing.waits` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.services.service import Health, Service
from foundation_lab.telemetry import events
from foundation_lab.testing.components import (
    find_service,
    last_health,
    require_service,
    what_is_there,
)
from foundation_lab.testing.marks import Mark, Seen, sequence_at
from foundation_lab.testing.waiting import Told, Wait, nothing_since, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.simulation.engine import Simulation


def wait_for_service_ready(
    sim: Simulation,
    name: str,
    within: float = 5.0,
    *,
    kind: str | None = None,
    since: Mark | int | None = None,
    block: Callable[[], object] | None = None,
) -> Any:
    """Wait until a service is there and up.

    Args:
        sim: The simulation.
        name: The service's name; it may come to be while the simulation runs.
        within: For how many virtual seconds the simulation may go on.
        kind: The service's kind (``backend``, ...), where several services share the name.
        since: A mark; the wait warns when the service was ready there and has not changed since.
        block: What is to be done first.

    Returns:
        The service.

    Raises:
        AssertionError: It was not ready in time.
        ValueError: Several services have this name.
    """
    __tracebackhide__ = True

    def ready() -> Service | None:
        service = find_service(sim, name, kind)
        return service if service is not None and service.up else None

    wait = Wait(
        predicate=ready,
        within=within,
        what=f"service {name!r} to be ready",
        seen=what_is_there(sim, name, kind),
        held_before=_held(sim, ready, since, lambda seen: seen.up),
    )
    return until(sim, "wait_for_service_ready", wait, block=block)


def wait_for_service_health(
    sim: Simulation,
    name: str,
    expected: Health | str,
    within: float = 5.0,
    *,
    kind: str | None = None,
    since: Mark | int | None = None,
    block: Callable[[], object] | None = None,
) -> Any:
    """Wait until a service's health is as expected, by its state and not by its last health check.

    Args:
        sim: The simulation.
        name: The service's name.
        expected: ``healthy``, ``degraded``, ``unhealthy`` or ``unknown``.
        within: For how many virtual seconds the simulation may go on.
        kind: The service's kind, where several services share the name.
        since: A mark; the wait warns when the service was so there and has not changed since.
        block: What is to be done first.

    Returns:
        The service.

    Raises:
        AssertionError: It was not so in time.
        ValueError: There is no such health, or several services have this name.
    """
    __tracebackhide__ = True
    health = _health(expected)

    def as_expected() -> Service | None:
        service = find_service(sim, name, kind)
        return service if service is not None and service.health() is health else None

    wait = Wait(
        predicate=as_expected,
        within=within,
        what=f"service {name!r} to be {health}",
        seen=what_is_there(sim, name, kind),
        held_before=_held(sim, as_expected, since, lambda seen: seen.health == str(health)),
    )
    return until(sim, "wait_for_service_health", wait, block=block)


def wait_for_health_improvement(
    sim: Simulation,
    name: str,
    within: float = 5.0,
    *,
    than: Health | str | None = None,
    kind: str | None = None,
    since: Mark | int | None = None,
    block: Callable[[], object] | None = None,
) -> Any:
    """Wait until a service is better than it was.

    Unhealthy and unknown are the worst, degraded is better, healthy is the best.

    Args:
        sim: The simulation.
        name: The service's name.
        within: For how many virtual seconds the simulation may go on.
        than: What it was; by default what it was at the mark `since`, or what its last recorded
            health check said, or else what it is now, before the `block`.
        kind: The service's kind, where several services share the name.
        since: A mark; the wait warns when the service was better there already and has not been
            restarted since.
        block: What is to be done first; the wait warns when the service was better before.

    Returns:
        The service.

    Raises:
        AssertionError: It was not better in time.
        ValueError: What it was is the best already; there is no such service, or several.
    """
    __tracebackhide__ = True
    service = require_service(sim, name, kind)
    if than is None and since is not None and (seen := _seen(since, service)) is not None:
        than = seen.health
    before = last_health(sim, service) if than is None else _health(than)
    if before is Health.HEALTHY:
        message = f"{name!r} was healthy, which cannot improve; say what it was with than=..."
        raise ValueError(message)

    def improved() -> Service | None:
        return service if _RANK[service.health()] > _RANK[before] else None

    wait = Wait(
        predicate=improved,
        within=within,
        what=f"service {name!r} to be better than {before}",
        seen=what_is_there(sim, name, kind),
        held_before=_held(
            sim, improved, since, lambda seen: _RANK[Health(seen.health)] > _RANK[before]
        ),
    )
    return until(sim, "wait_for_health_improvement", wait, block=block)


def wait_for_process_restart(
    sim: Simulation,
    name: str,
    within: float = 5.0,
    *,
    above: int = 0,
    since: Mark | int | None = None,
    kind: str | None = None,
    block: Callable[[], object] | None = None,
) -> Any:
    """Wait until a service has been restarted and is up.

    Args:
        sim: The simulation.
        name: The service's name.
        within: For how many virtual seconds the simulation may go on.
        above: The `restart_count` that it had before; by default any restart since the beginning
            counts.
        since: A mark: only restarts after it count. (With a sequence number they are counted by
            their events, with a mark by the service itself.)
        kind: The service's kind, where several services share the name.
        block: What is to be done first; only restarts after that count, unless `above` or `since`
            says otherwise.

    Returns:
        The service, in its new incarnation.

    Raises:
        AssertionError: It was not restarted in time.
        UnknownName: There is no such service.
        ValueError: Several services have this name.
    """
    __tracebackhide__ = True
    service = require_service(sim, name, kind)
    if isinstance(since, Mark):
        sequence_at(sim, since)
        seen = _seen(since, service)
        above = max(above, 0 if seen is None else seen.restart_count)
    elif since is not None:
        after = Told(sim, [events.service.Restarted], since, service=name, kind=service.kind)
        with after:
            above = max(above, service.restart_count - len(after.records))
    elif block is not None and not above:
        above = service.restart_count

    def restarted() -> Service | None:
        return service if service.up and service.restart_count > above else None

    wait = Wait(
        predicate=restarted,
        within=within,
        what=f"service {name!r} to be restarted (restart_count above {above})",
        seen=lambda: [f"{service!r} has restart_count {service.restart_count}"],
    )
    return until(sim, "wait_for_process_restart", wait, block=block)


def _held(
    sim: Simulation,
    predicate: Callable[[], object],
    since: Mark | int | None,
    was_so: Callable[[Seen], bool],
) -> Callable[[], bool] | None:
    """Return what says whether a state was there at a mark and has not changed since."""
    if since is None:
        return None
    sequence_at(sim, since)

    def held() -> bool:
        service = predicate()
        if not service:
            return False
        seen = _seen(since, service) if isinstance(service, Service) else None
        if seen is None:
            return nothing_since(sim, since)
        return was_so(seen) and seen.restart_count == service.restart_count  # type: ignore[attr-defined]

    return held


def _health(name: Health | str) -> Health:
    if name not in list(Health):
        message = f"there is no health {name!r}; there are {', '.join(Health)}"
        raise ValueError(message)
    return Health(name)


def _seen(mark: Mark | int, service: Service) -> Seen | None:
    return mark.services.get((service.kind, service.name)) if isinstance(mark, Mark) else None


_RANK = {Health.UNKNOWN: 0, Health.UNHEALTHY: 0, Health.DEGRADED: 1, Health.HEALTHY: 2}
