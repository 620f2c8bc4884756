"""The supervisor: restarts services that crash, until they crash too often.

The restart policy is OTP's *one for one*: a child that goes down is restarted alone. More than
`intensity` restarts within `period` seconds (the border included) and the supervisor gives up and
stops. A supervisor that goes down takes its children along, and brings them up again when it is
itself restarted, for instance by a supervisor above.
"""

from __future__ import annotations

from collections import deque
from functools import partial
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
        super().__init__(sim, name)
        for child in self.children:
            child.when_it_exits(partial(self._exited, child))
            self._emit(events.supervisor.ChildStarted(name, child.name))

    def on_exit(self, reason: str) -> None:  # noqa: ARG002  (the children end in good order)
        """Stop the children, the last one first."""
        for child in reversed(self.children):
            child.stop(SHUTDOWN)

    def on_restart(self) -> None:
        """Begin anew: all children up, no restarts on the record."""
        self._restarts.clear()
        for child in self.children:
            self._restart(child)

    # -- private -------------------------------------------------------------------------------

    def _exited(self, child: Service, reason: str) -> None:
        if not self.up:
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
        else:
            self.sim.call_in(self.restart_delay, partial(self._restart, child))

    def _give_up(self, child: Service) -> None:
        self._emit(
            events.supervisor.GaveUp(
                self.name, child.name, len(self._restarts), self.intensity, self.period
            )
        )
        self.stop("gave up")

    def _restart(self, child: Service) -> None:
        if self.up and not child.up:
            child.restart()
            self._emit(events.supervisor.ChildStarted(self.name, child.name))
