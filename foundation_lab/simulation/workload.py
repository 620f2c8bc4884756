"""An open-loop workload: requests arrive when they arrive, whether or not earlier ones are done.

Each request is a process of its own with a correlation id of its own. It emits ``request.started``
and ``request.finished``, whose outcome and latency are what the caller saw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import simpy

from foundation_lab.errors import ServiceError
from foundation_lab.simulation.invocation import error_name, invoke, outcome_of
from foundation_lab.telemetry import events
from foundation_lab.telemetry.context import NO_CAUSE, Context

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.arrivals import Arrivals
    from foundation_lab.simulation.engine import Simulation


class Workload:
    """Sends requests as they arrive.

    Args:
        sim: The simulation.
        name: Who sends: `client` in the events.
        arrivals: When requests arrive.
        call: What each does; returns a generator, a SimPy event, or a plain value.
        node: The simulated node that the requests run on.

    Attributes:
        sent: How many requests were sent so far.

    Raises:
        ValueError: There is a workload of this name; they would share their random stream.
    """

    kind: ClassVar[str] = "workload"

    def __init__(
        self,
        sim: Simulation,
        name: str,
        arrivals: Arrivals,
        call: Callable[[], Any],
        *,
        node: str | None = None,
    ) -> None:
        self.sim = sim
        self.name = name
        self.call = call
        self.sent = 0
        sim.add(self)
        self._node = sim.telemetry.running.context.node if node is None else node
        self._arrivals = arrivals
        self._stream = sim.stream(f"workload.{name}.arrivals")
        self.process = sim.process(self._send(), name=f"{name}.arrivals", daemon=True)

    def _send(self) -> Generator[Any, Any, None]:
        sim, telemetry, node = self.sim, self.sim.telemetry, self._node
        starts = telemetry.emitting(events.request.Started)
        finishes = telemetry.emitting(events.request.Finished)
        for time in self._arrivals.times(self._stream, sim.now):
            now = sim.now
            gap = time - now
            yield gap if now + gap == time else sim.at(time)
            request = _request(sim, self.name, self.call, starts, finishes)
            process = sim.process(request, name=self.name)
            process.context = Context(node, telemetry.new_id())
            process.cause = NO_CAUSE
            self.sent += 1

    @property
    def status(self) -> str:
        """How many requests were sent."""
        return f"{self.sent:,} sent"

    def violations(self) -> list[str]:
        """Return nothing: what became of the requests is for the services to keep account of."""
        return []


def request(sim: Simulation, client: str, call: Callable[[], Any]) -> Generator[Any, Any, str]:
    """Make one request and tell how it ended (``yield from``).

    A failure inside the simulated world is an outcome, no exception; a programmer's mistake comes
    through.

    Args:
        sim: The simulation.
        client: Who asks.
        call: What is asked; returns a generator, a SimPy event, or a plain value.

    Returns:
        ``ok``, ``error``, ``timeout``, ``rejected`` or ``cancelled``.
    """
    emitting = sim.telemetry.emitting
    starts, finishes = emitting(events.request.Started), emitting(events.request.Finished)
    return _request(sim, client, call, starts, finishes)


def _request(
    sim: Simulation,
    client: str,
    call: Callable[[], Any],
    starts: Callable[[str], int],
    finishes: Callable[[str, str, str | None, float], int],
) -> Generator[Any, Any, str]:
    started = sim.now
    starts(client)
    failure: BaseException | None = None
    try:
        yield from invoke(call)
    except (ServiceError, simpy.Interrupt) as error:
        failure = error
    except BaseException as error:
        finishes(client, "cancelled", error_name(error), sim.now - started)
        raise
    if failure is None:
        finishes(client, "ok", None, sim.now - started)
        return "ok"
    outcome = outcome_of(failure)
    finishes(client, outcome, error_name(failure), sim.now - started)
    return outcome
