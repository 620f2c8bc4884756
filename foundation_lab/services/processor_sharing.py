"""A backend whose requests share its cores equally, all at the same time.

What a web server with a thread a request and a busy machine look like: nobody waits for a place,
but everybody gets slower. With Poisson arrivals it is the queue M/G/1-PS of the textbooks.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from foundation_lab.errors import BackendError, ServiceDown
from foundation_lab.services.arguments import positive
from foundation_lab.services.backend import Backend
from foundation_lab.services.serving.shared_cores import SharedCores
from foundation_lab.simulation.events import Event
from foundation_lab.simulation.faults import BASIC, Latency, LostRequest, LostResponse, Partition
from foundation_lab.simulation.timer import Timer

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.services.serving.warm_up import WarmUp
    from foundation_lab.simulation.distributions import Distribution
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.faults import Fault
    from foundation_lab.simulation.lines.line import Line


class ProcessorSharing(Backend):
    """Serves all requests at the same time, each the slower the more there are.

    A request gets one core at most, and an equal share of all when there are more requests than
    cores. Its events are those of `Backend`; `service_time` in them is the time that it was in
    service for, however slow that was.

    Args:
        sim: The simulation.
        name: The backend's name, `service_id` in its events; unique among all backends.
        service_time: What a request's work is drawn from: the seconds that it takes on a core of
            its own. Or a number of them.
        cores: How many cores there are; a fraction is a share of one.
        concurrency: How many requests may share them; others wait in line. No limit without it.
        queue_limit: How many may wait in line; no limit without it.
        line: Whose turn it is, and who is sent away; first in first out without it.
        warm_up: How much more work everything is after its start and after each restart.
        error_rate: The chance that a request fails after it was served.
        abandoned: What becomes of a request whose caller leaves: ``dropped`` or ``served``.
        health_interval: Seconds between two health checks; none without it.
    """

    possible_faults: ClassVar[tuple[type[Fault], ...]] = (
        *BASIC,
        Latency,
        LostRequest,
        LostResponse,
        Partition,
    )

    def __init__(
        self,
        sim: Simulation,
        name: str,
        *,
        service_time: float | Distribution,
        cores: float = 1,
        concurrency: int | None = None,
        queue_limit: int | None = None,
        line: Line | None = None,
        warm_up: WarmUp | None = None,
        error_rate: float = 0.0,
        abandoned: Literal["dropped", "served"] = "dropped",
        health_interval: float | None = None,
    ) -> None:
        self._shared = SharedCores(positive("cores", cores))
        self._timer: Timer | None = None
        super().__init__(
            sim,
            name,
            service_time=service_time,
            concurrency=sys.maxsize if concurrency is None else concurrency,
            queue_limit=queue_limit,
            line=line,
            warm_up=warm_up,
            error_rate=error_rate,
            abandoned=abandoned,
            health_interval=health_interval,
        )

    def request(
        self, *, priority: int = 0, deadline: float | None = None
    ) -> Generator[Any, Any, None]:
        """Have one request served (``yield from``); as `Backend.request`."""
        sim, slots, impairments = self.sim, self._slots, self.impairments
        if impairments.active:
            yield from impairments.arrive()
        if not self.up or impairments.down or self.queue_limit is not None:
            self._admit()
        process = sim.running_process(f"a request to backend {self.name!r}")
        arrived = began = sim.now
        turn = slots.claim() if self.line is None else self._line_up(priority, deadline)
        if turn is not None:
            yield from self._wait(turn, arrived)
            began = sim.now
        self._serving[process] = None
        outcome = None
        done = Event(sim)
        job = self._shared.begin(began, self.service_time.sample(self._times), done)
        self._set_timer()
        try:
            yield done
            failed = self._errors.random() < self.error_rate if self.error_rate else False
            if impairments.active:
                failed |= impairments.draws_error()
            outcome = "error" if failed else "ok"
        except ServiceDown:
            outcome = "error"
            raise
        finally:
            now = sim.now
            if job.active:
                self._shared.give_up(now, job)
                self._set_timer()
            del self._serving[process]
            slots.release()
            if outcome is None:
                self._abandoned("serving", arrived)
            else:
                self._served(self.name, outcome, began - arrived, now - began, now - arrived)
        if impairments.active:
            yield from impairments.answer()
        if outcome == "error":
            message = f"backend {self.name!r} answered with an error"
            raise BackendError(message)

    @property
    def cores(self) -> float:
        """How many cores are shared."""
        return self._shared.cores

    @property
    def pace(self) -> float:
        """The seconds of work that each request gets done in a second now."""
        return self._shared.pace

    def violations(self) -> list[str]:
        """Return every law of backends that does not hold, in words."""
        broken = super().violations()
        if self._shared.jobs > self.serving:
            broken.append(f"{self._shared.jobs} jobs of {self.serving} requests")
        return broken

    def fault_changed(self) -> None:
        """Let what is in service go on at another pace; drop it when an outage begins."""
        self._shared.slow_down(self.sim.now, self.impairments.slowdown)
        self._set_timer()
        super().fault_changed()

    # -- private -------------------------------------------------------------------------------

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        end = self._shared.next_end(self.sim.now)
        self._timer = None if end is None else Timer(self.sim, end, self._finish)

    def _finish(self) -> None:
        for job in self._shared.finish(self.sim.now):
            done: Any = job.whose
            done.succeed()
        self._set_timer()
