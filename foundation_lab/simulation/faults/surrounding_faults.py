"""Faults of what surrounds a service: its clock, its load, what a cache or a queue keeps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.simulation.faults.fault import Fault

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from foundation_lab.simulation.faults.fault import Wrong
    from foundation_lab.simulation.faults.injection import Injection


class ClockSkew(Fault, frozen=True, kw_only=True):
    """A node's clock is wrong; at the end it is set right. It is injected into a `NodeClock`.

    Attributes:
        offset: By how many seconds it is fast, from the beginning on; slow when negative.
        drift: How many seconds it gains in each second; it loses when negative.
    """

    kind: ClassVar[str] = "clock_skew"
    needs: ClassVar[tuple[str, ...]] = ("skew", "correct")

    offset: float = 0.0
    drift: float = 0.0

    def wrong(self) -> Iterator[Wrong]:
        """Return what makes no sense about its strength."""
        if not math.isfinite(self.offset):
            yield "offset", self.offset, "give a finite number of seconds"
        if not (math.isfinite(self.drift) and self.drift > -1):
            yield "drift", self.drift, "give seconds a second, above -1"
        if self.offset == 0 and self.drift == 0:
            yield "offset", self.offset, "give an offset or a drift"

    def begin(self, injection: Injection) -> None:
        """Put the clock out."""
        injection.target.skew(injection.fault_id, self.offset, self.drift)

    def end(self, injection: Injection) -> None:
        """Set the clock right."""
        injection.target.correct(injection.fault_id)


class LoadStep(Fault, frozen=True, kw_only=True):
    """A workload sends `factor` times as much: a step, or a spike when it has an end.

    It is injected into whatever has a method ``change_load(factor)``, which gets the product of all
    factors that are on; 1 is the usual load.
    """

    kind: ClassVar[str] = "load_step"
    needs: ClassVar[tuple[str, ...]] = ("change_load",)

    factor: float

    def wrong(self) -> Iterator[Wrong]:
        """Return what makes no sense about its strength."""
        if not (math.isfinite(self.factor) and self.factor >= 0):
            yield "factor", self.factor, "give a number from 0"

    def begin(self, injection: Injection) -> None:
        """Change the load."""
        _change_load(injection, self.factor)

    def end(self, injection: Injection) -> None:
        """Change the load back."""
        _change_load(injection, 1.0)


def _change_load(injection: Injection, factor: float) -> None:
    others = (each.fault for each in injection.others())
    product = math.prod(fault.factor for fault in others if isinstance(fault, LoadStep))
    injection.target.change_load(product * factor)


class CacheFlush(Fault, frozen=True, kw_only=True):
    """A cache loses all that it keeps, at one instant. It is injected into what can ``flush()``."""

    kind: ClassVar[str] = "cache_flush"
    needs: ClassVar[tuple[str, ...]] = ("flush",)
    has_own_length: ClassVar[bool] = True

    def length(self, planned: float) -> float:  # noqa: ARG002  (an instant, whatever is planned)
        """Return 0: it is over at once."""
        return 0.0

    def take_effect(self, injection: Injection) -> None:
        """Flush the cache."""
        injection.target.flush()


class QueueRedrive(Fault, frozen=True, kw_only=True):
    """A queue moves what it keeps, dead letters, back to the queues that they came from.

    It is injected into what can ``redrive(rate=, to=)``, and is over when the redrive is. While
    another redrive of the queue is running, or the queue is down, nothing is moved.

    Attributes:
        rate: How many letters are moved a second, the first at once; all at once without it.
        to: The name of the queue where all of them go, instead of where each came from.
    """

    kind: ClassVar[str] = "queue_redrive"
    needs: ClassVar[tuple[str, ...]] = ("redrive",)
    has_own_length: ClassVar[bool] = True

    rate: float | None = None
    to: str | None = None

    def wrong(self) -> Iterator[Wrong]:
        """Return what makes no sense about it."""
        if self.rate is not None and not (math.isfinite(self.rate) and self.rate > 0):
            yield "rate", self.rate, "give letters a second, above 0, or leave it out"

    def wrong_on(self, target: Any) -> Iterator[Wrong]:
        """Return what makes no sense about it for a queue."""
        if self.to is None:
            return
        if self.to == target.name:
            yield "to", self.to, "that is the queue itself; give another, or leave it out"
        elif ("queue", self.to) not in target.sim.components:
            yield "to", self.to, "there is no such queue; give the name of one"

    def take_effect(self, injection: Injection) -> None:
        """Begin the redrive, unless one is running or the queue is down."""
        sim, queue = injection.sim, injection.target
        if not queue.up or queue.redriving:
            injection.finish()
            return
        to: Any = None if self.to is None else sim.components["queue", self.to]
        redrive = queue.redrive(rate=self.rate, to=to)
        if not redrive.running:
            injection.finish()
            return

        def wait() -> Generator[Any, Any, None]:
            yield from redrive.done()
            injection.finish()

        sim.process(wait(), name=f"{queue.name}.redrive", daemon=True)
