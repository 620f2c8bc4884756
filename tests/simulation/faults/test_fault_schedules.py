"""When faults are on: once, in windows, periodically, by chance, after an event."""

from __future__ import annotations

import math

import pytest

from foundation_lab.errors import SchedulingError, UnknownName
from foundation_lab.services import Backend, CircuitBreaker, Service
from foundation_lab.simulation.distributions import exponential, uniform
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import (
    ErrorRate,
    Fault,
    Latency,
    Once,
    OnEvent,
    Outage,
    Periodic,
    Poisson,
    SlowDown,
    When,
    Window,
    crash,
    inject,
)
from foundation_lab.telemetry import events
from tests.simulation.faults.faulty import ask, spans

SEED = 72


def world(when: When, fault: Fault | None = None, seed: int = SEED) -> tuple[Simulation, Backend]:
    sim = Simulation(seed=seed)
    db = Backend(sim, "db", service_time=0.1)
    inject(sim, db, SlowDown(factor=2) if fault is None else fault, when=when)
    return sim, db


def test_once_and_a_window() -> None:
    sim, db = world(Once(at=3))
    inject(sim, db, Outage(), when=Window(start=1, duration=2))
    inject(sim, db, Outage(), when=Once(at=5, duration=0.5))
    sim.run()
    assert spans(sim) == [("outage:db:1", 1, 3), ("outage:db:5", 5, 5.5)]
    assert db.impairments.slowdown == 2  # for ever


def test_a_periodic_fault_has_an_id_for_each_occurrence() -> None:
    sim, _ = world(Periodic(every=60, duration=5))
    sim.run(until=200)
    assert spans(sim) == [
        ("slow_down:db:60", 60, 65),
        ("slow_down:db:60#2", 120, 125),
        ("slow_down:db:60#3", 180, 185),
    ]


def test_the_instants_of_a_periodic_fault_are_exact_multiples() -> None:
    sim, _ = world(Periodic(every=0.1, duration=0.01, times=1000))
    sim.run()
    times = sim.recording.frame(events.fault.Injected)["time"].to_list()
    assert times == [0.1 + number * 0.1 for number in range(1000)]


def test_a_periodic_fault_ends_after_so_many_times_or_before_a_time() -> None:
    sim, _ = world(Periodic(every=2, first=1, duration=0.5, until=5))
    sim.run()
    assert [begin for _, begin, _ in spans(sim)] == [1, 3]
    sim, _ = world(Periodic(every=2, first=0, duration=3, times=2))
    sim.run()
    assert [span[1:] for span in spans(sim)] == [(0, 3), (2, 5)]  # they overlap


def test_ids_of_occurrences_and_of_other_faults_do_not_meet() -> None:
    sim, db = world(Periodic(every=1, duration=0.5, times=3))
    ids = inject(sim, db, SlowDown(factor=3), when=Window(start=1, duration=9))
    sim.run()
    assert ids == ["slow_down:db:1#2"]
    assert sorted(span[0] for span in spans(sim)) == [
        "slow_down:db:1",
        "slow_down:db:1#2",
        "slow_down:db:1#3",
        "slow_down:db:1#4",
    ]
    frame = sim.recording.frame(events.fault.Injected)
    assert frame.filter(plan="slow_down:db:1")["fault_id"].to_list() == [
        "slow_down:db:1",
        "slow_down:db:1#3",
        "slow_down:db:1#4",
    ]


def test_a_poisson_fault_comes_at_its_rate_and_lasts_as_long_as_is_drawn() -> None:
    sim, _ = world(Poisson(rate=0.1, start=1000, duration=uniform(1, 3), until=21_000))
    sim.run()
    found = spans(sim)
    assert len(found) == pytest.approx(2000, abs=3.5 * math.sqrt(2000))
    lengths = [end - begin for _, begin, end in found]
    assert min(lengths) >= 1 - 1e-9
    assert max(lengths) <= 3 + 1e-9
    assert sum(lengths) / len(lengths) == pytest.approx(2, abs=3.5 * math.sqrt(1 / 3 / 2000))
    assert min(begin for _, begin, _ in found) > 1000
    assert found[0][0].startswith("slow_down:db:poisson")


def test_when_a_poisson_fault_comes_depends_on_no_request() -> None:
    def begins(requests: int) -> list[float]:
        fault = Latency(delay=exponential(0.1), probability=0.5)
        sim, db = world(Poisson(rate=1, duration=0.5, times=50), fault)
        for number in range(requests):
            ask(sim, db.request, number / 10)
        sim.run()
        return sim.recording.frame(events.fault.Injected)["time"].to_list()

    assert begins(0) == begins(300)
    assert len(begins(0)) == 50


def test_an_event_triggers_a_fault_so_many_times_at_most() -> None:
    sim, _ = world(
        OnEvent(
            event=CircuitBreaker.StateChange,
            where={"to": "open"},
            delay=0.5,
            duration=1,
            times=2,
        )
    )
    breaker = CircuitBreaker(sim, "api", reset_timeout=1)
    for time in (1, 3, 5):
        sim.call_at(time, breaker.trip)
    sim.run()
    assert spans(sim) == [
        ("slow_down:db:on circuit_breaker.state_change", 1.5, 2.5),
        ("slow_down:db:on circuit_breaker.state_change#2", 3.5, 4.5),
    ]
    injected = sim.recording.frame(events.fault.Injected)
    opened = sim.recording.frame(CircuitBreaker.StateChange).filter(to="open")
    assert injected["cause"].to_list() == opened["sequence"].to_list()[:2]


def test_a_fault_can_follow_a_fault_at_the_same_instant() -> None:
    sim, db = world(OnEvent(event="fault.injected", where={"kind": "crash"}, times=None))
    crash(sim, db, at=1)
    crash(sim, db, at=2)
    sim.run()
    injected = sim.recording.frame(events.fault.Injected)
    assert injected.select("time", "kind").rows() == [
        (1, "crash"),
        (1, "slow_down"),
        (2, "crash"),
        (2, "slow_down"),
    ]
    assert db.impairments.slowdown == 4


def test_an_event_that_is_unknown_is_refused_at_once() -> None:
    with pytest.raises(UnknownName, match="circuit_breaker"):
        world(OnEvent(event="foundation.circut_breaker.state_change"))


def test_several_targets_have_a_fault_each() -> None:
    sim = Simulation(seed=SEED)
    both = [Backend(sim, name, service_time=1) for name in ("a", "b")]
    ids = inject(sim, both, [Outage(), ErrorRate(rate=1)], when=Window(start=1, duration=1))
    assert ids == ["outage:a:1", "outage:b:1", "error_rate:a:1", "error_rate:b:1"]


NO_SENSE: list[tuple[Fault, When, str]] = [
    (Outage(), Once(at=1, duration=-1), "outage of 'db': duration=-1; give seconds > 0"),
    (Outage(), Window(start=1), "duration=inf; a window has an end: give seconds, or Once(at=...)"),
    (Outage(), Periodic(every=0), "outage of 'db': every=0; give seconds > 0"),
    (Outage(), Periodic(every=1, times=0), "times=0; give a whole number from 1"),
    (Outage(), Periodic(every=1, until=0), "until=0; give a time to come; it is 0"),
    (Outage(), Poisson(rate=0), "rate=0; give how many a second, > 0"),
    (Outage(), Poisson(rate=1, start=-1), "start=-1; give seconds from 0"),
    (Outage(), OnEvent(event=Service.Stopped, delay=-1), "delay=-1; give seconds from 0"),
    (Outage(), OnEvent(event=Service.Stopped, times=0), "times=0; give a whole number from 1"),
    (Outage(start=5), Once(at=1), "outage of 'db': start=5; leave it out beside when="),
    (Outage(duration=5), Once(at=1), "duration=5; leave it out beside when=, which has a duration"),
]


@pytest.mark.parametrize(
    ("fault", "when", "message"),
    NO_SENSE,
    ids=[f"{type(when).__name__} {m[:40]}" for _, when, m in NO_SENSE],
)
def test_a_time_that_makes_no_sense_is_refused(fault: Fault, when: When, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (the message is compared below)
        world(when, fault)
    assert message in str(caught.value)


@pytest.mark.parametrize("when", [Once(at=1), Window(start=1, duration=1), Periodic(every=1)])
def test_a_time_in_the_past_is_refused(when: When) -> None:
    sim = Simulation(seed=SEED, initial_time=9)
    with pytest.raises(
        SchedulingError, match="outage of 'db' would begin at 1 s, but it is 9 s already; give a"
    ):
        inject(sim, Backend(sim, "db", service_time=1), Outage(), when=when)
