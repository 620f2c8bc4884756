"""An agent's life: the state it is in and, apart from that, its health."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from foundation_lab.agents.state import ALIVE, AgentState, check_transition
from foundation_lab.services.arguments import positive
from foundation_lab.services.service import Health
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.event import Event

HISTORY = 64
"""How many changes of state are remembered."""


class Life:
    """The base of `Agent`: who it is, where it is in its life, and how it is.

    Attributes:
        state: Where it is in its life.
        health: How it is; may be set by whoever knows better.
        history: ``(from, to)`` of its last changes of state, the oldest first.
    """

    Registered = events.agent.Registered
    Unregistered = events.agent.Unregistered
    HealthCheck = events.agent.HealthCheck
    StateChange = events.agent.StateChange

    def __init__(
        self,
        sim: Simulation,
        agent_id: str,
        *,
        node: str | None,
        health_interval: float | None,
        probe: Callable[[Any], Health] | None,
    ) -> None:
        self.sim = sim
        self.agent_id = agent_id
        self.node = node
        self.health_interval = (
            None if health_interval is None else positive("health_interval", health_interval)
        )
        self.probe = probe
        self.state = AgentState.REGISTERED
        self.health = Health.UNKNOWN
        self.history: deque[tuple[AgentState, AgentState]] = deque(maxlen=HISTORY)

    @property
    def alive(self) -> bool:
        """Whether it runs, even if it does nothing at the moment."""
        return self.state in ALIVE

    def check_health(self) -> Health:
        """Examine it, emit ``agent.health_check``, and return how it is."""
        self.health = self.examine()
        healthy = self.health is Health.HEALTHY
        self._emit(
            events.agent.HealthCheck(self.agent_id, healthy, self.health.value, self.metrics())
        )
        return self.health

    def watch_health(self) -> Generator[Any, Any, None]:
        """Check its health every `health_interval` until it is unregistered (a process)."""
        if self.health_interval is None:
            return
        while True:
            yield self.sim.timeout(self.health_interval)
            if self.state is AgentState.UNREGISTERED:
                return
            self.check_health()

    def examine(self) -> Health:
        """Return how it is, asking its probe if it has one and the agent runs."""
        return self.health if self.probe is None or not self.alive else self.probe(self)

    def metrics(self) -> dict[str, Any]:
        """Return what a health check reports."""
        return {"state": self.state.value}

    # -- for the agent -------------------------------------------------------------------------

    def _go(self, to: AgentState, reason: str) -> int:
        before = self.state
        check_transition(self.agent_id, before, to)
        self.state = to
        self.history.append((before, to))
        return self._emit(events.agent.StateChange(self.agent_id, before.value, to.value, reason))

    def _emit(self, event: Event) -> int:
        with self.sim.telemetry.context(node=self.node):
            return self.sim.telemetry.emit(event)

    def _stream(self, purpose: str) -> Any:
        return self.sim.stream(f"agent.{self.agent_id}.{purpose}")
