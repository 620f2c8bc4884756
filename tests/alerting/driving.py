"""How the tests of alerting drive rules: by hand, and in a simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.alerting import Evaluator, Observation
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from foundation_lab.alerting import PatternRule, ThresholdRule, Transition
    from foundation_lab.telemetry import Event

REQUEST = "foundation.request.finished"
BREAKER = "foundation.circuit_breaker.state_change"


class Drive:
    """Feeds an evaluator; `story` is what came out, as (time, state) or with the key."""

    def __init__(self, *rules: ThresholdRule | PatternRule, start: float = 0.0) -> None:
        self.evaluator = Evaluator(rules, start)
        self.transitions: list[Transition] = []
        self.sequence = 0

    def at(self, time: float, name: str = REQUEST, **fields: Any) -> Drive:
        seen = Observation(self.sequence, time, name, fields)
        self.sequence += 1
        self.transitions += self.evaluator.feed(seen)
        return self

    def until(self, time: float) -> Drive:
        self.transitions += self.evaluator.advance(time)
        return self

    @property
    def story(self) -> list[tuple[float, str]]:
        return [(step.time, step.state) for step in self.transitions]

    @property
    def keyed(self) -> list[tuple[float, str, str]]:
        return [(step.time, step.key, step.state) for step in self.transitions]


def finished(outcome: str = "ok", client: str = "web", duration: float = 0.1) -> Event:
    return events.request.Finished(client, outcome, None, duration)


def opened(service: str = "db") -> Event:
    return events.circuit_breaker.StateChange(service, "closed", "open", "failures")


def closed(service: str = "db") -> Event:
    return events.circuit_breaker.StateChange(service, "open", "closed", "probes")


def playing(script: Iterable[tuple[float, Event]], seed: int = 1) -> Simulation:
    """Return a simulation in which a process emits each event at its time."""
    sim = Simulation(seed=seed)

    def play() -> Generator[Any, Any, None]:
        for time, event in script:
            if time > sim.now:
                yield sim.timeout(time - sim.now)
            sim.telemetry.emit(event)

    sim.process(play(), name="play")
    return sim
