"""The fallback: something else instead of an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import DeadlinePassed
from foundation_lab.services.classifier import Classifier, classifier
from foundation_lab.services.service import Service
from foundation_lab.simulation.ability import a_function
from foundation_lab.simulation.invocation import error_name, invoke
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation

_NOTHING: Any = object()


class Fallback(Service):
    """Gives a second-best answer when a call fails.

    An interrupt comes through, and so does the end of a time limit further outside: nobody waits
    for an answer any more.

    Args:
        sim: The simulation.
        name: The fallback's name, `service_id` in its events.
        value: The answer instead. Give this, `function` or `call`.
        function: Makes the answer from the error: a plain value, a generator or an event.
        call: Another call to make: returns a generator, an event or a plain value. Its error is
            the caller's.
        on: Which errors it stands in for: exception types, or a predicate on the exception; by
            default the failures of the simulated world, `Simulation.failures`.
    """

    kind: ClassVar[str] = "fallback"
    Used = events.fallback.Used
    Passed = events.fallback.Passed

    def __init__(
        self,
        sim: Simulation,
        name: str,
        *,
        value: Any = _NOTHING,
        function: Callable[[BaseException], Any] | None = None,
        call: Callable[[], Any] | None = None,
        on: Classifier | None = None,
    ) -> None:
        sources: dict[str, Callable[[BaseException], Any]] = {}
        if value is not _NOTHING:
            sources["value"] = lambda _error: value
        if function is not None:
            sources["function"] = a_function(
                "function", function, "give a function of the error that it stands in for"
            )
        if call is not None:
            a_function("call", call)
            sources["call"] = lambda _error: call()
        if len(sources) != 1:
            given = " and ".join(sources) or "none of them"
            message = f"fallback {name!r} was given {given}; give one of value, function and call"
            raise ValueError(message)
        ((self.source, self._answer),) = sources.items()
        self.in_flight = 0
        self._covers = classifier("on", on, (DeadlinePassed,), default=sim.failures)
        super().__init__(sim, name)
        self._passes = sim.telemetry.emitting(events.fallback.Passed)

    def call(self, fn: Callable[[], Any]) -> Generator[Any, Any, Any]:
        """Call `fn`, and answer something else when it fails (``yield from``).

        Returns:
            What `fn` came to, or what stands in for it.

        Raises:
            ServiceDown: The fallback itself was stopped.
        """
        self.require_up()
        error, used = None, False
        self.in_flight += 1
        try:
            try:
                return (yield from invoke(fn))
            except BaseException as raised:
                error = raised
                if not self._covers(raised):
                    raise
            used = True
            self._emit(events.fallback.Used(self.name, error_name(error), self.source))
            return (yield from invoke(lambda: self._answer(error)))
        finally:
            self.in_flight -= 1
            if not used:
                self._passes(self.name, self.sim.outcome_of(error))

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {"in_flight": self.in_flight}

    def violations(self) -> list[str]:
        """Return every law of fallbacks that does not hold, in words."""
        return [f"{self.in_flight} calls in flight"] if self.in_flight < 0 else []
