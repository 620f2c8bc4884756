"""Sessions: users who come, take several steps with time to think in between, and go.

A session begins with ``workload.session_started``. Each step is a request with a correlation id of
its own: ``workload.session_step``, which has that correlation id, the session's id and the page,
comes right before its ``request.started``. So the session of any event of a request is found by its
correlation id. The events of the session itself have its id as their correlation id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.simulation.distributions import Distribution, as_distribution
from foundation_lab.simulation.workload import Workload
from foundation_lab.simulation.workloads.journey import as_journey
from foundation_lab.telemetry import events
from foundation_lab.telemetry.context import NO_CAUSE, Context

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.traffic.arrivals import Arrivals
    from foundation_lab.simulation.workloads.journey import Journey, Step, Steps


class Sessions(Workload):
    """Users who come by an arrival process, and take several steps each.

    A user takes the first step when he comes, and thinks before each further one. A step that fails
    is tried again, after the same thought; with the last failure that he puts up with he is gone.
    What a user wants, and how long he thinks, is drawn when he comes: the users are the same
    whatever becomes of their requests.

    Args:
        sim: The simulation.
        name: Who sends: `client` in the events.
        arrivals: When users come.
        steps: Tuples of (page, call) or (page, call, think_time), the same for everybody; or a
            `PageGraph`.
        think_time: What the time before each further step is drawn from, or a number of seconds,
            where the step itself does not say.
        max_failures: With so many failed requests in all a user abandons the session; never
            without it.
        node: The simulated node that the requests run on.

    Raises:
        ValueError: There is a workload of this name, there is no step, or `max_failures` is no
            whole number from 1.
    """

    def __init__(
        self,
        sim: Simulation,
        name: str,
        arrivals: Arrivals,
        steps: Steps | Journey,
        *,
        think_time: float | Distribution = 0.0,
        max_failures: int | None = 3,
        node: str | None = None,
    ) -> None:
        if max_failures is not None and (isinstance(max_failures, bool) or max_failures < 1):
            message = f"max_failures={max_failures!r}; give a whole number from 1, or None"
            raise ValueError(message)
        self.journey = as_journey(steps)
        self.think_time = as_distribution(think_time)
        self.max_failures = max_failures
        self.sessions = 0
        self.active = 0
        self.completed = 0
        self.abandoned = 0
        self.cancelled = 0
        super().__init__(sim, name, arrivals, _nothing, node=node)
        self._journeys = sim.stream(f"workload.{name}.journey")
        self._thoughts = sim.stream(f"workload.{name}.think_time")

    @property
    def status(self) -> str:
        """How many users are there, and how many there were."""
        return f"{self.active} of {self.sessions:,} sessions"

    def violations(self) -> list[str]:
        """Return every law of workloads that does not hold, in words."""
        broken = super().violations()
        ended = self.completed + self.abandoned + self.cancelled
        if self.sessions != self.active + ended:
            broken.append(f"{self.sessions} sessions, but {self.active} active and {ended} ended")
        if not 0 <= self.in_flight <= self.active:
            broken.append(f"{self.in_flight} requests in flight of {self.active} sessions")
        return broken

    # -- private -------------------------------------------------------------------------------

    def _arrive(self) -> None:
        session = self.sim.telemetry.new_id()
        steps = self.journey.steps(self._journeys)
        thoughts = [self._thought(step) for step in steps]
        self.sessions += 1
        self.active += 1
        plan = list(zip(steps, thoughts, strict=True))
        process = self.sim.process(self._session(session, plan), name=self.name)
        process.context, process.cause = Context(self._node, session), NO_CAUSE

    def _thought(self, step: Step) -> float:
        own = step.think_time
        return (self.think_time if own is None else as_distribution(own)).sample(self._thoughts)

    def _session(self, session: str, plan: list[tuple[Step, float]]) -> Generator[Any, Any, None]:
        sim, began = self.sim, self.sim.now
        emit, process = sim.telemetry.emit, sim.running_process("a session")
        done = failures = 0
        outcome = "cancelled"
        context = process.context
        try:
            emit(events.workload.SessionStarted(self.name, session, len(plan)))
            while done < len(plan) and failures != self.max_failures:
                step, thought = plan[done]
                if done or failures:
                    yield thought
                process.context = Context(self._node, sim.telemetry.new_id())
                number = done + 1
                emit(events.workload.SessionStep(self.name, session, number, step.page))
                if (yield from self._request(step.call)) == "ok":
                    done += 1
                else:
                    failures += 1
                process.context = context
            outcome = "completed" if done == len(plan) else "abandoned"
        finally:
            process.context = context
            self.active -= 1
            setattr(self, outcome, getattr(self, outcome) + 1)
            duration = sim.now - began
            emit(
                events.workload.SessionFinished(
                    self.name, session, outcome, done, failures, duration
                )
            )


def _nothing() -> None:
    """Stand for the call of a workload whose calls are those of its steps."""
