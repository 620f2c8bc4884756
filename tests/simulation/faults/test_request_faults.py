"""Faults that strike single requests: latency, hangs, resets, losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.analytics import affected
from foundation_lab.services import Backend, Timeout
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import (
    ErrorRate,
    Fault,
    Hang,
    Latency,
    LostRequest,
    LostResponse,
    Outage,
    Partition,
    Pause,
    Periodic,
    Reset,
    SlowDown,
    Window,
    inject,
)
from foundation_lab.simulation.traffic.arrivals import poisson
from foundation_lab.simulation.workload import Workload
from foundation_lab.telemetry import events
from tests.simulation.faults.faulty import ask, customer, endings, struck

if TYPE_CHECKING:
    import polars as pl

SEED = 71


def backend(sim: Simulation, **kwargs: Any) -> Backend:
    return Backend(sim, "db", **{"service_time": 1.0, **kwargs})


def served(sim: Simulation) -> list[tuple[float, str, float, float]]:
    frame = sim.recording.frame(Backend.Served)
    return frame.select("time", "outcome", "wait", "service_time").rows()


def test_latency_comes_before_the_work_and_holds_no_place() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    inject(sim, db, Latency(delay=2), when=Window(start=1, duration=3))
    callers = [ask(sim, db.request, at) for at in (0.5, 1, 2, 4)]
    sim.run(until=2.5)
    assert (db.serving, db.waiting) == (0, 0)
    sim.run()
    # the third comes at 4, behind the one of 4 that is late no more: it was asked first
    assert endings(callers) == [("ok", 1.5), ("ok", 4), ("ok", 6), ("ok", 5)]
    assert [who for _, who, _ in struck(sim)] == ["request at 1", "request at 2"]
    sim.check_invariants()


def test_jitter_spreads_the_delay_evenly_and_never_below_zero() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim, concurrency=1000, service_time=0)
    inject(sim, db, Latency(delay=1, jitter=3))
    callers = [ask(sim, db.request) for _ in range(800)]
    sim.run()
    times = [time for _, time in endings(callers)]
    assert min(times) == 0
    assert 3.95 < max(times) <= 4
    assert sum(time == 0 for time in times) / 800 == pytest.approx(1 / 3, abs=0.05)


def test_several_latencies_add_up() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    inject(sim, db, [Latency(delay=1), Latency(delay=0.5, probability=0), Latency(delay=0.25)])
    caller = ask(sim, db.request)
    sim.run()
    assert caller.value == ("ok", 2.25)
    assert [fault_id for _, _, fault_id in struck(sim)] == ["latency:db:0", "latency:db:0#3"]


def test_a_hang_holds_its_place_and_goes_on_when_the_fault_is_over() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    inject(sim, db, Hang(), when=Window(start=1, duration=5))
    callers = [ask(sim, db.request, at) for at in (0.5, 1.2, 2)]
    sim.run(until=4)
    assert (db.serving, db.waiting) == (1, 1)
    sim.run()
    # work that had begun before the fault is not struck; the third begins when it is over
    assert endings(callers) == [("ok", 1.5), ("ok", 7), ("ok", 8)]
    assert [who for _, who, _ in struck(sim)] == ["request at 1.2"]
    sim.check_invariants()


def test_a_hang_without_release_ends_with_its_callers_patience_only() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    patience = Timeout(sim, "api", 8)
    inject(sim, db, Hang(release=False), when=Window(start=0, duration=1))
    callers = [ask(sim, lambda: patience.call(db.request), at) for at in (0.5, 2)]
    sim.run()
    assert endings(callers) == [("TimedOut", 8.5), ("ok", 9.5)]
    sim.check_invariants()


def test_a_hang_ends_with_a_crash() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    inject(sim, db, Hang(release=False))
    caller = ask(sim, db.request)
    sim.call_at(3, db.kill)
    sim.run_to_completion()
    assert caller.value == ("ServiceDown", 3)
    assert db.serving == 0


def test_a_reset_loses_the_work_and_frees_the_place() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    inject(sim, db, Reset(after=0.25), when=Window(start=0, duration=0.5))
    callers = [ask(sim, db.request) for _ in range(3)]
    sim.run()
    # the third is to be reset at the very end of the fault, and is not
    assert endings(callers) == [("ConnectionReset", 0.25), ("ok", 1.25), ("ok", 2.25)]
    assert [row[:2] for row in served(sim)] == [(0.25, "error"), (1.25, "ok"), (2.25, "ok")]
    assert struck(sim) == [(0.25, "request at 0", "connection_reset:db:0")]
    sim.check_invariants()


def test_a_reset_without_an_instant_comes_anywhere_in_the_service() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim, concurrency=400)
    inject(sim, db, Reset(probability=0.5))
    callers = [ask(sim, db.request) for _ in range(400)]
    sim.run()
    resets = [time for outcome, time in endings(callers) if outcome != "ok"]
    assert len(resets) / 400 == pytest.approx(0.5, abs=0.08)
    assert sum(resets) / len(resets) == pytest.approx(0.5, abs=0.06)
    assert max(resets) < 1


def test_of_two_resets_the_first_strikes_and_one_after_the_end_does_not() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    inject(sim, db, [Reset(after=2), Reset(after=0.5), Reset(after=0.75)])
    caller = ask(sim, db.request)
    sim.run()
    assert caller.value == ("ConnectionReset", 0.5)
    assert [fault_id for _, _, fault_id in struck(sim)] == ["connection_reset:db:0#2"]


def test_a_lost_response_was_served_and_its_place_is_free() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    patience = Timeout(sim, "api", 5)
    inject(sim, db, LostResponse(), when=Window(start=0, duration=1.5))
    callers = [ask(sim, lambda: patience.call(db.request), at) for at in (0, 0, 2)]
    sim.run()
    assert endings(callers) == [("TimedOut", 5), ("ok", 2), ("ok", 3)]
    assert [row[:2] for row in served(sim)] == [(1, "ok"), (2, "ok"), (3, "ok")]
    assert struck(sim) == [(1, "request at 0", "lost_response:db:0")]
    sim.check_invariants()


@pytest.mark.parametrize(
    ("fault", "end", "work"),
    [
        (LostRequest(detect_after=3), ("ConnectionLost", 3), 0),
        (LostResponse(detect_after=3), ("ConnectionLost", 4), 1),
        (Partition(detect_after=3), ("ConnectionLost", 3), 0),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_a_loss_that_is_noticed_is_an_error(
    fault: Fault, end: tuple[str, float], work: int
) -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    inject(sim, db, [fault])
    caller = ask(sim, db.request)
    sim.run()
    assert caller.value == end
    assert len(served(sim)) == work


def test_a_lost_request_takes_no_place_and_says_what_it_waits_for() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    inject(sim, db, LostRequest())
    caller = ask(sim, db.request)
    sim.run()
    assert not caller.triggered
    assert (db.serving, db.waiting) == (0, 0)
    assert "an answer of backend 'db': the request was lost" in str(sim.blocked()[0])


def test_a_partition_takes_the_answers_of_what_went_out_before() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    patience = Timeout(sim, "api", 5)
    inject(sim, db, Partition(), when=Window(start=0.5, duration=1))
    callers = [ask(sim, lambda: patience.call(db.request), at) for at in (0, 0.7, 1.5)]
    sim.run()
    assert endings(callers) == [("TimedOut", 5), ("TimedOut", 5.7), ("ok", 2.5)]
    assert [row[:2] for row in served(sim)] == [(1, "ok"), (2.5, "ok")]


def test_an_error_rate_and_a_slow_down_tell_whom_they_strike() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    ids = inject(sim, db, [ErrorRate(rate=1), SlowDown(factor=2)])
    caller = ask(sim, db.request)
    sim.run()
    assert caller.value == ("BackendError", 2)
    assert struck(sim) == [(0, "request at 0", ids[1]), (2, "request at 0", ids[0])]


def test_an_outage_strikes_whom_it_drops_and_whom_it_refuses() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    inject(sim, db, Outage(start=1, duration=2))
    callers = [ask(sim, db.request, at) for at in (0.5, 0.75, 2, 3)]
    sim.run()
    assert [end[0] for end in endings(callers)] == [*["ServiceDown"] * 3, "ok"]
    assert [row[:2] for row in struck(sim)] == [
        (1, "request at 0.5"),
        (1, "request at 0.75"),
        (2, "request at 2"),
    ]


# -- what belongs to a fault -----------------------------------------------------------------------


def test_the_events_of_the_struck_requests_are_found_by_the_fault() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    (fault_id,) = inject(sim, db, Latency(delay=0.5), when=Periodic(every=10, duration=1))
    for at in (1, 10.5, 15, 20.5):
        customer(sim, db.request, at)
    sim.run(until=30)
    recording = sim.recording
    hit = recording.frame(events.fault.Struck)
    assert (
        hit["fault_id"].to_list()
        == [fault_id, f"{fault_id}#2"]
        == ["latency:db:10", "latency:db:10#2"]
    )
    found = affected(recording.events, hit, fault_id)
    assert found["event"].to_list() == [
        "foundation.request.started",
        "foundation.fault.struck",
        "foundation.backend.served",
        "foundation.request.finished",
    ]
    assert set(found["correlation_id"]) == {"request at 10.5"}
    both = affected(recording.frame("request.finished"), hit, hit["fault_id"])
    assert both["duration"].to_list() == [1.5, 1.5]
    plans = recording.frame(events.fault.Injected)["plan"].to_list()
    assert plans == [fault_id] * len(plans)


# -- chance ----------------------------------------------------------------------------------------

REQUEST_FAULTS: list[Fault] = [
    Latency(delay=exponential(0.3), jitter=0.1, probability=0.5),
    ErrorRate(rate=0.5),
    Hang(probability=0.2),
    Reset(probability=0.5),
    LostRequest(probability=0.5, detect_after=1),
    LostResponse(probability=0.5, detect_after=1),
    Outage(),
    Pause(),
]


def day(faults: list[Fault]) -> tuple[str, dict[str, pl.DataFrame]]:
    sim = Simulation(seed=SEED)
    db, other = (
        Backend(sim, name, service_time=exponential(0.3), concurrency=2, error_rate=0.2)
        for name in ("db", "other")
    )
    Workload(sim, "shop", poisson(2.0), db.request)
    Workload(sim, "bank", poisson(2.0), other.request)
    inject(sim, db, faults, when=Window(start=10, duration=20))
    sim.run(until=60)
    sim.check_invariants()
    recording = sim.recording
    frames = {name: recording.frame(name) for name in ("backend.served", "request.started")}
    return recording.digest, frames


@pytest.mark.parametrize("fault", REQUEST_FAULTS, ids=lambda fault: fault.kind)
def test_leaving_a_fault_out_reshuffles_nothing_else(fault: Fault) -> None:
    with_it, frames = day([fault])
    without, usual = day([])
    assert with_it != without
    for name in ("time", "correlation_id", "client"):  # who comes, when, and under which id
        assert frames["request.started"][name].equals(usual["request.started"][name])
    stamps = ("sequence", "cause")
    others, as_usual = (
        each["backend.served"].filter(service_id="other").drop(stamps) for each in (frames, usual)
    )
    assert others.equals(as_usual)


def test_a_run_with_every_fault_is_the_same_run_twice() -> None:
    assert day(REQUEST_FAULTS)[0] == day(REQUEST_FAULTS)[0]


@pytest.mark.parametrize("fault", REQUEST_FAULTS, ids=lambda fault: fault.kind)
def test_a_probability_of_zero_strikes_nobody(fault: Fault) -> None:
    if not hasattr(fault, "probability"):
        return
    sim = Simulation(seed=SEED)
    db = backend(sim, concurrency=9)
    values = {name: getattr(fault, name) for name in fault.__struct_fields__}
    inject(sim, db, [type(fault)(**{**values, "probability": 0.0})])
    callers = [ask(sim, db.request) for _ in range(9)]
    sim.run()
    assert endings(callers) == [("ok", 1)] * 9
    assert struck(sim) == []
