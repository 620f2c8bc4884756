"""An open-loop workload: requests arrive when they arrive, whether or not earlier ones are done.

Each request is a process of its own with a correlation id of its own. It emits ``request.started``
and ``request.finished``, whose outcome and latency are what the caller saw.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from foundation_lab.simulation.ability import a_function, able
from foundation_lab.simulation.lines.line import number
from foundation_lab.simulation.request import entered, over, request
from foundation_lab.simulation.slots import Slots
from foundation_lab.simulation.traffic.pace import Pace
from foundation_lab.simulation.traffic.sender import Sender, load_factor
from foundation_lab.telemetry import events
from foundation_lab.telemetry.context import NO_CAUSE, Context

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.timer import Timer
    from foundation_lab.simulation.traffic.arrivals import Arrivals
    from foundation_lab.simulation.waiting import Wait

__all__ = ["Workload", "request"]


class _Repaced(Exception):
    """The pace was changed for the first time, while the arrivals waited."""

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self.pace = pace


class Workload(Sender):
    """Sends requests as they arrive.

    Args:
        sim: The simulation.
        name: Who sends: `client` in the events.
        arrivals: When requests arrive.
        call: What each does; returns a generator, a SimPy event, or a plain value.
        node: The simulated node that the requests run on.
        max_in_flight: How many requests the client has under way at most; others wait at the
            client, first come, first served, and the wait is part of their latency. No limit
            without it.

    Raises:
        ValueError: There is a workload of this name; they would share their random stream. Or
            `max_in_flight` is no whole number from 1.
        TypeError: `arrivals` or `call` is something else.
    """

    def __init__(
        self,
        sim: Simulation,
        name: str,
        arrivals: Arrivals,
        call: Callable[[], Any],
        *,
        node: str | None = None,
        max_in_flight: int | None = None,
    ) -> None:
        able("arrivals", arrivals, "times", "give poisson(rate), constant_rate(rate), ...")
        a_function("call", call)
        if max_in_flight is not None:
            number("max_in_flight", max_in_flight, 1)
            line = Slots(sim, max_in_flight, f"a connection of workload {name!r}")
        super().__init__(sim, name, node=node)
        self.call = call
        self._arrivals = arrivals
        self._stream = sim.stream(f"workload.{name}.arrivals")
        self._pace: Pace | None = None
        self._begun = False
        self._turn: Wait | None = None
        self._timer: Timer | None = None
        self._time = 0.0
        self._connections: list[Slots] = []
        if max_in_flight is not None:
            self._connections = [line]
            self._delays = partial(sim.telemetry.emitting(events.request.Delayed), name)
        self.process = sim.process(self._send(), name=f"{name}.arrivals", daemon=True)

    # -- the load ------------------------------------------------------------------------------

    @property
    def load(self) -> float:
        """How many times its own load the workload is set to; 0 while it is stopped."""
        return 1.0 if self._pace is None else self._pace.speed

    def change_load(self, factor: float) -> None:
        """Let requests arrive `factor` times as fast as `arrivals` says, from now on.

        The time of the arrivals runs that much faster: what is left of the present gap is rescaled,
        so that a Poisson process stays one, with the new rate. 0 pauses. An arrival that is due at
        this very instant still comes. The factor is that of the load itself, not of the last one.

        Raises:
            ValueError: The factor is negative or no finite number.
        """
        self._repace(factor=load_factor(factor))

    def stop(self) -> None:
        """Let no more requests arrive; those under way go on. Nothing happens when it is stopped.

        The time of the arrivals stands still, so that `start` goes on where they were.
        """
        if self._pace is None or self._pace.running:
            self._repace(running=False)

    def start(self) -> None:
        """Go on after a `stop`; nothing happens when it is not stopped."""
        if self._pace is not None and not self._pace.running:
            self._repace(running=True)

    def violations(self) -> list[str]:
        """Return every law of workloads that does not hold, in words."""
        return [
            *super().violations(),
            *(v for line in self._connections for v in line.violations()),
        ]

    # -- private -------------------------------------------------------------------------------

    def _send(self) -> Generator[Any, Any, None]:
        sim, arrive = self.sim, self._arrive
        self._begun = True
        for time in self._arrivals.times(self._stream, sim.now):
            pace = self._pace
            if pace is None:
                now = sim.now
                gap = time - now
                try:
                    yield gap if now + gap == time else sim.at(time)
                except _Repaced as notice:
                    yield from self._until(time, notice.pace)
            else:
                yield from self._until(time, pace)
            arrive()

    def _arrive(self) -> None:
        """Do what an arrival is: start a request in a process of its own."""
        self._start(self.call)

    def _start(self, call: Callable[[], Any]) -> None:
        if self._connections:
            line = self._connections[self._ledger.sent % len(self._connections)]
            call = partial(over, line, self.sim, call, self._delays)
        sim, ledger = self.sim, self._ledger
        process = sim.process(entered(ledger, call), name=self.name)
        process.context = Context(self._node, sim.telemetry.new_id())
        process.cause = NO_CAUSE
        ledger.sent += 1

    def _until(self, time: float, pace: Pace) -> Generator[Any, Any, None]:
        """Wait until the arrivals' own time has come to `time`, however its pace changes."""
        self._time = time
        self._turn = self.sim.wait(f"the next arrival of workload {self.name!r}")
        self._set_timer(pace, self._turn)
        yield self._turn
        self._turn = self._timer = None

    def _set_timer(self, pace: Pace, turn: Wait) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = pace.due(self._time)
        if due < math.inf:
            self._timer = self.sim.call_at(due, turn.succeed)

    def _repace(self, *, factor: float | None = None, running: bool | None = None) -> None:
        pace, now = self._pace, self.sim.now
        if pace is None:
            pace = self._pace = Pace(now)
            if self._begun and self.process.is_alive:
                self.process.throw(_Repaced(pace))
        pace.change(now, factor=factor, running=running)
        if self._turn is not None and not self._turn.triggered:
            self._set_timer(pace, self._turn)
        self.sim.telemetry.emit(events.workload.LoadChanged(self.name, self.load))
