"""A backend: something that does work. Requests line up for one of `concurrency` places.

With exponential arrivals and service times it is the queue M/M/c of the textbooks. Whose turn it is
in the line, and who is sent away out of it, is a `line` of its own.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from foundation_lab.errors import (
    BackendError,
    ConnectionReset,
    LoadShed,
    QueueFull,
    ServiceDown,
)
from foundation_lab.services.arguments import whole
from foundation_lab.services.eviction import evict
from foundation_lab.services.ghosts import Ghosts
from foundation_lab.services.service import Health, Service
from foundation_lab.services.serving.warm_up import Warming, WarmUp
from foundation_lab.simulation.component import Held
from foundation_lab.simulation.distributions import Distribution, as_distribution
from foundation_lab.simulation.faults import EVERY, Impairments
from foundation_lab.simulation.invocation import error_name
from foundation_lab.simulation.lines.line import ticket_for
from foundation_lab.simulation.process import Process
from foundation_lab.simulation.slots import Slots, Waiter
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.errors import ServiceError
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.faults import Fault
    from foundation_lab.simulation.lines.line import Line


class Backend(Service):
    """Serves requests, first in first out unless its line says otherwise.

    Args:
        sim: The simulation.
        name: The backend's name, `service_id` in its events.
        service_time: What the time of serving is drawn from, or a number of seconds.
        concurrency: How many requests are served at the same time.
        queue_limit: How many may wait in line; no limit without it.
        line: Whose turn it is, and who is sent away; first in first out without it.
        warm_up: How slow it is after its start and after each restart.
        error_rate: The chance that a request fails after it was served.
        abandoned: What becomes of a request whose caller leaves, for its own time limit or an
            interrupt. ``dropped``: it leaves the line or its place at once, as when the caller's
            cancellation reaches the server. ``served``: the server does not learn of it and serves
            it to the end, for nobody; each request has a process of its own then.
        health_interval: Seconds between two health checks; none without it.
    """

    kind: ClassVar[str] = "backend"
    Served = events.backend.Served
    Rejected = events.backend.Rejected
    Abandoned = events.backend.Abandoned
    possible_faults: ClassVar[tuple[type[Fault], ...]] = EVERY

    def __init__(
        self,
        sim: Simulation,
        name: str,
        *,
        service_time: float | Distribution,
        concurrency: int = 1,
        queue_limit: int | None = None,
        line: Line | None = None,
        warm_up: WarmUp | None = None,
        error_rate: float = 0.0,
        abandoned: Literal["dropped", "served"] = "dropped",
        health_interval: float | None = None,
    ) -> None:
        if abandoned not in {"dropped", "served"}:
            message = f"abandoned={abandoned!r}; give 'dropped' or 'served'"
            raise ValueError(message)
        if not 0 <= error_rate <= 1:
            message = f"error_rate={error_rate!r}; give a share from 0 to 1"
            raise ValueError(message)
        self.service_time = as_distribution(service_time)
        if warm_up is not None:
            self.service_time = Warming(self.service_time, warm_up, sim)
        self.line = line
        self.queue_limit = None if queue_limit is None else whole("queue_limit", queue_limit, 0)
        self.error_rate = error_rate
        self.impairments = Impairments(self.possible_faults)
        self._slots = Slots(
            sim,
            whole("concurrency", concurrency),
            f"a place at backend {name!r}",
            holders=lambda: self._serving,
            line=line,
        )
        self._places = concurrency
        self._times = sim.stream(f"backend.{name}.service_time")
        self._errors = sim.stream(f"backend.{name}.errors")
        self._serving: dict[Process, None] = {}
        self._ghosts = Ghosts(sim)
        self.abandoned = abandoned
        if abandoned == "served":
            self.request = self._request_to_the_end  # type: ignore[method-assign]
        super().__init__(sim, name, health_interval=health_interval)
        self._served = sim.telemetry.emitting(events.backend.Served)

    def request(  # noqa: C901, PLR0912  (in one piece: a call would cost as much again)
        self, *, priority: int = 0, deadline: float | None = None
    ) -> Generator[Any, Any, None]:
        """Have one request served (``yield from``).

        Args:
            priority: For a line that knows priorities; smaller is more urgent.
            deadline: The virtual time after which the answer is of no use, for a line that knows
                deadlines; work that has begun is not ended by it.

        Raises:
            BackendError: The request was served and failed.
            ConnectionLost: A fault took the request, the answer, or the connection in between.
            LoadShed: The line turned it away, or sent it away.
            QueueFull: The line has reached its limit.
            ServiceDown: The backend is down, or went down meanwhile.
        """
        sim, slots, impairments = self.sim, self._slots, self.impairments
        if impairments.active:
            yield from impairments.arrive()
        if not self.up or impairments.down or self.queue_limit is not None:
            self._admit()
        process = sim._active_proc
        if process.__class__ is not Process:
            process = sim.running_process(f"a request to backend {self.name!r}")
        arrived = began = sim.now
        turn = slots.claim() if self.line is None else self._line_up(priority, deadline)
        if turn is not None:
            yield from self._wait(turn, arrived)
            began = sim.now
        self._serving[process] = None
        outcome = None
        try:
            service_time = self.service_time.sample(self._times)
            if impairments.active:
                yield from impairments.serve(service_time)
            else:
                yield service_time
            failed = self._errors.random() < self.error_rate if self.error_rate else False
            if impairments.active:
                failed |= impairments.draws_error()
            outcome = "error" if failed else "ok"
        except (ServiceDown, ConnectionReset):
            outcome = "error"
            raise
        finally:
            del self._serving[process]
            slots.release()
            now = sim.now
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
    def ghosts(self) -> int:
        """How many requests are here although their callers have left."""
        return len(self._ghosts)

    @property
    def concurrency(self) -> int:
        """How many requests can be served at the same time."""
        return self._slots.capacity

    @property
    def serving(self) -> int:
        """How many requests are being served now."""
        return self._slots.used

    @property
    def waiting(self) -> int:
        """How many requests wait in line now."""
        return self._slots.waiting

    @property
    def available(self) -> bool:
        """Whether the backend takes requests: it is up and no outage is on."""
        return self.up and not self.impairments.down

    @property
    def status(self) -> str:
        """The state in a word: ``up``, ``impaired`` or ``down``."""
        if not self.available:
            return "down"
        return "impaired" if self.impairments else "up"

    def health(self) -> Health:
        """Return unhealthy when down, degraded when a fault is on or all places are taken."""
        if not self.available:
            return Health.UNHEALTHY
        busy = self._slots.free <= 0 and self.waiting > 0
        return Health.DEGRADED if self.impairments or busy else Health.HEALTHY

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {"serving": self.serving, "waiting": self.waiting}

    def held(self) -> list[Held]:
        """Return the places that are taken."""
        return [Held(self._slots.description, process) for process in self._serving]

    def violations(self) -> list[str]:
        """Return every law of backends that does not hold, in words."""
        broken = self._slots.violations()
        if self.serving < len(self._serving):
            broken.append(f"{len(self._serving)} are being served in {self.serving} places")
        return broken + self._ghosts.violations()

    def requests(self) -> list[Process]:
        """Return the processes whose requests are here: those in service, then those in line."""
        return [*self._serving, *self._slots.waiters()]

    def fault_changed(self) -> None:
        """Drop all work when an outage begins, stand still in a pause, lose places and get them."""
        self._slots.resize(self.impairments.places(self._places))
        self.impairments.hold(self._serving)
        if self.impairments.down:
            self._drop_work("is in an outage")

    def on_exit(self, reason: str) -> None:
        """Drop all work."""
        self._drop_work(f"went down ({reason})")

    def on_restart(self) -> None:
        """Be cold again."""
        if isinstance(self.service_time, Warming):
            self.service_time.start()

    def resize(self, concurrency: int) -> None:
        """Change how many requests are served at the same time; those in service stay."""
        self._places = whole("concurrency", concurrency)
        self.fault_changed()

    # -- private -------------------------------------------------------------------------------

    def _request_to_the_end(
        self, *, priority: int = 0, deadline: float | None = None
    ) -> Generator[Any, Any, None]:
        """Have one request served, also when its caller leaves (``yield from``)."""
        work = type(self).request(self, priority=priority, deadline=deadline)
        return self._ghosts.wait_for(work, f"{self.name}.request")

    def _admit(self) -> None:
        refusal: ServiceError | None = None
        if not self.available:
            refusal = ServiceDown(f"backend {self.name!r} is down")
        elif (
            self.queue_limit is not None
            and self._slots.free <= 0
            and self.waiting >= self.queue_limit
        ):
            refusal = QueueFull(f"the line of backend {self.name!r} is full ({self.queue_limit})")
        if refusal is not None:
            self._emit(events.backend.Rejected(self.name, error_name(refusal), self.waiting))
            raise refusal

    def _line_up(self, priority: int, deadline: float | None) -> Waiter | None:
        ticket = ticket_for(priority, deadline)
        reason = None if self.line is None else self.line.refuses(ticket, self.sim.now)
        if reason is not None:
            self._emit(events.load_shed.Rejected(self.name, reason, priority, self.waiting))
            message = f"the line of backend {self.name!r} turns it away ({reason})"
            raise LoadShed(message, reason)
        return self._slots.claim(ticket)

    def _wait(self, turn: Waiter, arrived: float) -> Generator[Any, Any, None]:
        try:
            yield from self._slots.wait(turn)
        except LoadShed as shed:
            if turn._ok:  # another's, out of its caller
                self._abandoned("waiting", arrived)
            else:
                waited = self.sim.now - arrived
                priority = turn.ticket.priority
                self._emit(events.load_shed.Expired(self.name, shed.reason, priority, waited))
            raise
        except ServiceDown:
            waited = self.sim.now - arrived
            self._served(self.name, "error", waited, 0.0, waited)
            raise
        except BaseException:
            self._abandoned("waiting", arrived)
            raise

    def _drop_work(self, why: str) -> None:
        message = f"backend {self.name!r} {why}"
        self._slots.fail_all(lambda: ServiceDown(message))
        for process in self._serving:
            evict(process, ServiceDown(message), partial(self._serving.__contains__, process))

    def _abandoned(self, stage: str, arrived: float) -> None:
        self._emit(events.backend.Abandoned(self.name, stage, self.sim.now - arrived))
