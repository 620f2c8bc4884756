"""Background operations: work that goes on beside its starter and tells how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.simulation.invocation import contain, error_name, invoke
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.process import Process


def start(sim: Simulation, operation: str, fn: Callable[[], Any]) -> Process:
    """Start `fn` in the background, with ``async.started`` and ``async.completed`` or ``failed``.

    Args:
        sim: The simulation.
        operation: What the operation is called.
        fn: Returns a generator, a SimPy event, or a plain value.

    Returns:
        The process: yield it to wait for the result, interrupt it to cancel. A failure or an
        interrupt that nobody waits for ends the operation and nothing else.
    """
    operation_id = f"{operation}-{sim.telemetry.new_id()[:8]}"
    process = sim.process(_run(sim, operation, operation_id, fn), name=operation)
    process.callbacks.append(contain)
    return process


def _run(
    sim: Simulation, operation: str, operation_id: str, fn: Callable[[], Any]
) -> Generator[Any, Any, Any]:
    began = sim.now
    sim.telemetry.emit(events.async_operation.Started(operation, operation_id))
    try:
        result = yield from invoke(fn)
    except BaseException as error:
        sim.telemetry.emit(
            events.async_operation.Failed(
                operation, operation_id, error_name(error), sim.now - began
            )
        )
        raise
    sim.telemetry.emit(events.async_operation.Completed(operation, operation_id, sim.now - began))
    return result
