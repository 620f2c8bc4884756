"""Finding services and their numbers in a simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from foundation_lab.errors import UnknownName, nearest
from foundation_lab.services.service import Health, Service
from foundation_lab.telemetry import events
from foundation_lab.testing.history import past_records
from foundation_lab.testing.wanted import wanted_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.simulation.engine import Simulation

T = TypeVar("T")


def of_class(sim: Simulation, cls: type[T]) -> list[T]:
    """Return the components that are instances of a class, in order of their making."""
    return [component for component in sim.components.values() if isinstance(component, cls)]


def find_service(sim: Simulation, name: str, kind: str | None) -> Service | None:
    """Return the service of a name, or ``None``.

    Args:
        sim: The simulation.
        name: The service's name.
        kind: Its kind, where several services share the name.

    Raises:
        ValueError: There are several.
    """
    found = [
        service
        for service in of_class(sim, Service)
        if service.name == name and kind in (None, service.kind)
    ]
    if len(found) > 1:
        kinds = " or ".join(f"kind={service.kind!r}" for service in found)
        message = f"{len(found)} services are called {name!r}; say {kinds}"
        raise ValueError(message)
    return found[0] if found else None


def require_service(sim: Simulation, name: str, kind: str | None) -> Service:
    """Return the service of a name, as `find_service` does.

    Raises:
        UnknownName: There is none; the message lists the nearest names.
    """
    service = find_service(sim, name, kind)
    if service is None:
        raise UnknownName.among("service", name, [s.name for s in of_class(sim, Service)])
    return service


def what_is_there(sim: Simulation, name: str, kind: str | None) -> Callable[[], list[str]]:
    """Return a function that says how the service of a name is, or that there is none."""

    def seen() -> list[str]:
        service = find_service(sim, name, kind)
        if service is not None:
            return [f"{service!r} is {service.health()}"]
        known = {service.name for service in of_class(sim, Service)}
        hint = ", ".join(nearest(name, known) or sorted(known)[:5]) or "none at all"
        return [f"there is no {kind or 'service'} called {name!r}; there are {hint}"]

    return seen


def last_health(sim: Simulation, service: Service) -> Health:
    """Return what a service's last recorded health check said; without one, how it is now."""
    wanted = wanted_event(
        events.service.HealthCheck, {"service": service.name, "kind": service.kind}
    )
    checks = past_records(sim.recording, wanted.matches_name)
    said = [record["status"] for record in checks if wanted.matches(record)]
    return Health(said[-1]) if said else service.health()


def metrics_of(sim: Simulation) -> dict[str, float]:
    """Return the numbers of all services' health checks as they are now, by ``service.metric``."""
    return {
        f"{service.name}.{key}": value
        for service in of_class(sim, Service)
        for key, value in service.metrics().items()
    }
