"""An injection: one time that a fault takes hold of one target; and the ledger of all of them."""

from __future__ import annotations

import math
from itertools import count
from typing import TYPE_CHECKING, Any

from foundation_lab.simulation.timer import Timer
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.faults.fault import Fault
    from foundation_lab.simulation.process import Process
    from foundation_lab.simulation.waiting import Wait


class Injection:
    """One occurrence of a fault.

    Args:
        sim: The simulation.
        target: What it hits.
        fault: What is wrong.
        plan: The id of the fault in the schedule, which its first occurrence bears as its own.
        stream: The fault's own stream.
        planned: How many seconds it is to last by the schedule.

    Attributes:
        fault_id: The id of this occurrence.
        length: How many seconds it lasts.
        ended: Whether it is over.
        incarnation: Of a crash: which incarnation of the service it killed.
    """

    def __init__(
        self,
        sim: Simulation,
        target: Any,
        fault: Fault,
        plan: str,
        *,
        stream: random.Random,
        planned: float,
    ) -> None:
        self.sim = sim
        self.target = target
        self.fault = fault
        self.plan = plan
        self.stream = stream
        self.length = fault.length(planned)
        self.fault_id = sim.faults.occurrence_id(plan)
        self.ended = False
        self.incarnation = 0
        self._since = sim.now
        self._sequence = -1
        self._over: Wait | None = None
        self._strikes = sim.telemetry.emitting(events.fault.Struck)

    def begin(self, cause: int | None = None) -> None:
        """Take hold; the end follows by itself."""
        self._since = self.sim.now
        self.sim.faults.active[self.fault_id] = self
        self.fault.begin(self)
        injected = events.fault.Injected(
            self.target.name, self.fault_id, self.fault.kind, self.fault.parameters, self.plan
        )
        self._sequence = self.sim.telemetry.emit(injected, cause=cause)
        self.fault.take_effect(self)
        if self.length == 0:
            self.finish()
        elif math.isfinite(self.length):
            Timer(self.sim, self.sim.now + self.length, self.finish, first=True)

    def finish(self) -> None:
        """Let go."""
        self.ended = True
        del self.sim.faults.active[self.fault_id]
        self.fault.end(self)
        lasted = self.length if math.isfinite(self.length) else self.sim.now - self._since
        cleared = events.fault.Cleared(self.target.name, self.fault_id, self.fault.kind, lasted)
        self.sim.telemetry.emit(cleared, cause=self._sequence)
        self.fault.let_go(self)
        if self._over is not None:
            self._over.succeed()

    @property
    def over(self) -> Wait:
        """The event that it is over; only while it is on."""
        if self._over is None:
            self._over = self.sim.wait(f"the end of fault {self.fault_id!r}")
        return self._over

    @property
    def subject(self) -> str:
        """Whom it hits, in words."""
        return f"{self.target.kind.replace('_', ' ')} {self.target.name!r}"

    def others(self) -> list[Injection]:
        """Return the other faults that are on the same target now, the oldest first."""
        active = self.sim.faults.active.values()
        return [each for each in active if each.target is self.target and each is not self]

    def draws(self) -> bool:
        """Return whether it strikes one request more; drawn from the fault's own stream."""
        return self.stream.random() < self.fault.chance  # type: ignore[attr-defined,no-any-return]

    def strike(self) -> None:
        """Tell that it strikes the request of the running process."""
        self._strikes(self.target.name, self.fault_id, self.fault.kind)

    def requests_at(self, target: Any) -> list[Process]:
        """Return the processes whose requests are at a target now, as far as it can tell."""
        requests: list[Process] = getattr(target, "requests", list)()
        return requests

    def strike_all(self, requests: Iterable[Process] | None = None) -> None:
        """Tell that it strikes requests, by default all at the target, in the name of each."""
        service, kind = self.target.name, self.fault.kind
        for process in self.requests_at(self.target) if requests is None else requests:
            fields = {"service": service, "fault_id": self.fault_id, "kind": kind}
            self.sim.telemetry.emit_as(process, events.fault.Struck, {}, fields)


class Ledger:
    """The faults of one simulation: which ids are taken, and what is on now.

    Attributes:
        active: The injections that are on, in the order in which they began.
    """

    def __init__(self) -> None:
        self.active: dict[str, Injection] = {}
        self._taken: dict[str, bool] = {}
        self._numbers: dict[str, int] = {}

    def plan_id(self, kind: str, name: str, when: str) -> str:
        """Return an id, unlike any other, for a fault that is to come."""
        fault_id = self._free(f"{kind}:{name}:{when}")
        self._taken[fault_id] = False
        return fault_id

    def occurrence_id(self, plan: str) -> str:
        """Return the id of the next occurrence of a fault: its own for the first."""
        if self._taken[plan]:
            plan = self._free(plan)
        self._taken[plan] = True
        return plan

    def _free(self, plain: str) -> str:
        for number in count(self._numbers.get(plain, 1)):
            fault_id = plain if number == 1 else f"{plain}#{number}"
            if fault_id not in self._taken:
                self._numbers[plain] = number
                return fault_id
        raise AssertionError  # pragma: no cover  (the numbers have no end)
