"""Recordings made by hand: scripts of events with their times, played on a simulation."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import events as e

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from foundation_lab.recording.recording import Recording
    from foundation_lab.telemetry.event import Event

Script = list[tuple[float, "Event"]]


def play(script: Iterable[tuple[float, Event]], until: float, **options: Any) -> Recording:
    """Return the recording of events at their times, in order of time."""
    sim = Simulation(**{"seed": 7, **options})

    def player() -> Generator[Any, Any, None]:
        for time, event in sorted(script, key=lambda entry: entry[0]):
            if time > sim.now:
                yield sim.timeout(time - sim.now)
            sim.telemetry.emit(event)

    sim.process(player(), name="player")
    sim.run(until=until)
    return sim.recording


def checkout_under_outage(*, odd: str = "") -> Recording:
    """Return an hour of a shop: an outage, two slow times, breakers, pools, agents and alerts.

    `odd` is appended to every name that a user chooses.
    """
    rng = Simulation(seed=11).stream("world")
    script: Script = [
        (0.0, e.service.Started(f"payments{odd}", "circuit_breaker", "circuit_breaker:payments:0")),
        (0.0, e.service.Started(f"stock{odd}", "circuit_breaker", "circuit_breaker:stock:0")),
        (0.0, e.service.Started(f"payments{odd}", "retry", "retry:payments:0")),
        (0.0, e.service.Started(f"db{odd}", "connection_manager", "connection_manager:db:0")),
        (0.0, e.connection.PoolCreated(f"db{odd}", 8, 2)),
        (0.0, e.service.Started(f"search{odd}", "connection_manager", "connection_manager:s:0")),
        (0.0, e.connection.PoolCreated(f"search{odd}", 4, 0)),
        (0.0, e.service.Started(f"bank{odd}", "backend", "backend:bank:0")),
        (0.0, e.service.Started(f"edge{odd}", "rate_limiter", "rate_limiter:edge:0")),
        (1500.0, e.service.Stopped(f"bank{odd}", "backend", "killed")),
        (1560.0, e.service.Restarted(f"bank{odd}", "backend", "backend:bank:1", 1)),
        (900.0, e.fault.Injected(f"bank{odd}", "f1", "outage", {"reason": f"x{odd}"})),
        (1500.0, e.fault.Cleared(f"bank{odd}", "f1", "outage", 600.0)),
        (2400.0, e.fault.Injected(f"db{odd}", "f2", "slow_down", {"factor": 4})),
        (2760.0, e.fault.Cleared(f"db{odd}", "f2", "slow_down", 360.0)),
        (3300.0, e.fault.Injected(f"bank{odd}", "f3", "error_rate", {"rate": 0.2})),
        (930.0, e.alert.Pending(f"errors{odd}", "a1", f"shop{odd}", 0.4)),
        (990.0, e.alert.Firing(f"errors{odd}", "a1", f"shop{odd}", "critical", 0.62)),
        (991.0, e.alert.Notified(f"errors{odd}", "a1", "pager", "firing", delivered=True)),
        (1620.0, e.alert.Resolved(f"errors{odd}", "a1", f"shop{odd}", 630.0)),
        (2500.0, e.alert.Firing(f"slow{odd}", "a2", f"db{odd}", "warning", 1.4)),
        (2820.0, e.alert.Resolved(f"slow{odd}", "a2", f"db{odd}", 320.0)),
        (3400.0, e.alert.Firing(f"errors{odd}", "a3", f"shop{odd}", "critical", 0.21)),
    ]
    state, time = "closed", 905.0
    while time < 1500.0:
        for to, lasting in (("open", 30.0), ("half_open", 4.0)):
            reason = f"because{odd}"
            script.append(
                (time, e.circuit_breaker.StateChange(f"payments{odd}", state, to, reason))
            )
            state, time = to, time + lasting
    script.append((time, e.circuit_breaker.StateChange(f"payments{odd}", state, "closed", "well")))
    script += [
        (2450.0, e.circuit_breaker.StateChange(f"stock{odd}", "closed", "open", "5 of 10 failed")),
        (2480.0, e.circuit_breaker.StateChange(f"stock{odd}", "open", "half_open", "waited")),
        (2490.0, e.circuit_breaker.StateChange(f"stock{odd}", "half_open", "closed", "well")),
    ]
    now = 0.0
    while now < 3590.0:
        now += rng.expovariate(1.2 + 0.5 * math.sin(now / 600))
        outage, slow = 900 <= now < 1500, 2400 <= now < 2760
        client = f"{rng.choice(['web', 'app', 'batch'])}{odd}"
        took = rng.lognormvariate(math.log(0.08), 0.5) * (5 if slow else 1)
        draw = rng.random()
        if outage and draw < 0.8:
            outcome = "error" if draw < 0.15 else "rejected" if draw < 0.7 else "timeout"
            took = {"error": took, "rejected": 0.0, "timeout": 3.0}[outcome]
        else:
            outcome = "error" if draw > 0.985 else "ok"
        error = {"error": f"BackendError{odd}", "rejected": "CircuitOpen", "timeout": "TimedOut"}
        script.append((now, e.request.Started(client)))
        script.append((now + took, e.request.Finished(client, outcome, error.get(outcome), took)))
        served = "ok" if outcome == "ok" else "error"
        script.append(
            (now + took, e.backend.Served(f"bank{odd}", served, took / 3, took / 2, took))
        )
        script.append((now, e.rate_limiter.Allowed(f"edge{odd}", client, 1.0, 3.0)))
        script.append((now, e.retry.AttemptStart(f"payments{odd}", 1, 3)))
        if outcome == "error":
            name = f"BackendError{odd}"
            script.append((now + took, e.retry.AttemptFailure(f"payments{odd}", 1, name, took)))
    script += _pool(f"db{odd}", 10, rng, busy=0.55, slow=True)
    script += _pool(f"search{odd}", 4, rng, busy=0.4, slow=False)
    script += _agents(rng, odd)
    return play(
        script,
        3600.0,
        name=f"checkout-under-outage{odd}",
        start=datetime(2026, 1, 31, 12, tzinfo=UTC),
    )


def _pool(name: str, places: int, rng: Any, *, busy: float, slow: bool) -> Script:
    script: Script = []
    out: list[float] = []
    asked, number = 1.0, 0
    while asked < 3500.0:
        asked += rng.expovariate(busy * places / 4.0)
        out = sorted(t for t in out if t > asked)
        got = asked if len(out) < places else out[len(out) - places]
        held = rng.expovariate(1 / (9.0 if slow and 2400 <= asked < 2760 else 4.0))
        number += 1
        script.append((got, e.connection.ConnectionAcquired(name, f"{name}-{number}", got - asked)))
        script.append((got + held, e.connection.ConnectionReleased(name, f"{name}-{number}", held)))
        out.append(got + held)
    return script


def _agents(rng: Any, odd: str) -> Script:
    script: Script = []
    c = e.coordination
    for number in range(60):
        begun = 30.0 + number * 55
        session, agents = f"s{number}", tuple(f"agent-{i}{odd}" for i in range(4))
        script.append((begun, c.Started(session, f"consensus{odd}", agents)))
        for agent in agents[1:]:
            sent, delay = begun + rng.random() * 5, rng.random()
            ids = (session, f"{session}-{agent}", agents[0], agent, "propose")
            script.append((sent, c.MessageSent(*ids)))
            if rng.random() < 0.1:
                script.append((sent + delay, c.MessageDropped(*ids, "lost")))
            else:
                script.append((sent + delay, c.MessageReceived(*ids, delay)))
        end = begun + 6 + rng.random() * 80
        if number % 9:
            script.append((end, c.Completed(session, "agreed", end - begun)))
        else:
            script.append((end, c.Failed(session, f"CoordinationError{odd}", end - begun)))
    return script
