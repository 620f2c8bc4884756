import math

import pytest

from foundation_lab.errors import SchedulingError
from foundation_lab.services import Backend
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import ErrorRate, Fault, Outage, SlowDown, crash, inject

SEED = 38


def backend(sim: Simulation) -> Backend:
    return Backend(sim, "db", service_time=0.1)


def test_a_fault_holds_from_its_start_to_its_end() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    inject(
        sim,
        db,
        [Outage(service="db", start=2, duration=3), SlowDown(service="db", start=4, factor=2)],
    )
    seen = []
    for until in (1, 3, 4.5, 6):
        sim.run(until=until)
        seen.append((db.impairments.down, db.impairments.slowdown))
    assert seen == [(False, 1), (True, 1), (True, 2), (False, 2)]
    frame = sim.recording.wide("fault").select("event", "time", "kind", "duration", "cause")
    injected, cleared = "foundation.fault.injected", "foundation.fault.cleared"
    assert frame.drop("cause").rows() == [
        (injected, 2.0, "outage", None),
        (injected, 4.0, "slow_down", None),
        (cleared, 5.0, "outage", 3.0),
    ]
    outage = sim.recording.frame(injected)["sequence"][0]
    assert sim.recording.frame(cleared)["cause"].to_list() == [outage]


def test_two_faults_of_one_kind_and_start_are_told_apart() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    ids = inject(sim, db, [SlowDown(service="db", start=1, duration=d, factor=2) for d in (1, 2)])
    ids += inject(sim, db, [SlowDown(service="db", start=1.0000001, duration=5, factor=3)])
    assert len(set(ids)) == 3
    seen = []
    for until in (1.5, 2.5, 4, 7):
        sim.run(until=until)
        seen.append(db.impairments.slowdown)
    assert seen == [12, 6, 3, 1]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Outage(service="db", start=1, duration=0), "duration=0; give seconds > 0"),
        (SlowDown(service="db", start=1, factor=math.inf), "factor=inf; give a number > 0"),
        (ErrorRate(service="db", start=1, rate=1.5), "rate=1.5; give a share from 0 to 1"),
    ],
    ids=["outage", "slow_down", "error_rate"],
)
def test_a_fault_that_makes_no_sense_is_refused(fault: Fault, message: str) -> None:
    sim = Simulation(seed=SEED)
    with pytest.raises(ValueError, match=message):
        inject(sim, backend(sim), [fault])


def test_a_fault_cannot_begin_in_the_past() -> None:
    sim = Simulation(seed=SEED, initial_time=10)
    with pytest.raises(SchedulingError, match="it is 10 already"):
        inject(sim, backend(sim), [Outage(service="db", start=5)])


def test_a_fault_of_another_service_is_refused_and_none_is_scheduled() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    message = "outage of 'nonsense' on service 'db'; give service='db'"
    with pytest.raises(ValueError, match=message):
        inject(sim, db, [Outage(service="db", start=1), Outage(service="nonsense", start=1)])
    sim.run(until=2)
    assert not db.impairments


def test_two_crashes_at_one_instant_are_told_apart() -> None:
    sim = Simulation(seed=SEED)
    db, cache = backend(sim), Backend(sim, "cache", service_time=0.1)
    ids = [crash(sim, service, at=1) for service in (db, cache, db)]
    sim.run(until=2)
    assert ids == ["crash:db:1", "crash:cache:1", "crash:db:1#2"]
    assert sim.recording.frame("foundation.fault.cleared")["fault_id"].to_list() == ids
