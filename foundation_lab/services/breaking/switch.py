"""The switch in a circuit breaker: its state, what moves it, and the timer of the next move.

It knows nothing of calls but how they ended. `generation` grows with every move: what a call of an
older generation comes to is not counted. What follows from the end of a call is told after the end:
`count` leaves it in the `untold`.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from foundation_lab.services.breaking.break_duration import Opening
from foundation_lab.services.breaking.counting import TOO_FEW
from foundation_lab.services.breaking.half_open import half_open
from foundation_lab.services.breaking.state import ADMITS_ALL, BROKEN, State
from foundation_lab.services.outbox import Outbox
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.services.breaking.break_duration import BreakDuration
    from foundation_lab.services.breaking.counting import Counting, Rates
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.timer import Timer
    from foundation_lab.telemetry.event import Event


class Switch:
    """The state of a circuit breaker and its moves; `CircuitBreaker` documents what it is given."""

    def __init__(
        self,
        sim: Simulation,
        name: str,
        counting: Counting,
        duration: BreakDuration,
        *,
        slow_after: float | None,
        automatic: bool,
        probes: int,
        rule: str,
        max_wait: float | None,
    ) -> None:
        self.state = State.CLOSED
        self.generation = 0
        self.untold = Outbox()
        self._sim = sim
        self._emit = sim.telemetry.emit
        self._name = name
        self._counting = counting
        self._record = counting.record
        self._duration = duration
        self._slow_after = math.inf if slow_after is None else slow_after
        self._automatic = automatic
        self._max_wait = max_wait
        self._new_probes = partial(half_open, rule, probes, counting)
        self._probes = self._new_probes()
        self._openings = 0
        self._seconds_open = 0.0
        self._rates_at_opening = TOO_FEW
        self._would_open = False
        self._changed: int | None = None
        self._due: float | None = None
        self._due_at_halt: float | None = None
        self._timer: Timer | None = None

    @property
    def retry_after(self) -> float | None:
        """Seconds until a call is a probe; ``None`` when the switch is not open."""
        if self.state is not State.OPEN or self._due is None:
            return None
        return max(0.0, self._due - self._sim.now)

    def rates(self) -> Rates:
        """Return the rates that are judged now, those of the opening while it is open."""
        if self.state is State.OPEN:
            return self._rates_at_opening
        if self.state is State.HALF_OPEN:
            return self._probes.rates()
        return self._counting.rates(self._sim.now)

    def admits(self) -> bool:
        """Return whether a call is admitted now; in half-open it takes the permit of a probe."""
        if self._due is not None and self._sim.now >= self._due:
            self._move_on()
        return self.state in ADMITS_ALL or (self.state is State.HALF_OPEN and self._probes.take())

    def ignore(self) -> None:
        """Take note of a call of this generation that does not count."""
        if self.state is State.HALF_OPEN:
            self._probes.give_back()

    def count(self, duration: float, error: BaseException | None = None) -> None:
        """Count a completed call of this generation; move if that is what it leads to.

        The caller tells the `untold`, after the end of the call.
        """
        slow = duration > self._slow_after
        if self.state is State.CLOSED:
            if self._record(self._sim.now, failed=error is not None, slow=slow):
                self._open(self._counting.why(), error)
        elif self.state is State.HALF_OPEN:
            probes = self._probes
            verdict = probes.record(failed=error is not None, slow=slow)
            if verdict is State.OPEN:
                self._open(probes.why(verdict), error)
            elif verdict is State.CLOSED:
                self._rest(verdict, probes.why(verdict))
        elif self.state is State.METRICS_ONLY:
            self._measure(failed=error is not None, slow=slow)
        else:
            return
        if slow:
            self._say(events.circuit_breaker.SlowCall(self._name, duration, self._slow_after))

    def open(self, reason: str) -> None:
        """Open for as long as the break duration says; when it is open already, begin anew."""
        self._open(reason)
        self.untold.tell()

    def rest(self, state: State, reason: str) -> None:
        """Go to a state that no time ends."""
        self._rest(state, reason)
        self.untold.tell()

    def halt(self) -> None:
        """Stay as it is, whatever comes: no timer, and no call of before counts."""
        due = self._due
        self._schedule(None)
        self._due_at_halt = due
        self.generation += 1
        self.untold.tell()

    def resume(self) -> None:
        """Go on in the state of the halt, whose time has gone on; half-open asks for new probes."""
        self._probes = self._new_probes()
        if self._due_at_halt is not None:
            left = max(0.0, self._due_at_halt - self._sim.now)
            self._schedule(left, timed=self._automatic or self.state is State.HALF_OPEN)

    def violations(self, in_flight: int) -> list[str]:
        """Return every law that does not hold, in words; there are so many calls in flight."""
        broken = []
        probes = self._probes
        if not 0 <= probes.in_flight <= probes.taken <= probes.permitted:
            broken.append(
                f"{probes.in_flight} of {probes.taken} probes in flight, {probes.permitted} allowed"
            )
        if probes.in_flight > in_flight:
            broken.append(f"{probes.in_flight} probes in flight among {in_flight} calls")
        waiting = self.state is State.HALF_OPEN and self._max_wait is not None
        if (self._due is not None) != (waiting or self.state is State.OPEN):
            broken.append(f"{self.state}, and its time is over at {self._due}")
        timed = waiting or (self.state is State.OPEN and self._automatic)
        if (self._timer is not None) != timed:
            broken.append(f"{self.state} {'without a' if timed else 'with a needless'} timer")
        return broken

    # -- private -------------------------------------------------------------------------------

    def _measure(self, *, failed: bool, slow: bool) -> None:
        before = self._would_open
        self._would_open = self._record(self._sim.now, failed=failed, slow=slow)
        if self._would_open and not before:
            self._say(events.circuit_breaker.WouldOpen(self._name, self._counting.why()))

    def _open(
        self, reason: str, error: BaseException | None = None, cause: int | None = None
    ) -> None:
        openings = self._openings + (self.state is not State.OPEN)
        seconds = self._duration(Opening(openings, error, self._seconds_open))
        self._openings, self._seconds_open = openings, seconds
        self._rates_at_opening = self.rates()
        self._schedule(seconds, timed=self._automatic)
        self._move(State.OPEN, reason, cause)

    def _rest(self, state: State, reason: str) -> None:
        self._schedule(None)
        self._move(state, reason)

    def _move_on(self) -> None:
        """Leave a state whose time is over."""
        if self.state is State.HALF_OPEN:
            reason = f"half-open for {self._max_wait:g} s without a verdict"
            self._open(reason, cause=self._changed)
        else:
            self._schedule(self._max_wait)
            self._move(State.HALF_OPEN, "reset timeout is over", self._changed)
        self.untold.tell()

    def _move(self, to: State, reason: str, cause: int | None = None) -> None:
        before = self.state
        self.state = to
        self.generation += 1
        self._probes = self._new_probes()
        self._would_open = False
        self._counting.reset()
        if to not in BROKEN:
            self._openings, self._seconds_open = 0, 0.0
        if to is not before:
            change = events.circuit_breaker.StateChange(self._name, before.value, to.value, reason)
            self.untold.append(partial(self._tell_change, change, cause))

    def _tell_change(self, change: Event, cause: int | None) -> None:
        sequence = self._emit(change, cause=cause)
        if self._changed is None or sequence > self._changed:  # a handler may have moved it since
            self._changed = sequence

    def _say(self, event: Event) -> None:
        self.untold.append(partial(self._emit, event))

    def _schedule(self, seconds: float | None, *, timed: bool = True) -> None:
        """Let the next state end after so many seconds, at no time without them.

        Unless it is `timed`, the first call after that ends it.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due = None if seconds is None else self._sim.now + seconds
        if seconds is not None and timed:
            self._timer = self._sim.call_in(seconds, self._move_on)
