"""The bulkhead: at most so many calls at the same time, so that one use cannot sink the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import BulkheadFull, ServiceDown
from foundation_lab.services.arguments import positive, whole
from foundation_lab.services.service import Health, Service
from foundation_lab.simulation.component import Held
from foundation_lab.simulation.faults import CapacityLoss, Impairments
from foundation_lab.simulation.invocation import invoke
from foundation_lab.simulation.slots import Slots
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.faults import Fault
    from foundation_lab.simulation.slots import Waiter


class Bulkhead(Service):
    """Limits how many calls run at the same time.

    Args:
        sim: The simulation.
        name: The bulkhead's name, `service_id` in its events.
        max_concurrent: How many calls may run at the same time.
        max_wait: Seconds that a call waits for a place at most, first in first out; 0 turns it away
            at once, `None` lets it wait for as long as it takes.
    """

    kind: ClassVar[str] = "bulkhead"
    Permitted = events.bulkhead.Permitted
    Rejected = events.bulkhead.Rejected
    Finished = events.bulkhead.Finished
    possible_faults: ClassVar[tuple[type[Fault], ...]] = (CapacityLoss,)

    def __init__(
        self, sim: Simulation, name: str, *, max_concurrent: int, max_wait: float | None = 0.0
    ) -> None:
        self._places = whole("max_concurrent", max_concurrent)
        self.impairments = Impairments(self.possible_faults)
        self.max_wait = None if max_wait is None else positive("max_wait", max_wait, zero=True)
        self._slots = Slots(sim, max_concurrent, f"a place in bulkhead {name!r}")
        self._running = 0
        super().__init__(sim, name)
        self._permits = sim.telemetry.emitting(events.bulkhead.Permitted)
        self._finishes = sim.telemetry.emitting(events.bulkhead.Finished)

    def call(self, fn: Callable[[], Any]) -> Generator[Any, Any, Any]:
        """Call `fn` in one of the places (``yield from``).

        Returns:
            What `fn` came to.

        Raises:
            BulkheadFull: No place came free in time.
            ServiceDown: The bulkhead was stopped, before or while the call waited.
        """
        sim, slots = self.sim, self._slots
        if not self.up:
            self._rejected("down", 0.0)
            self.require_up()
        if self.max_wait == 0:
            if not slots.try_acquire():
                self._rejected("full", 0.0)
                raise self._full()
            turn = None
        else:
            turn = slots.claim()
        wait = 0.0
        if turn is not None:
            asked = sim.now
            yield from self._wait(turn)
            wait = sim.now - asked
        began, error = sim.now, None
        self._running += 1
        try:
            self._permits(self.name, wait, slots.used)
            return (yield from invoke(fn))
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._running -= 1
            slots.release()
            self._finishes(self.name, sim.outcome_of(error), sim.now - began)

    @property
    def max_concurrent(self) -> int:
        """How many calls may run at the same time; fewer while a fault takes places away."""
        return self._slots.capacity

    @property
    def in_use(self) -> int:
        """How many places are taken now."""
        return self._slots.used

    @property
    def waiting(self) -> int:
        """How many calls wait for a place now."""
        return self._slots.waiting

    def health(self) -> Health:
        """Return unhealthy when down, degraded when all places are taken."""
        if not self.up:
            return Health.UNHEALTHY
        return Health.DEGRADED if self._slots.free <= 0 else Health.HEALTHY

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {"in_use": self.in_use, "waiting": self.waiting}

    def held(self) -> list[Held]:
        """Return the places that are taken."""
        return [Held(self._slots.description, None)] * self.in_use

    def violations(self) -> list[str]:
        """Return every law of bulkheads that does not hold, in words."""
        broken = self._slots.violations()
        if not 0 <= self._running <= self.in_use <= self._places:
            broken.append(f"{self._running} calls run in {self.in_use} places of {self._places}")
        return broken

    def fault_changed(self) -> None:
        """Lose places, and get them again."""
        self._slots.resize(self.impairments.places(self._places))

    def on_exit(self, reason: str) -> None:
        """Send away who waits; calls that run go on and give their places back."""
        message = f"bulkhead {self.name!r} went down ({reason})"
        self._slots.fail_all(lambda: ServiceDown(message))

    # -- private -------------------------------------------------------------------------------

    def _wait(self, turn: Waiter) -> Generator[Any, Any, None]:
        asked, lives = self.sim.now, self.restart_count
        try:
            yield from self._slots.wait(turn, self.max_wait, self._full)
        except ServiceDown:
            if not self.up or self.restart_count != lives:  # and not another's, out of its caller
                self._rejected("down", self.sim.now - asked)
            raise
        except BulkheadFull:
            self._rejected("timeout", self.sim.now - asked)
            raise

    def _rejected(self, reason: str, wait: float) -> None:
        self._emit(events.bulkhead.Rejected(self.name, reason, wait))

    def _full(self) -> BulkheadFull:
        message = f"all {self.max_concurrent} places of bulkhead {self.name!r} are taken"
        if self.max_wait:
            message += f"; none came free within {self.max_wait:g} s"
        return BulkheadFull(message)
