"""What all services share: a name, a life with its events, health, and laws they keep."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import ServiceDown
from foundation_lab.services.arguments import positive
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation


class Health(StrEnum):
    """How a service is."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


class Service:
    """The base of every service.

    A service is up from its construction on and emits ``service.started``. `kill` is a crash:
    ``service.stopped`` follows, then ``service.restarted`` when somebody calls `restart`, usually a
    `Supervisor`.

    Args:
        sim: The simulation that it is part of.
        name: Its name; unique among services of its kind.
        health_interval: Seconds between two health checks; none without it.

    Attributes:
        node: The node that it is on: that of the context in which it was made.
        keeps_state: Whether what it knew when it last went down is there again after the restart.
    """

    kind: ClassVar[str] = "service"
    Started = events.service.Started
    Stopped = events.service.Stopped
    Restarted = events.service.Restarted
    ServiceHealth = events.service.HealthCheck

    def __init__(self, sim: Simulation, name: str, *, health_interval: float | None = None) -> None:
        if not name:
            message = f"a {self.kind} needs a name"
            raise ValueError(message)
        if health_interval is not None:
            positive("health_interval", health_interval)
        self.sim = sim
        self.name = name
        self.up = True
        self.restart_count = 0
        self.node = sim.telemetry.running.context.node
        self.keeps_state = False
        self._on_exit: list[Callable[[str], object]] = []
        sim.add(self)
        self._emit = sim.telemetry.emit
        self._emit(events.service.Started(name, self.kind, self.pid))
        if health_interval is not None:
            sim.process(self._watch_health(health_interval), name=f"{name}.health", daemon=True)

    # -- life ----------------------------------------------------------------------------------

    @property
    def pid(self) -> str:
        """The name of the present incarnation: it changes with every restart."""
        return f"{self.kind}:{self.name}:{self.restart_count}"

    @property
    def status(self) -> str:
        """The state the service is in, in a word."""
        return "up" if self.up else "down"

    def stop(self, reason: str = "shutdown") -> None:
        """End the service in good order. Nothing happens when it is down already."""
        self._go_down(reason)

    def kill(self, reason: str = "killed", *, durable: bool = False) -> None:
        """End the service as a crash would: what it held is lost.

        Args:
            reason: Why, for the event.
            durable: Whether what it knew, such as what a cache keeps, outlasts the crash.
        """
        self._go_down(reason, durable=durable)

    def restart(self) -> None:
        """Bring the service up again, as a new incarnation; a supervisor does this.

        Raises:
            RuntimeError: The service is up.
        """
        if self.up:
            message = f"{self.kind} {self.name!r} is up; kill or stop it before a restart"
            raise RuntimeError(message)
        self.restart_count += 1
        self.up = True
        self.on_restart()
        self._emit(events.service.Restarted(self.name, self.kind, self.pid, self.restart_count))

    def when_it_exits(self, call: Callable[[str], object]) -> None:
        """Call a function with the reason whenever the service goes down."""
        self._on_exit.append(call)

    # -- health --------------------------------------------------------------------------------

    def health(self) -> Health:
        """Return how the service is."""
        return Health.HEALTHY if self.up else Health.UNHEALTHY

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {}

    def check_health(self) -> Health:
        """Emit ``service.health_check`` and return how the service is."""
        health = self.health()
        self._emit(events.service.HealthCheck(self.name, self.kind, health.value, self.metrics()))
        return health

    def violations(self) -> list[str]:
        """Return every conservation law that does not hold now, in words."""
        return []

    # -- for subclasses ------------------------------------------------------------------------

    def on_exit(self, reason: str) -> None:
        """Give up what the service holds; called after it went down, before the event.

        What it knows is lost here or in `on_restart`, unless it `keeps_state`.
        """

    def on_restart(self) -> None:
        """Set the service up anew; called before the event."""

    def require_up(self) -> None:
        """Raise when the service is down.

        Raises:
            ServiceDown: It is.
        """
        if not self.up:
            message = f"{self.kind} {self.name!r} is down"
            raise ServiceDown(message)

    def __repr__(self) -> str:
        """Return one line: kind, name, state."""
        return f"<{type(self).__name__} {self.name!r} {self.status}>"

    # -- private -------------------------------------------------------------------------------

    def _go_down(self, reason: str, *, durable: bool = False) -> None:
        if not self.up:
            return
        self.up = False
        self.keeps_state = durable
        self.on_exit(reason)
        self._emit(events.service.Stopped(self.name, self.kind, reason))
        for call in list(self._on_exit):
            call(reason)

    def _watch_health(self, interval: float) -> Generator[Any, Any, None]:
        while True:
            yield self.sim.timeout(interval)
            self.check_health()
