from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import DeadlockError, SchedulingError, UnknownName
from foundation_lab.simulation.engine import Simulation
from foundation_lab.testing import settings
from foundation_lab.testing.events import Events
from foundation_lab.testing.hands import Clock
from tests.testing.world import Ping, says

if TYPE_CHECKING:
    from collections.abc import Generator


def test_the_clock_goes_on_and_has_done_what_is_due_at_the_very_end() -> None:
    sim = Simulation()
    clock = Clock(sim)
    sim.process(says(sim, (5.0, "a"), (0.5, "b")))
    assert clock.advance(5) == 5.0
    assert len(sim.recording) == 1
    assert (clock.now, repr(clock)) == (5.0, "<Clock at t=5>")
    clock.advance(0.5)
    assert len(sim.recording) == 2


def test_the_clock_goes_on_although_nothing_is_left_to_run() -> None:
    clock = Clock(Simulation())
    assert clock.advance(3) == 3.0
    assert clock.run_until(4.5) == 4.5


def test_sums_of_floats_miss_nothing() -> None:
    sim = Simulation()
    clock = Clock(sim)

    def ticks() -> Generator[Any, Any, None]:
        while True:
            yield 0.1
            sim.telemetry.emit(Ping("tick"))

    sim.process(ticks(), daemon=True)
    for expected in range(1, 50):
        clock.advance(0.1)
        assert len(sim.recording) == expected


def test_what_is_due_now_is_done_and_no_more() -> None:
    sim = Simulation()
    clock = Clock(sim)
    sim.process(says(sim, (0.0, "a"), (0.0, "b"), (1.0, "c")))
    assert clock.settle() == 0.0
    assert len(sim.recording) == 2


def test_the_clock_runs_until_an_event_and_gives_its_value() -> None:
    sim = Simulation()
    clock = Clock(sim)
    assert clock.run_until(sim.timeout(2, "done")) == "done"
    assert clock.run_until(2.0) == 2.0
    with pytest.raises(DeadlockError):
        clock.run_until(sim.event())


def test_the_clock_goes_to_the_end_of_everything() -> None:
    sim = Simulation()
    sim.process(says(sim, (5.0, "a")))
    assert Clock(sim).advance(math.inf) == 5.0


@pytest.mark.parametrize("goal", [-1.0, math.inf, math.nan])
def test_the_clock_never_goes_back(goal: float) -> None:
    with pytest.raises(SchedulingError, match="time goes on only"):
        Clock(Simulation()).run_until(goal)
    if goal < 0:
        with pytest.raises(ValueError, match="give virtual seconds, 0 or more"):
            Clock(Simulation()).advance(goal)


def test_a_clock_that_is_stopped_or_stuck_says_so() -> None:
    sim = Simulation()
    clock = Clock(sim)
    sim.call_in(1.0, sim.stop)
    with pytest.raises(RuntimeError, match=r"was stopped at t=1, on the way to t=5"):
        clock.advance(5)

    def busy() -> Generator[Any, Any, None]:
        while True:
            yield sim.timeout(0)

    sim.process(busy(), name="busy")
    with settings(same_instant=10_000), pytest.raises(AssertionError) as caught:
        clock.advance(5)
    lines = str(caught.value).splitlines()
    assert lines[0] == "the clock did not come to t=6"
    assert lines[1].startswith("the clock does not move: at t=1 more than 10,000 steps")


def test_the_clock_is_not_moved_from_inside() -> None:
    sim = Simulation()

    def process() -> Generator[Any, Any, None]:
        with pytest.raises(RuntimeError, match="yield seconds in a process"):
            Clock(sim).advance(1)
        yield 1.0

    sim.run(until=sim.process(process()))


def test_events_are_frames_whenever_one_asks() -> None:
    sim = Simulation(name="shop")
    events = Events(sim)
    assert len(events) == 0
    sim.process(says(sim, (1.0, "a"), (1.0, "b")))
    sim.run()
    assert len(events) == 2
    assert repr(events) == "<2 events of 'shop'>"
    assert events()["event"].to_list() == events.frame()["event"].to_list() == ["kit.ping"] * 2
    assert events.frame(Ping)["text"].to_list() == ["a", "b"]
    assert events.frame("kit.ping").height == 2
    assert events.to_pandas("kit.ping")["text"].tolist() == ["a", "b"]
    assert events.counts == {"kit.ping": 2}
    with pytest.raises(UnknownName):
        events.frame("kit.pong")
