"""What all services share: a name, a life with its events, health, and laws they keep."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import ServiceDown
from foundation_lab.services.arguments import positive
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.component import Held
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.faults import Fault
    from foundation_lab.simulation.process import Process


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
    `Supervisor`. `stop` is an orderly end, which may take time: the service is up and `stopping`
    until what it winds down is done.

    Args:
        sim: The simulation that it is part of.
        name: Its name; unique among services of its kind.
        health_interval: Seconds between two health checks; none without it.

    Attributes:
        supervisor: The name of the supervisor that looks after it, if any.
        keeps_state: Whether what it knew when it last went down is there again after the restart.
        node: The node that it is on: that of the context in which it was made.
        stop_time: Seconds that an orderly stop takes; 0 unless somebody sets it.
    """

    kind: ClassVar[str] = "service"
    Started = events.service.Started
    Stopped = events.service.Stopped
    Restarted = events.service.Restarted
    ServiceHealth = events.service.HealthCheck
    possible_faults: ClassVar[tuple[type[Fault], ...]] = ()
    """The faults that can be on it as `impairments`; any service can crash besides."""

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
        self.stop_time = 0.0
        self.node = sim.telemetry.running.context.node
        self.keeps_state = False
        self.supervisor: str | None = None
        self._on_exit: list[Callable[[str], object]] = []
        self._winding_down: Process | None = None
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

    @property
    def stopping(self) -> bool:
        """Whether an orderly stop is under way; the service is up meanwhile."""
        return self._winding_down is not None

    def stop(self, reason: str = "shutdown") -> None:
        """End the service in good order: at once, or when `wind_down` is done.

        Nothing happens when it is down or stopping already.
        """
        if not self.up or self.stopping:
            return
        work = self.wind_down()
        if work is None:
            self._go_down(reason)
        else:
            self._winding_down = self.sim.process(
                self._wind_down(work, reason), name=f"{self.name}.stop"
            )

    def kill(self, reason: str = "killed", *, durable: bool = False) -> None:
        """End the service as a crash would: what it held is lost, an orderly stop is cut short.

        Args:
            reason: Why, for the event.
            durable: Whether what it knew, such as what a cache keeps, outlasts the crash.
        """
        self._go_down(reason, durable=durable)

    def restart(self) -> None:
        """Bring the service up again, as a new incarnation; a supervisor does this.

        Raises:
            RuntimeError: The service is up.
            Exception: It could not start: a failure that `on_restart` raised. It is down as before.
        """
        if self.up:
            message = f"{self.kind} {self.name!r} is up; kill or stop it before a restart"
            raise RuntimeError(message)
        self.restart_count += 1
        self.up = True
        try:
            self.on_restart()
        except self.sim.failures:
            self.up = False
            raise
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

    def held(self) -> list[Held]:
        """Return what is out now: places, permits, connections, tokens."""
        return []

    # -- for subclasses ------------------------------------------------------------------------

    def wind_down(self) -> Generator[Any, Any, object] | None:
        """Return what an orderly stop waits for, ``None`` for nothing: by default `stop_time`."""
        return self.sim.sleep(self.stop_time) if self.stop_time else None

    def on_exit(self, reason: str) -> None:
        """Give up what the service holds; called after it went down, before the event.

        What it knows is lost here or in `on_restart`, unless it `keeps_state`.
        """

    def on_restart(self) -> None:
        """Set the service up anew; called before the event. A failure is a failed start."""

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
        work, self._winding_down = self._winding_down, None
        if work is not None and work.is_alive and work is not self.sim.active_process:
            work.defused = True
            work.interrupt("the service went down")
        self.on_exit(reason)
        self._emit(events.service.Stopped(self.name, self.kind, reason))
        for call in list(self._on_exit):
            call(reason)

    def _wind_down(
        self, work: Generator[Any, Any, object], reason: str
    ) -> Generator[Any, Any, None]:
        yield from work
        if self._winding_down is self.sim.active_process:
            self._go_down(reason)

    def _watch_health(self, interval: float) -> Generator[Any, Any, None]:
        while True:
            yield self.sim.timeout(interval)
            self.check_health()
