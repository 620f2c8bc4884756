"""Replay of recorded requests."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from foundation_lab.services import Backend
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.traffic.arrivals import poisson
from foundation_lab.simulation.workload import Workload
from foundation_lab.simulation.workloads.trace_replay import TraceReplay, from_recording
from foundation_lab.telemetry import events

SEED = 64
ROWS = [
    {"time": 103.0, "key": "b", "seconds": 2.0},
    {"time": 100.0, "key": "a", "seconds": 5.0},
    {"time": 101.0, "key": "a", "seconds": 1.0},
]


def replay(rows: Any = ROWS, until: float = 100, **options: Any) -> list[tuple[float, str]]:
    sim = Simulation(seed=SEED)
    seen: list[tuple[float, str]] = []

    def call(row: Any) -> Any:
        seen.append((sim.now, row["key"]))
        yield row["seconds"]

    TraceReplay(sim, "trace", rows, call, **options)
    sim.run(until=until)
    sim.check_invariants()
    return seen


def test_requests_are_sent_at_their_recorded_times_with_their_rows() -> None:
    assert replay() == [(0, "a"), (1, "a"), (3, "b")]


def test_another_origin_keeps_the_time_before_the_first_request() -> None:
    assert replay(origin=90) == [(10, "a"), (11, "a"), (13, "b")]


def test_a_speed_makes_all_gaps_shorter() -> None:
    assert replay(speed=4) == [(0, "a"), (0.25, "a"), (0.75, "b")]


def test_a_repeated_trace_goes_on_after_a_mean_gap_or_a_given_period() -> None:
    assert [time for time, _ in replay(repeat=2)] == [0, 1, 3, 4.5, 5.5, 7.5]
    assert [time for time, _ in replay(repeat=2, period=10, speed=2)] == [0, 0.5, 1.5, 5, 5.5, 6.5]
    endless = replay(repeat=None, period=4, until=10)
    assert endless == [
        (0, "a"), (1, "a"), (3, "b"), (4, "a"), (5, "a"), (7, "b"), (8, "a"), (9, "a"),
    ]  # fmt: skip


def test_the_load_of_a_replay_can_be_changed_and_limited() -> None:
    sim = Simulation(seed=SEED)
    trace = TraceReplay(
        sim, "trace", [(0, 1), (4, 1), (8, 9)], lambda row: sim.sleep(row[1]), time=0
    )
    sim.call_at(2, partial(trace.change_load, 2))
    sim.run()
    assert sim.recording.frame(events.request.Started)["time"].to_list() == [0, 3, 5]
    assert sim.recording.frame(events.request.Finished)["time"].to_list() == [1, 4, 14]
    limited = Simulation(seed=SEED)
    TraceReplay(limited, "trace", ROWS, lambda row: limited.sleep(row["seconds"]), max_in_flight=1)
    limited.run()
    assert limited.recording.frame(events.request.Finished)["time"].to_list() == [5, 6, 8]


def test_rows_may_be_a_frame_and_the_time_a_function_of_the_row() -> None:
    pl = pytest.importorskip("polars")
    assert replay(pl.DataFrame(ROWS)) == replay()
    rows = [{"key": "x", "seconds": 1, "at": 7}]
    assert replay(rows, time=lambda row: row["at"] * 2, origin=0) == [(14, "x")]


def test_rows_of_one_time_keep_their_order() -> None:
    rows = [{"time": 1, "key": key, "seconds": 1} for key in "cab"]
    assert [key for _, key in replay(rows)] == ["c", "a", "b"]


def test_an_earlier_run_is_replayed_from_its_recording() -> None:
    first = Simulation(seed=SEED)
    db = Backend(first, "db", service_time=exponential(0.1))
    Workload(first, "web", poisson(3), db.request)
    Workload(first, "other", poisson(3), db.request)
    first.run(until=20)
    started = first.recording.frame(events.request.Started)
    second = Simulation(seed=1)
    Workload(second, "again", from_recording(started, client="web"), lambda: 1)
    second.run()
    times = second.recording.frame(events.request.Started)["time"].to_list()
    assert times == [row["time"] for row in started.rows(named=True) if row["client"] == "web"]
    both = from_recording([{"time": 5, "client": "x"}, {"time": 6, "client": "y"}], origin=5)
    assert both.seconds == (0, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": []}, "rows: none"),
        ({"origin": 101}, "the first is 1 s before origin=101"),
        ({"speed": 0}, "speed=0"),
        ({"repeat": 0}, "repeat=0"),
        ({"repeat": 2, "period": 2}, "period=2; a round takes 3 s or more"),
        ({"rows": ROWS[:1], "repeat": 2}, "period=None"),
        ({"rows": [{"time": "noon"}]}, "is 'noon'; give seconds"),
        ({"rows": [{"at": 1}]}, "row {'at': 1} has no 'time'; say with time= what holds the time"),
        ({"rows": [(1, "tea")], "time": 2}, "has no 2; say with time="),
        ({"rows": [{"time": float("nan")}]}, "is nan; give seconds"),
    ],
    ids=range(10),
)
def test_a_trace_that_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replay(**options)
