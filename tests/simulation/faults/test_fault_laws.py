"""Faults of any kinds, overlapping in any way: nothing is lost, and everything clears."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.services import Backend, Supervisor, Timeout
from foundation_lab.simulation.distributions import uniform
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import (
    CapacityLoss,
    CpuStress,
    Crash,
    ErrorRate,
    Hang,
    Latency,
    LostRequest,
    LostResponse,
    Outage,
    Partition,
    Pause,
    Reset,
    SlowDown,
    Window,
    inject,
)
from foundation_lab.telemetry import events
from tests.simulation.faults.faulty import ask, endings

if TYPE_CHECKING:
    from foundation_lab.simulation.faults import Fault

KINDS: list[Fault] = [
    Latency(delay=uniform(0, 1), probability=0.7),
    ErrorRate(rate=0.3),
    Hang(probability=0.7),
    Hang(probability=0.5, release=False),
    Reset(probability=0.7),
    Reset(after=0.5),
    LostRequest(probability=0.5),
    LostResponse(probability=0.5, detect_after=0.5),
    Partition(),
    Outage(),
    Pause(),
    Pause(),
    SlowDown(factor=2),
    SlowDown(factor=0.5),
    CpuStress(share=0.5),
    CapacityLoss(places=1),
    CapacityLoss(share=0.6),
    Crash(),
    Crash(down_for=1),
    Crash(state="durable"),
]

instants = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
lengths = st.sampled_from([0.5, 1.0, 1.5, 2.5])


@settings(max_examples=300)
@given(
    faults=st.lists(
        st.tuples(st.integers(0, len(KINDS) - 1), instants, lengths), min_size=1, max_size=7
    ),
    arrivals=st.lists(instants, min_size=1, max_size=8),
    patience=st.sampled_from([0.5, 1.0, 4.0]),
    supervised=st.booleans(),
)
def test_faults_compose_and_clear_in_any_order(
    faults: list[tuple[int, float, float]],
    arrivals: list[float],
    patience: float,
    supervised: bool,  # noqa: FBT001  (hypothesis gives it by name)
) -> None:
    sim = Simulation(seed=73)
    db = Backend(sim, "db", service_time=uniform(0.2, 1.2), concurrency=2)
    limit = Timeout(sim, "api", patience)
    if supervised:
        Supervisor(sim, "boss", [db], restart_delay=0.5, intensity=99)
    for kind, start, length in faults:
        inject(sim, db, KINDS[kind], when=Window(start=start, duration=length))
    callers = [ask(sim, lambda: limit.call(db.request), at) for at in arrivals]
    for now in (0.25, 0.75, 1.0, 1.25, 1.75, 2.25, 2.75, 3.5, 4.5):
        sim.run(until=now)
        sim.check_invariants()
        assert db.concurrency == 0 or not db.impairments.paused
    sim.run_to_completion()
    sim.check_invariants()

    assert all(caller.triggered for caller in callers)
    assert (db.serving, db.waiting, db.concurrency) == (0, 0, 2)
    assert not db.impairments
    assert (db.up, db.available, db.status) == (True, True, "up")
    assert not sim.faults.active
    injected = sim.recording.frame(events.fault.Injected)
    cleared = sim.recording.frame(events.fault.Cleared)
    assert sorted(injected["fault_id"]) == sorted(cleared["fault_id"])
    assert injected["fault_id"].n_unique() == len(faults)
    struck = sim.recording.frame(events.fault.Struck)
    assert set(struck["fault_id"]) <= set(injected["fault_id"])

    healthy = ask(sim, db.request, sim.now + 1)
    sim.run()
    assert endings([healthy])[0][0] == "ok"
