from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import ServiceError
from foundation_lab.services import Cpu, EventLoop, Health, Io
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import ErrorRate, Outage, SlowDown, inject

if TYPE_CHECKING:
    import random
    from collections.abc import Generator, Sequence

    from foundation_lab.services.serving.loop_step import Step
    from foundation_lab.simulation.process import Process


def ask(
    sim: Simulation,
    loop: EventLoop,
    at: float = 0.0,
    steps: Sequence[Step] | None = None,
    asked: list[float] | None = None,
) -> Process:
    """Start a caller; its value is how it ended, and when."""

    def caller() -> Generator[Any, Any, tuple[str, float]]:
        try:
            yield at
            if asked is not None:
                asked.append(at)
            yield from loop.request(steps)
        except (ServiceError, simpy.Interrupt) as error:
            return type(error).__name__, sim.now
        return "ok", sim.now

    return sim.process(caller())


def values(callers: list[Process]) -> list[Any]:
    return [caller.value for caller in callers]


def idle(sim: Simulation, loop: EventLoop) -> None:
    sim.check_invariants()
    assert loop.metrics() == {"in_flight": 0, "waiting": 0, "lag": 0}
    assert loop._slots.used == 0


def test_a_request_takes_its_steps_in_order() -> None:
    sim = Simulation(seed=1)
    loop = EventLoop(sim, "node", steps=[Cpu(1), Io(5), Cpu(2)])
    caller = ask(sim, loop)
    sim.run()
    assert caller.value == ("ok", 8)
    served = sim.recording.frame(EventLoop.Served)
    assert served.select("outcome", "cpu", "io", "lag", "duration").rows() == [("ok", 3, 5, 0, 8)]
    idle(sim, loop)


def test_the_loop_is_free_for_others_during_io_and_not_during_cpu() -> None:
    sim = Simulation(seed=2)
    loop = EventLoop(sim, "node", steps=[Cpu(1), Io(5), Cpu(1)])
    callers = [ask(sim, loop) for _ in range(3)]
    sim.run()
    assert values(callers) == [("ok", 7), ("ok", 8), ("ok", 9)]
    assert sim.recording.frame(EventLoop.Served)["lag"].to_list() == [0, 1, 2]


def test_one_heavy_computation_holds_up_everybody_behind_it() -> None:
    sim = Simulation(seed=3)
    loop = EventLoop(sim, "node", steps=[Cpu(0.001), Io(0.05), Cpu(0.001)])
    light = [ask(sim, loop, at / 10) for at in range(10)]
    ask(sim, loop, 0.31, steps=[Cpu(0.5)])
    sim.run()
    late = {k for k, (_, end) in enumerate(values(light)) if end > k / 10 + 0.1}
    assert late == {3, 4, 5, 6, 7}
    lagged = sim.recording.frame(EventLoop.Lagged)
    assert lagged["lag"].max() == pytest.approx(0.459)  # ready at 0.351, begun at 0.81
    assert lagged["time"].min() == pytest.approx(0.81)


def test_more_workers_compute_at_the_same_time() -> None:
    sim = Simulation(seed=4)
    loop = EventLoop(sim, "node", steps=[Cpu(1)], workers=2)
    callers = [ask(sim, loop) for _ in range(3)]
    sim.run()
    assert values(callers) == [("ok", 1), ("ok", 1), ("ok", 2)]


def test_two_computations_in_a_row_let_others_in_between() -> None:
    sim = Simulation(seed=5)
    loop = EventLoop(sim, "node", steps=[Cpu(1), Cpu(1)])
    callers = [ask(sim, loop) for _ in range(2)]
    sim.run()
    assert values(callers) == [("ok", 3), ("ok", 4)]


def test_a_lag_of_the_threshold_is_told_of() -> None:
    sim = Simulation(seed=6)
    loop = EventLoop(sim, "node", steps=[Cpu(0.5)], lag_threshold=1)
    for _ in range(4):
        ask(sim, loop)
    sim.run(until=1)
    assert (loop.lag, loop.health()) == (1, Health.DEGRADED)
    sim.run()
    lagged = sim.recording.frame(EventLoop.Lagged)
    assert lagged.select("time", "lag", "ready").rows() == [(1.0, 1.0, 1), (1.5, 1.5, 0)]
    assert (loop.lag, loop.health()) == (0, Health.HEALTHY)


def test_a_computation_comes_to_its_end_although_its_caller_has_gone() -> None:
    sim = Simulation(seed=7)
    loop = EventLoop(sim, "node", steps=[Cpu(2)])
    callers = [ask(sim, loop) for _ in range(2)]
    sim.call_at(0.5, callers[0].interrupt)
    sim.run(until=1)
    assert (loop.in_flight, loop.ready) == (1, 1)
    sim.check_invariants()
    sim.run()
    assert values(callers) == [("Interrupt", 0.5), ("ok", 4)]
    abandoned = sim.recording.frame(EventLoop.Abandoned)
    assert abandoned.select("stage", "duration").rows() == [("cpu", 0.5)]
    idle(sim, loop)


def test_who_leaves_while_ready_or_waiting_holds_nothing() -> None:
    sim = Simulation(seed=8)
    loop = EventLoop(sim, "node", steps=[Cpu(1), Io(9)])
    callers = [ask(sim, loop) for _ in range(3)]
    sim.call_at(0.5, callers[1].interrupt)
    sim.call_at(5, callers[0].interrupt)
    sim.run()
    assert values(callers) == [("Interrupt", 5), ("Interrupt", 0.5), ("ok", 11)]
    stages = sim.recording.frame(EventLoop.Abandoned)["stage"].to_list()
    assert stages == ["ready", "io"]
    idle(sim, loop)


def test_a_crash_ends_all_computations_those_without_a_caller_too() -> None:
    sim = Simulation(seed=9)
    loop = EventLoop(sim, "node", steps=[Cpu(4), Io(1)], workers=2)
    callers = [ask(sim, loop) for _ in range(3)]
    sim.call_at(1, callers[0].interrupt)
    sim.call_at(2, loop.kill)
    refused = ask(sim, loop, 2.5)
    sim.call_at(3, loop.restart)
    after = [ask(sim, loop, 3) for _ in range(2)]
    sim.run()
    assert values(callers) == [("Interrupt", 1), ("ServiceDown", 2), ("ServiceDown", 2)]
    assert values([refused, *after]) == [("ServiceDown", 2.5), ("ok", 8), ("ok", 8)]
    served = sim.recording.frame(EventLoop.Served)
    assert served["outcome"].to_list() == ["error", "error", "ok", "ok"]
    idle(sim, loop)


def test_too_many_requests_under_way_are_turned_away() -> None:
    sim = Simulation(seed=10)
    loop = EventLoop(sim, "node", steps=[Io(1)], max_in_flight=2)
    callers = [ask(sim, loop) for _ in range(3)]
    sim.run()
    assert values(callers) == [("ok", 1), ("ok", 1), ("QueueFull", 0)]
    rejected = sim.recording.frame(EventLoop.Rejected)
    assert rejected.select("error", "in_flight").rows() == [("QueueFull", 2)]


def test_faults_slow_it_down_make_it_fail_and_take_it_away() -> None:
    sim = Simulation(seed=11)
    loop = EventLoop(sim, "node", steps=[Cpu(1), Io(1)])
    inject(
        sim,
        loop,
        [
            SlowDown(service="node", start=0, duration=5, factor=2),
            ErrorRate(service="node", start=9, duration=5, rate=1),
            Outage(service="node", start=20.5, duration=1),
        ],
    )
    callers = [ask(sim, loop, at) for at in (0.5, 10, 20, 21, 22)]
    sim.run(until=20.7)
    assert (loop.status, loop.health()) == ("down", Health.UNHEALTHY)
    sim.run()
    assert values(callers) == [
        ("ok", 4.5),
        ("BackendError", 12),
        ("ServiceDown", 20.5),
        ("ServiceDown", 21),
        ("ok", 24),
    ]
    assert loop.status == "up"


def test_steps_may_be_drawn_for_each_request() -> None:
    def steps(stream: random.Random) -> list[Step]:
        return [Cpu(0.5)] if stream.random() < 0.5 else [Cpu(0.001), Io(exponential(0.1))]

    def run(seed: int) -> tuple[str, list[float]]:
        sim = Simulation(seed=seed)
        loop = EventLoop(sim, "node", steps=steps, error_rate=0.2)
        for k in range(40):
            ask(sim, loop, k / 2)
        sim.run()
        idle(sim, loop)
        return sim.recording.digest, sim.recording.frame(EventLoop.Served)["cpu"].to_list()

    digest, cpu = run(12)
    assert digest == run(12)[0]
    assert {round(each, 3) for each in cpu} == {0.5, 0.001}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"steps": []}, ValueError, "needs at least one step"),
        ({"steps": [1]}, TypeError, "1 is no step of a request"),
        ({"steps": [Cpu(-1)]}, ValueError, "value=-1"),
        ({"steps": [Cpu(1)], "workers": 0}, ValueError, "workers=0"),
        ({"steps": [Cpu(1)], "max_in_flight": 0}, ValueError, "max_in_flight=0"),
        ({"steps": [Cpu(1)], "lag_threshold": 0}, ValueError, "lag_threshold=0"),
        ({"steps": [Cpu(1)], "error_rate": 2}, ValueError, "error_rate=2"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        EventLoop(Simulation(seed=13), "node", **arguments)


halves = st.integers(0, 8).map(lambda k: k / 2)


@settings(max_examples=200, deadline=None)
@given(
    arrivals=st.lists(halves, max_size=7),
    steps=st.lists(
        st.tuples(st.sampled_from([Cpu, Io]), st.sampled_from([0, 0.5, 1.0])),
        min_size=1,
        max_size=4,
    ),
    interrupts=st.lists(st.tuples(halves, st.integers(0, 6)), max_size=4),
    crashes=st.lists(st.tuples(halves, st.sampled_from(["bounce", "outage"])), max_size=2),
    workers=st.integers(1, 2),
)
def test_every_request_leaves_once_and_the_loop_is_free_in_the_end(
    arrivals: list[float],
    steps: list[tuple[Any, float]],
    interrupts: list[tuple[float, int]],
    crashes: list[tuple[float, str]],
    workers: int,
) -> None:
    sim = Simulation(seed=14)
    loop = EventLoop(sim, "node", steps=[kind(time) for kind, time in steps], workers=workers)
    sim.telemetry.attach("laws", "**", lambda _record: sim.check_invariants(), on_error="raise")

    def bounce() -> None:
        loop.kill()
        loop.restart()

    asked: list[float] = []
    callers = [ask(sim, loop, at, asked=asked) for at in arrivals]
    for at, which in interrupts:
        if which < len(callers):
            sim.call_at(at, lambda p=callers[which]: p.is_alive and p.interrupt())  # type: ignore[misc]
    for at, crash in crashes:
        if crash == "bounce":
            sim.call_at(at, bounce)
        else:
            inject(sim, loop, [Outage(service="node", start=at, duration=0.5)])
    sim.run()
    idle(sim, loop)
    counts = sim.recording.counts
    left = sum(
        counts.get(f"foundation.event_loop.{way}", 0) for way in ("served", "rejected", "abandoned")
    )
    assert left == len(asked)


def test_a_burst_without_the_loop_breaks_a_law() -> None:
    sim = Simulation(seed=15)
    loop = EventLoop(sim, "node", steps=[Cpu(1)])
    loop._computing = 1
    assert loop.violations() == [
        "1 bursts on 0 workers",
        "1 compute and 0 are ready of 0 requests",
    ]


def test_its_threads_are_places_as_a_backend_has_them() -> None:
    sim = Simulation(seed=1)
    loop = EventLoop(sim, "node", steps=[Cpu(2), Io(5)], workers=2)
    for _ in range(3):
        ask(sim, loop)
    sim.run(until=1)
    assert (loop.concurrency, loop.serving, loop.waiting) == (2, 2, 1)
    sim.run(until=5)
    assert (loop.serving, loop.waiting, loop.in_flight) == (0, 0, 3)
