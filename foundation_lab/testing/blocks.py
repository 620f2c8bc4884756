"""The blocks that expectations make: they listen, run the simulation, and give their verdict."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

from foundation_lab.testing.clock import (
    advance,
    end_of_window,
    require_outside,
    require_seconds,
)
from foundation_lab.testing.failure import (
    circumstances,
    compose,
    describe_record,
    earlier,
    near_misses,
    seconds,
    why_it_ended,
)
from foundation_lab.testing.listening import Listener

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from simpy.events import Event

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.record import Record
    from foundation_lab.testing.clock import Ending
    from foundation_lab.testing.matchers import Wanted

Order = Literal["simple", "strict"]


class Expectation(Listener):
    """What all expectations share: they are settled by an event, or by the end of the time.

    Attributes:
        within: For how many virtual seconds the simulation goes on after the block.
    """

    def __init__(self, sim: Simulation, call: str, wanted: Sequence[Wanted], within: float) -> None:
        self.within = require_seconds(within)
        super().__init__(sim, wanted)
        self._call = call
        self._decisive: Record | None = None
        self._waited = False
        self._signal: Event | None = None

    @property
    def record(self) -> Record:
        """The record that settled it.

        Raises:
            RuntimeError: There is none (yet).
        """
        if self._decisive is None:
            message = f"nothing has settled {self}; look at its record after the block"
            raise RuntimeError(message)
        return self._decisive

    @property
    def event(self) -> Any:
        """The event that settled it."""
        return self.record.event

    @property
    def time(self) -> float:
        """When it was settled, in virtual seconds."""
        return self.record.time

    def wait(self) -> Generator[Event, Any, None]:
        """Wait in the running process, inside the block (``yield from``).

        The time `within` counts from here. The process goes on at the instant of the event, after
        what was due at that instant before it.

        Raises:
            AssertionError: It was not met.
        """
        if not self._is_attached:
            message = f"{self} listens only inside of its block; call wait() there"
            raise RuntimeError(message)
        self._waited = True
        if not self._settled:
            self._signal = self._sim.wait(str(self))
            end = end_of_window(self._sim, self.within)
            try:
                yield self._sim.any_of([self._signal, end])
            finally:
                self._sim.cancel(end)
                self._signal = None
        self._conclude("done" if self._settled else "deadline")

    def __str__(self) -> str:
        """Return how it was made."""
        return f"{self._call}({', '.join(map(str, self._wanted))})"

    def __del__(self) -> None:
        """Warn of an expectation that was made and never used: it has checked nothing."""
        if not getattr(self, "_entered", True):
            warnings.warn(
                f"{self} was never entered, so it checked nothing; write 'with {self._call}(...):'",
                RuntimeWarning,
                stacklevel=2,
            )

    # -- for subclasses ------------------------------------------------------------------------

    def _verdict(self, ending: Ending) -> str | None:
        """Return the message of the failure, or ``None`` when all is as expected."""
        raise NotImplementedError

    def _settle(self, record: Record) -> None:
        if self._decisive is None:
            self._decisive = record
            self._wake()

    @property
    def _span(self) -> str:
        return f"in the block and {seconds(self.within)} s after it"

    # -- private -------------------------------------------------------------------------------

    @property
    def _settled(self) -> bool:
        return self._decisive is not None or self._broken is not None

    @property
    def _can_see(self) -> bool:
        return self._sim.telemetry.enabled and self._is_attached

    def _leave(self) -> None:
        __tracebackhide__ = True
        if self._waited:
            return
        ending: Ending = "done"
        if not self._settled and self._can_see:
            require_outside(self._sim, "use 'yield from expectation.wait()' inside the block")
            ending = advance(self._sim, lambda: self._settled, self.within)
        self._conclude(ending)

    def _conclude(self, ending: Ending) -> None:
        __tracebackhide__ = True
        if self._broken is not None:
            return
        if self._decisive is None and not self._can_see:
            message = (
                f"{self} can see nothing at t={seconds(self._sim.now)}: telemetry was disabled, or "
                "detach_all() took its handler away"
            )
            raise AssertionError(message)
        failure = self._verdict(ending)
        if failure is not None:
            raise AssertionError(failure)

    def _wake(self) -> None:
        if self._signal is not None and not self._signal.triggered:
            self._signal.succeed()


class EventExpectation(Expectation):
    """One of several events, or the only one, must come; made by `assert_event`, `assert_any`."""

    def _see(self, record: Record) -> None:
        if any(wanted.matches(record) for wanted in self._wanted):
            self.records.append(record)
            self._settle(record)

    def _verdict(self, ending: Ending) -> str | None:
        if self._decisive is not None:
            return None
        none_of = "none of" if len(self._wanted) > 1 else "no"
        return compose(
            f"{none_of} {', '.join(map(str, self._wanted))} {self._span}",
            why_it_ended(self._sim, ending),
            *(self._search(wanted) for wanted in self._wanted),
            circumstances(self._sim),
        )

    def _search(self, wanted: Wanted) -> list[str]:
        return [
            *near_misses(self._sim, wanted, self.since),
            *earlier(self._sim, wanted, self.since, "the block"),
        ]


class Refutation(Expectation):
    """An event must not come; made by `refute_event`."""

    def _see(self, record: Record) -> None:
        if self._wanted[0].matches(record):
            self.records.append(record)
            self._settle(record)

    def _verdict(self, ending: Ending) -> str | None:  # noqa: ARG002  (all endings are well)
        if self._decisive is None:
            return None
        return compose(
            f"{self._wanted[0]} happened, although it must not, {self._span}",
            [f"it was {describe_record(self._decisive)}"],
            circumstances(self._sim),
        )


class SequenceExpectation(Expectation):
    """Several events must come in order; made by `assert_sequence`."""

    def __init__(
        self, sim: Simulation, steps: Sequence[Wanted], within: float, order: Order
    ) -> None:
        super().__init__(sim, "assert_sequence", steps, within)
        self.order = order
        self._intruder: Record | None = None

    def _see(self, record: Record) -> None:
        if len(self.records) == len(self._wanted) or self._intruder is not None:
            return
        if not any(wanted.matches_name(record.name) for wanted in self._wanted):
            return
        if self._wanted[len(self.records)].matches(record):
            self.records.append(record)
            if len(self.records) == len(self._wanted):
                self._settle(record)
        elif self.order == "strict":
            self._intruder = record
            self._settle(record)

    def _verdict(self, ending: Ending) -> str | None:
        done, total = len(self.records), len(self._wanted)
        if done == total:
            return None
        missing = self._wanted[done]
        if self._intruder is not None:
            return compose(
                f"the order was broken at step {done + 1} of {total}, {missing}",
                [f"instead came {describe_record(self._intruder)}"],
                self._progress(),
                circumstances(self._sim),
            )
        after = self.records[-1].sequence + 1 if self.records else self.since
        return compose(
            f"step {done + 1} of {total}, {missing}, did not come {self._span}",
            why_it_ended(self._sim, ending),
            self._progress(),
            near_misses(self._sim, missing, after),
            earlier(self._sim, missing, after, "this step" if self.records else "the block"),
            circumstances(self._sim),
        )

    def _progress(self) -> list[str]:
        lines = [f"  {n}. {describe_record(r)}" for n, r in enumerate(self.records, 1)]
        lines += [f"  {n}. missing: {wanted}" for n, wanted in enumerate(self._wanted, 1)][
            len(lines) :
        ]
        return ["so far:", *lines]
