"""What all workloads share: a name, a ledger of their requests, and the law that it keeps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.simulation.request import Ledger, entered, is_open
from foundation_lab.telemetry.context import NO_CAUSE, Context

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.process import Process


class Sender:
    """The base of every workload.

    Args:
        sim: The simulation.
        name: Who sends: `client` in the events.
        node: The simulated node that the requests run on.

    Raises:
        ValueError: There is a workload of this name; they would share their random stream.
    """

    kind: ClassVar[str] = "workload"

    def __init__(self, sim: Simulation, name: str, *, node: str | None = None) -> None:
        self.sim = sim
        self.name = name
        sim.add(self)
        self._node = sim.telemetry.running.context.node if node is None else node
        self._ledger = Ledger(sim, name)
        self._asking: dict[Process, Generator[Any, Any, str]] = {}

    @property
    def sent(self) -> int:
        """How many requests were sent so far."""
        return self._ledger.sent

    @property
    def finished(self) -> int:
        """How many of them have ended, however they did."""
        return self._ledger.finished

    @property
    def in_flight(self) -> int:
        """How many of them have not."""
        return self._ledger.sent - self._ledger.finished

    @property
    def status(self) -> str:
        """How many requests were sent."""
        return f"{self.sent:,} sent"

    def violations(self) -> list[str]:
        """Return every law of workloads that does not hold, in words.

        What was sent has finished, or a living process still waits for it.
        """
        running = [process.generator for process in self.sim.living()]
        running += [each for process, each in self._asking.items() if process.is_alive]
        alive = sum(is_open(generator, self._ledger) for generator in running)
        if self.sent == self.finished + alive:
            return []
        return [f"{self.sent} sent, but {self.finished} finished and {alive} in flight"]

    # -- private -------------------------------------------------------------------------------

    def _request(self, call: Callable[[], Any]) -> Generator[Any, Any, str]:
        """Make a request in the running process, which does more than that."""
        process = self.sim.running_process("a request")
        generator = self._asking[process] = entered(self._ledger, call)
        self._ledger.sent += 1
        try:
            return (yield from generator)
        finally:
            del self._asking[process]

    def _on_its_own(self, process: Process) -> None:
        process.context = Context(self._node, self.sim.telemetry.new_id())
        process.cause = NO_CAUSE


def load_factor(factor: float) -> float:
    """Return a factor of load if it is a finite number from 0.

    Raises:
        ValueError: It is not.
    """
    if not (math.isfinite(factor) and factor >= 0):
        message = f"factor={factor!r}; give a finite number, 0 (none) or more; 1 is the load itself"
        raise ValueError(message)
    return float(factor)
