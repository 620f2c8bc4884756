"""Compositions of any services, under any faults: the laws hold, and everything is given back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.simulation.workloads.sessions import Sessions
from foundation_lab.telemetry import events
from tests.services.world_clients import add_a_client
from tests.services.world_ends import an_end
from tests.services.world_troubles import (
    END,
    add_a_fault,
    add_a_monitor,
    add_a_supervisor,
    meddle,
    react,
)
from tests.services.world_wrappers import some_stages
from tests.services.worlds import World, alone, try_once

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from foundation_lab.simulation.engine import Simulation
    from tests.services.worlds import Pick

T = TypeVar("T")

OUTCOMES = {"ok", "error", "timeout", "rejected", "cancelled"}


class Picks:
    """Picks the same again."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = iter(numbers)

    def __call__(self, options: Sequence[Any], /) -> Any:
        """Return one of them."""
        return options[next(self._numbers, 0) % len(options)]


class Noted:
    """Notes what is picked."""

    def __init__(self, pick: Pick) -> None:
        self._pick = pick
        self.numbers: list[int] = []

    def __call__(self, options: Sequence[Any], /) -> Any:
        """Return one of them."""
        number = self._pick(range(len(options)))
        self.numbers.append(number)
        return options[number]


class Course:
    """A world and what is done with it."""

    def __init__(
        self,
        pick: Pick,
        *,
        telemetry: bool = True,
        begin: Callable[[Simulation], object] | None = None,
    ) -> None:
        self.world = world = World(pick, telemetry=telemetry, begin=begin)
        ends = [an_end(world) for _ in range(pick([1, 2, 3]))]
        chains = [some_stages(world) for _ in range(pick([1, 2]))]
        for _ in range(pick([1, 2, 3])):
            add_a_client(world, pick(ends), pick(chains))
        for _ in range(pick([0, 1, 2])):
            add_a_supervisor(world)
        if pick([False, False, True]):
            add_a_monitor(world)
        self.needs_telemetry = False
        for _ in range(pick([1, 0, 2, 3, 5])):
            self.needs_telemetry |= add_a_fault(world)
        meddle(world, pick([0, 1, 2, 4, 6]))
        listeners = pick([0, 0, 1, 2])
        react(world, listeners)
        self.needs_telemetry |= listeners > 0
        world.plans.sort(key=lambda plan: plan[0])
        self.looks = sorted({pick([0.0, 0.25, 1.0, 1.5, 2.0, 3.125, 5.0, 7.75]) for _ in range(4)})

    def run(self) -> None:
        """Let it all happen, and see to it that the laws hold."""
        world, sim = self.world, self.world.sim
        for look in self.looks:
            if look > sim.now:
                sim.run(until=look)
            sim.check_invariants()
        sim.run(until=END)
        sim.check_invariants()
        world.end_workloads()
        sim.run(until=END + 1)
        world.heal()
        sim.check_invariants()
        sim.run(until=60)
        sim.check_invariants()
        kept = world.kept_for_good()
        assert kept == {}, kept
        assert not world.under_way
        active = [each.active for each in world.things(Sessions)]
        assert not any(active), active

    def works_again(self) -> None:
        """See to it that everybody can be served again."""
        world, sim = self.world, self.world.sim
        world.heal()
        for number, call in enumerate([*map(alone, world.stages), *world.ends]):
            for _ in range(40):
                ask = sim.process(try_once(sim, call))
                sim.run(until=sim.now + 5)
                assert ask.triggered
                if ask.value == "ok":
                    break
                world.heal()
            else:
                message = f"call {number} is never served again: {ask.value}"
                raise AssertionError(message)
        sim.check_invariants()
        kept = world.kept_for_good()
        assert kept == {}, kept

    def fate(self) -> Any:
        """Return what became of everything, as far as one can see without telemetry."""
        return (
            [(a.client, a.began, a.ended, a.outcome, a.error) for a in self.world.answers],
            self.world.state(),
        )


def check(pick: Pick) -> Course:
    """Let a world run three times, and see to it that all laws hold."""
    noted = Noted(pick)
    course = Course(noted)
    course.run()
    requests_are_told_of(course)
    digest, fate = course.world.sim.recording.digest, course.fate()
    again = Course(Picks(noted.numbers))
    again.run()
    assert again.world.sim.recording.digest == digest
    assert again.fate() == fate
    if not course.needs_telemetry:
        silent = Course(Picks(noted.numbers), telemetry=False)
        silent.run()
        assert silent.fate() == fate
    if not course.world.forever:
        course.works_again()
    return course


def requests_are_told_of(course: Course) -> None:
    """See to it that each request finished once, as its caller saw it."""
    recording = course.world.sim.recording
    started = recording.frame(events.request.Started)
    finished = recording.frame(events.request.Finished)
    delayed = recording.frame(events.request.Delayed)
    began = dict(zip(started["correlation_id"], started["time"], strict=True))
    late = dict(zip(delayed["correlation_id"], delayed["delay"], strict=True))
    assert len(began) == started.height == finished.height
    ends: dict[Any, Any] = {}
    for row in finished.iter_rows(named=True):
        assert row["outcome"] in OUTCOMES
        assert row["duration"] == row["time"] - began[row["correlation_id"]]
        ends[row["correlation_id"]] = row
    assert len(ends) == finished.height
    asked = dict.fromkeys(ends, 0)
    for answer in course.world.answers:
        if not answer.client.startswith("client"):
            continue
        assert answer.correlation_id is not None
        row = ends[answer.correlation_id]
        asked[answer.correlation_id] += 1
        assert (row["time"], row["outcome"]) == (answer.ended, answer.outcome)
        due = began[answer.correlation_id] + late.get(answer.correlation_id, 0.0)
        assert answer.began == pytest.approx(due, abs=1e-9)
    for request, times in asked.items():
        assert times == 1 or (times == 0 and ends[request]["outcome"] == "cancelled")


@pytest.mark.slow
@settings(max_examples=120)
@given(st.data())
def test_nothing_is_lost_in_any_world(data: st.DataObject) -> None:
    check(lambda options: options[data.draw(st.integers(0, len(options) - 1))])
