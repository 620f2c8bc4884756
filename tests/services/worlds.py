"""Small worlds of services, drawn at random: what calls what, and who calls.

Everything about a world follows from a number of picks, each one of several options, of which the
first is the plainest. All times are multiples of an eighth of a second, so that much happens at the
same instant.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from foundation_lab.errors import ServiceError
from foundation_lab.services import HealthMonitor, ReplicaSet, Timeout, outcome_of, pipeline
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.invocation import invoke
from foundation_lab.simulation.traffic.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from foundation_lab.services.policy import Pipeline
    from foundation_lab.services.service import Service
    from foundation_lab.simulation.process import Process

T = TypeVar("T")

PATIENCE = 4.0
"""Seconds after which every request is over, whatever lies inside."""

HELD = (
    "in_flight",
    "attempts",
    "ghosts",
    "in_use",
    "waiting",
    "loading",
    "serving",
    "active",
    "connecting",
    "holding",
    "handling",
    "ready_to_run",
    "delayed",
)
"""The metrics that count what somebody has to give back."""


class Pick(Protocol):
    """Picks one of several options."""

    def __call__(self, options: Sequence[Any], /) -> Any:
        """Return one of them."""


class Answer(msgspec.Struct):
    """What became of a call, as its caller saw it."""

    client: str
    correlation_id: str | None
    began: float
    ended: float = -1.0
    outcome: str = ""
    error: str = ""


class World:
    """A simulation, and what is known of it.

    Attributes:
        answers: What became of each call.
        under_way: The processes that are in one.
        stages: Everything that stands around calls.
        ends: Everything that is called in the end.
        forever: What never comes to an end by itself.
        haunted: Whether work may go on that nobody waits for.
        budgets: Budgets of retries.
        hosts: The hosts of each load balancer.
        supervised: The services that somebody looks after.
        plans: What callers do on their way, and when.

    Args:
        pick: Picks what it is made of.
        telemetry: Whether it is recorded.
        begin: Called with the simulation before there is anything in it.
    """

    def __init__(
        self,
        pick: Pick,
        *,
        telemetry: bool = True,
        begin: Callable[[Simulation], object] | None = None,
    ) -> None:
        self.pick = pick
        self.sim = Simulation(seed=pick(range(4)))
        if begin is not None:
            begin(self.sim)
        if not telemetry:
            self.sim.telemetry.disable()
        self.answers: list[Answer] = []
        self.under_way: dict[Process, None] = {}
        self.stages: list[Callable[..., Any]] = []
        self.ends: list[Callable[[], Any]] = []
        self.forever: list[str] = []
        self.haunted = False
        self.budgets: list[Any] = []
        self.hosts: dict[str, dict[str, Any]] = {}
        self.supervised: dict[Service, None] = {}
        self.plans: list[tuple[float, Callable[[], None]]] = []
        self._numbers: dict[str, int] = {}
        self._turns: dict[int, int] = {}

    # -- what it is made of --------------------------------------------------------------------

    def name(self, what: str) -> str:
        """Return a name that nothing else bears."""
        number = self._numbers[what] = self._numbers.get(what, 0) + 1
        return f"{what}{number}"

    def turn(self, options: int) -> int:
        """Return a number below `options`: the next one with each call."""
        turn = self._turns[options] = (self._turns.get(options, -1) + 1) % options
        return turn

    def things(self, *classes: type[T]) -> list[T]:
        """Return all components of some classes, in the order in which they were made."""
        return [each for each in self.sim.components.values() if isinstance(each, classes)]

    def caller(
        self, client: str, stages: Sequence[Any], end: Callable[[], Any]
    ) -> Callable[..., Generator[Any, Any, Any]]:
        """Return a call through some stages to an end, whose answers are kept."""
        limit = Timeout(self.sim, self.name("patience"), PATIENCE)
        policy = pipeline(limit, *stages, lambda _fn: self._end(end))
        return lambda *_: self._ask(client, policy)

    def _ask(self, client: str, policy: Pipeline) -> Generator[Any, Any, Any]:
        sim = self.sim
        answer = Answer(client, sim.telemetry.running.context.correlation_id, sim.now)
        self.answers.append(answer)
        process = sim.running_process("a call")
        self.under_way[process] = None
        try:
            result = yield from policy.call(lambda: None)
        except BaseException as error:
            answer.outcome, answer.error = outcome_of(error), type(error).__name__
            raise
        else:
            answer.outcome = "ok"
            return result
        finally:
            answer.ended = sim.now
            del self.under_way[process]

    def _end(self, end: Callable[[], Any]) -> Generator[Any, Any, Any]:
        """Call an end; on the way there, do what is due."""
        self._do_plans()
        result = yield from invoke(end)
        self._do_plans()
        return result

    def _do_plans(self) -> None:
        while self.plans and self.plans[0][0] <= self.sim.now:
            _, act = self.plans.pop(0)
            act()

    # -- its course ----------------------------------------------------------------------------

    def end_workloads(self) -> None:
        """Let nobody send anything any more."""
        for caller in (*self.things(Sender), *self.things(HealthMonitor)):
            caller.stop()  # type: ignore[attr-defined]

    def heal(self) -> None:
        """Bring up whatever is down."""
        for service in list(self.sim.components.values()):
            if not isinstance(service, HealthMonitor):
                self.bring_up(service)
            if isinstance(service, ReplicaSet) and service.up and not service.desired:
                service.scale(1)
            for mend in ("resume", "reset"):
                if getattr(service, "up", False) and hasattr(service, mend):
                    getattr(service, mend)()

    def bring_up(self, service: Any) -> None:
        """Restart a service if it is down."""
        if not getattr(service, "up", True):
            with suppress(ServiceError):
                service.restart()

    def kept_for_good(self) -> dict[str, dict[str, float]]:
        """Return what nobody gives back, however long one waits: long lines take their time."""
        for monitor in self.things(HealthMonitor):
            monitor.stop()  # somebody may have started it again
        for wait in (0.3, 0.7, 1.1, *[4.9] * 150):
            if not self.kept():
                break
            self.sim.run(until=self.sim.now + wait)
        return self.kept()

    def kept(self) -> dict[str, dict[str, float]]:
        """Return what somebody has not given back, by service."""
        kept = {}
        for (kind, name), service in self.sim.components.items():
            if kind == "supervisor" or name.endswith(".dead"):
                continue  # it counts its children; nobody consumes them
            numbers = numbers_of(service)
            held = {key: numbers[key] for key in HELD if numbers.get(key, 0)}
            if kind == "connection_manager" and numbers["connecting"] <= service.size:  # type: ignore[attr-defined]
                held.pop("connecting", None)  # it may open one at any time
            if kind == "workload" and service.in_flight:  # type: ignore[attr-defined]
                held["in_flight"] = service.in_flight  # type: ignore[attr-defined]
            if held:
                kept[f"{kind} {name}"] = held
        return kept

    def state(self) -> dict[str, Any]:
        """Return how everything is now, in numbers."""
        return {
            f"{kind} {name}": (service.status, numbers_of(service))
            for (kind, name), service in self.sim.components.items()
        }


def numbers_of(service: Any) -> dict[str, float]:
    """Return the metrics of a service; none of what has none."""
    return service.metrics() if hasattr(service, "metrics") else {}


def alone(stage: Callable[..., Any]) -> Callable[[], Generator[Any, Any, Any]]:
    """Return a call of nothing through one stage."""
    return lambda: pipeline(stage).call(lambda: None)


def try_once(sim: Simulation, call: Callable[[], Any]) -> Generator[Any, Any, str]:
    """Make one call; return its outcome."""
    try:
        with sim.deadline(PATIENCE):
            yield from invoke(call)
    except ServiceError as error:
        return outcome_of(error)
    return "ok"
