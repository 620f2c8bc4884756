"""A load shedder: so many calls at the same time, a line for the others, and a word on who must go.

Where a `Bulkhead` only limits, this decides who is served: in which order, who is let in when the
line grows, and who has waited in vain and is sent away before anybody works on it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import LoadShed, ServiceDown
from foundation_lab.services.arguments import whole
from foundation_lab.services.service import Health, Service
from foundation_lab.simulation.invocation import invoke
from foundation_lab.simulation.lines.line import ticket_for
from foundation_lab.simulation.slots import Slots
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.lines.line import Line, Ticket
    from foundation_lab.simulation.slots import Waiter


def refusal(
    priority: int, waiting: int, max_waiting: int | None, thresholds: Mapping[int, int]
) -> str | None:
    """Return why a call is turned away from a line of `waiting` calls; ``None`` if it may join.

    Example:
        >>> [refusal(p, 5, max_waiting=10, thresholds={1: 5}) for p in (0, 1, 2)]
        [None, 'priority', 'priority']
    """
    if max_waiting is not None and waiting >= max_waiting:
        return "full"
    least = min((n for which, n in thresholds.items() if priority >= which), default=math.inf)
    return "priority" if waiting >= least else None


class LoadShedder(Service):
    """Runs so many calls at the same time, and sheds what it cannot serve in time.

    Args:
        sim: The simulation.
        name: The shedder's name, `service_id` in its events.
        max_concurrent: How many calls may run at the same time.
        max_waiting: How many may wait in line; one more is turned away. No limit without it.
        line: Whose turn it is, and who is sent away; first in first out without it.
        thresholds: By priority: how many may wait at which calls of this priority, and of those
            that are less urgent, are turned away at arrival.
    """

    kind: ClassVar[str] = "load_shedder"
    Admitted = events.load_shed.Admitted
    Rejected = events.load_shed.Rejected
    Expired = events.load_shed.Expired
    Abandoned = events.load_shed.Abandoned
    Finished = events.load_shed.Finished

    def __init__(
        self,
        sim: Simulation,
        name: str,
        *,
        max_concurrent: int,
        max_waiting: int | None = None,
        line: Line | None = None,
        thresholds: Mapping[int, int] | None = None,
    ) -> None:
        whole("max_concurrent", max_concurrent)
        self.max_waiting = None if max_waiting is None else whole("max_waiting", max_waiting, 0)
        self.thresholds = dict(thresholds or {})
        for priority, number in self.thresholds.items():
            whole(f"thresholds[{priority}]", number, 0)
        self._slots = Slots(sim, max_concurrent, f"a place in load shedder {name!r}", line=line)
        self.line = line
        self._running = 0
        super().__init__(sim, name)
        self._admits = sim.telemetry.emitting(events.load_shed.Admitted)
        self._finishes = sim.telemetry.emitting(events.load_shed.Finished)

    def call(
        self, fn: Callable[[], Any], *, priority: int = 0, deadline: float | None = None
    ) -> Generator[Any, Any, Any]:
        """Call `fn` once it is its turn (``yield from``).

        Args:
            fn: Returns a generator, an event, or a plain value.
            priority: Smaller is more urgent.
            deadline: The virtual time after which the result is of no use, for a line that knows
                deadlines; a call that runs is not ended by it.

        Returns:
            What `fn` came to.

        Raises:
            LoadShed: It was turned away, or sent out of the line.
            ServiceDown: The shedder was stopped, before or while the call waited.
        """
        sim, slots = self.sim, self._slots
        ticket = ticket_for(priority, deadline)
        self._admit(ticket)
        asked, turn = sim.now, slots.claim(ticket)
        if turn is not None:
            yield from self._wait(turn)
        began, error = sim.now, None
        self._running += 1
        try:
            self._admits(self.name, priority, began - asked, slots.used)
            return (yield from invoke(fn))
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._running -= 1
            slots.release()
            self._finishes(self.name, sim.outcome_of(error), priority, sim.now - began)

    @property
    def max_concurrent(self) -> int:
        """How many calls may run at the same time."""
        return self._slots.capacity

    @property
    def in_use(self) -> int:
        """How many places are taken now."""
        return self._slots.used

    @property
    def waiting(self) -> int:
        """How many calls wait for a place now."""
        return self._slots.waiting

    def resize(self, max_concurrent: int) -> None:
        """Change how many calls may run at the same time; those that run go on."""
        self._slots.resize(whole("max_concurrent", max_concurrent))

    def health(self) -> Health:
        """Return unhealthy when down, degraded when calls wait."""
        if not self.up:
            return Health.UNHEALTHY
        return Health.DEGRADED if self.waiting else Health.HEALTHY

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {"in_use": self.in_use, "waiting": self.waiting}

    def violations(self) -> list[str]:
        """Return every law of load shedders that does not hold, in words."""
        broken = self._slots.violations()
        if not 0 <= self._running <= self.in_use:
            broken.append(f"{self._running} calls run in {self.in_use} places")
        if self.max_waiting is not None and self.waiting > self.max_waiting:
            broken.append(f"{self.waiting} calls wait where {self.max_waiting} may")
        return broken

    def on_exit(self, reason: str) -> None:
        """Send away who waits; calls that run go on and give their places back."""
        message = f"load shedder {self.name!r} went down ({reason})"
        self._slots.fail_all(lambda: ServiceDown(message))

    # -- private -------------------------------------------------------------------------------

    def _admit(self, ticket: Ticket) -> None:
        slots = self._slots
        reason = None
        if not self.up:
            reason = "down"
        elif slots.free <= 0:
            reason = refusal(ticket.priority, slots.waiting, self.max_waiting, self.thresholds)
        if reason is None and self.line is not None:
            reason = self.line.refuses(ticket, self.sim.now)
        if reason is not None:
            self._emit(events.load_shed.Rejected(self.name, reason, ticket.priority, slots.waiting))
            self.require_up()
            message = f"load shedder {self.name!r} turned a call away ({reason})"
            raise LoadShed(message, reason)

    def _wait(self, turn: Waiter) -> Generator[Any, Any, None]:
        sim, asked, lives = self.sim, self.sim.now, self.restart_count
        priority = turn.ticket.priority
        try:
            yield from self._slots.wait(turn)
        except BaseException as error:
            waited = sim.now - asked
            reason = None
            if isinstance(error, LoadShed) and not turn._ok:
                reason = error.reason
            elif isinstance(error, ServiceDown) and (not self.up or self.restart_count != lives):
                reason = "down"
            if reason is None:
                self._emit(events.load_shed.Abandoned(self.name, priority, waited))
            else:
                self._emit(events.load_shed.Expired(self.name, reason, priority, waited))
            raise
