"""The supervisor: restarts services that crash, until they crash too often.

The restart policy is OTP's *one for one*: a child that goes down is restarted alone. More than
`intensity` restarts within `period` seconds (the border included) and the supervisor gives up: it
stops its other children and itself.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, ClassVar

from foundation_lab.services.arguments import positive, whole
from foundation_lab.services.service import Service
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foundation_lab.simulation.engine import Simulation

SHUTDOWN = "shutdown"
"""The reason of an orderly end: such a child is not restarted."""


class Supervisor(Service):
    """Restarts its children.

    Args:
        sim: The simulation.
        name: The supervisor's name.
        children: The services to look after.
        restart_delay: Seconds from a crash to the restart; 0 restarts at the same instant.
        intensity: How many restarts are allowed within `period`.
        period: Seconds.
    """

    kind: ClassVar[str] = "supervisor"
    ChildStarted = events.supervisor.ChildStarted
    ChildExited = events.supervisor.ChildExited
    GaveUp = events.supervisor.GaveUp

    def __init__(
        self,
        sim: Simulation,
        name: str,
        children: Iterable[Service],
        *,
        restart_delay: float = 0.0,
        intensity: int = 3,
        period: float = 5.0,
    ) -> None:
        self.children = list(children)
        self.restart_delay = positive("restart_delay", restart_delay, zero=True)
        self.intensity = whole("intensity", intensity, 0)
        self.period = positive("period", period)
        self._restarts: deque[float] = deque()
        self._gave_up = False
        super().__init__(sim, name)
        for child in self.children:
            child.when_it_exits(lambda reason, child=child: self._exited(child, reason))  # type: ignore[misc]
            self._emit(events.supervisor.ChildStarted(name, child.name))

    def _exited(self, child: Service, reason: str) -> None:
        if not self.up or self._gave_up:
            return
        self._emit(events.supervisor.ChildExited(self.name, child.name, reason))
        if reason == SHUTDOWN:
            return
        now = self.sim.now
        while self._restarts and now > self._restarts[0] + self.period:
            self._restarts.popleft()
        self._restarts.append(now)
        if len(self._restarts) > self.intensity:
            self._give_up(child)
            return
        self.sim.call_in(self.restart_delay, lambda: self._restart(child))

    def _restart(self, child: Service) -> None:
        if self.up and not child.up:
            child.restart()
            self._emit(events.supervisor.ChildStarted(self.name, child.name))

    def _give_up(self, child: Service) -> None:
        self._gave_up = True
        self._emit(
            events.supervisor.GaveUp(
                self.name, child.name, len(self._restarts), self.intensity, self.period
            )
        )
        for other in reversed(self.children):
            other.stop(SHUTDOWN)
        self.stop("gave up")

    def on_restart(self) -> None:
        """Begin anew, with no restarts on the record."""
        self._gave_up = False
        self._restarts.clear()
