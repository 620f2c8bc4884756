"""A request: a call as its caller sees it, with its start, its outcome and its latency.

The latency counts from the instant at which the request was meant to be sent. When it has to wait
at the client, for one of its connections, that is part of it; a client that measured from the
sending instead would leave out just the requests that fared worst ("coordinated omission": Gil
Tene, "How NOT to Measure Latency", 2015).
"""

from __future__ import annotations

from inspect import getgeneratorlocals
from typing import TYPE_CHECKING, Any

from foundation_lab.simulation.invocation import error_name, invoke
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.slots import Slots


class Ledger:
    """The requests of a client: how many were sent, and how many of them have ended.

    Args:
        sim: The simulation.
        client: Who asks: `client` in the events.
    """

    __slots__ = ("client", "finished", "finishes", "sent", "sim", "starts")

    def __init__(self, sim: Simulation, client: str) -> None:
        self.sim = sim
        self.client = client
        self.sent = 0
        self.finished = 0
        self.starts = sim.telemetry.emitting(events.request.Started)
        self.finishes = sim.telemetry.emitting(events.request.Finished)


def request(sim: Simulation, client: str, call: Callable[[], Any]) -> Generator[Any, Any, str]:
    """Make one request and tell how it ended (``yield from``).

    A failure inside the simulated world is an outcome, no exception; a programmer's mistake comes
    through. Where the running process serves no request yet, this one has a correlation id of its
    own while it lasts.

    Args:
        sim: The simulation.
        client: Who asks.
        call: What is asked; returns a generator, a SimPy event, or a plain value.

    Returns:
        ``ok``, ``error``, ``timeout``, ``rejected`` or ``cancelled``.
    """
    telemetry = sim.telemetry
    own = telemetry.new_id() if telemetry.running.context.correlation_id is None else None
    with telemetry.context(correlation_id=own):
        return (yield from entered(Ledger(sim, client), call))


def entered(ledger: Ledger, call: Callable[[], Any]) -> Generator[Any, Any, str]:
    """Make one request, as `request` does, and enter its end in a ledger."""
    sim, client, finishes = ledger.sim, ledger.client, ledger.finishes
    started = sim.now
    ledger.starts(client)
    failure: BaseException | None = None
    try:
        yield from invoke(call)
    except sim.endings as error:
        failure = error
    except BaseException as error:
        ledger.finished += 1
        del ledger
        finishes(client, sim.outcome_of(error), error_name(error), sim.now - started)
        if isinstance(error, Exception):
            error.add_note(
                f"raised in a request of {client!r} at t={sim.now:g} s. It ends the run, as a bug "
                "does; what fails in the simulated world raises a ServiceError, such as "
                f"BackendError, or what Simulation(failures=({error_name(error)},)) declares"
            )
        raise
    ledger.finished += 1
    del ledger  # `is_open` tells by it, also while somebody handles the event
    if failure is None:
        finishes(client, "ok", None, sim.now - started)
        return "ok"
    outcome = sim.outcome_of(failure)
    finishes(client, outcome, error_name(failure), sim.now - started)
    return outcome


def is_open(generator: Any, ledger: Ledger) -> bool:
    """Return whether a generator is a request of a ledger that is not entered as finished yet."""
    if getattr(generator, "gi_code", None) is not entered.__code__:
        return False
    return getgeneratorlocals(generator).get("ledger") is ledger


def over(
    connections: Slots,
    sim: Simulation,
    call: Callable[[], Any],
    delays: Callable[[float], int],
) -> Generator[Any, Any, Any]:
    """Make a call over one of some connections, first come, first served (``yield from``).

    Args:
        connections: What is waited for.
        sim: The simulation.
        call: What is called.
        delays: Tells of a call that had to wait, and for how many seconds.

    Returns:
        What the call came to.
    """
    turn = connections.claim()
    if turn is None:
        delay = None
    else:
        asked = sim.now
        yield from connections.wait(turn)
        delay = sim.now - asked
    try:
        if delay is not None:
            delays(delay)
        return (yield from invoke(call))
    finally:
        connections.release()
