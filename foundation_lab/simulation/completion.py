"""The completion of a run: to its end, to Ctrl-C, or to the failure of a model; nothing is lost."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from foundation_lab.errors import SimulationFailed
from foundation_lab.simulation.progress import bar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from foundation_lab.simulation.engine import Simulation


def complete(
    sim: Simulation,
    until: float,
    *,
    progress: bool | Callable[[float], object] = False,
    before_seal: Callable[[], object] | None = None,
) -> None:
    """Run a simulation until a time, and seal it.

    The first Ctrl-C ends the run between two events, the second one at once.

    Args:
        sim: A simulation with everything in it.
        until: The virtual time at which to end.
        progress: Whether to show a bar, or what to call with the virtual time now and then.
        before_seal: Called when the run is over, while events can still be emitted.

    Raises:
        SimulationFailed: A model failed, or emitted what cannot be recorded; the exception carries
            the recording, or the aggregates, up to there.
    """
    try:
        with _stopped_by_interrupt(sim), _watched(sim, until, progress=progress) as watcher:
            sim.run(until=until, progress=watcher)
        if before_seal is not None:
            before_seal()
        sim.recorder.flush()
    except Exception as error:  # whatever a model raises ends this run, and must not lose it
        sim.failure = f"{type(error).__name__}: {error}"
        message = f"the simulation failed at t={sim.now:g} s: {sim.failure}"
        if sim.keep == "events":
            raise SimulationFailed(message, sim.recording) from error
        raise SimulationFailed(message, aggregates=sim.aggregates) from error
    except BaseException:
        sim.stop()
        raise
    finally:
        sim.telemetry.seal()


@contextmanager
def _watched(
    sim: Simulation, until: float, *, progress: bool | Callable[[float], object]
) -> Iterator[Callable[[float], object] | None]:
    """Show a bar, or call whoever wants to know, or neither."""
    if progress is True:
        with bar(sim.name, float(sim.now), until) as shown:
            yield shown
    else:
        yield progress or None


@contextmanager
def _stopped_by_interrupt(sim: Simulation) -> Iterator[None]:
    """Let the first Ctrl-C stop the simulation between two events, and the second one break it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals
        return

    def stop(_signal: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        sim.stop()

    before = signal.getsignal(signal.SIGINT)
    if before is None:
        yield  # whoever handles it is not of Python, and could not be put back
        return
    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
