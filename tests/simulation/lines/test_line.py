"""Lines in front of slots: who is served when, and who is sent away."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import simpy

from foundation_lab.errors import LoadShed, Rejected
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.lines.line import (
    AdaptiveLifo,
    EarliestDeadline,
    Fifo,
    Lifo,
    Priority,
    Ticket,
    ticket_for,
)
from foundation_lab.simulation.lines.shedding import CoDel, ControlledDelay, DeadlineAware
from foundation_lab.simulation.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.lines.line import Line
    from foundation_lab.simulation.process import Process

LINES: dict[str, Callable[[], Line]] = {
    "Fifo": Fifo,
    "Lifo": Lifo,
    "AdaptiveLifo": lambda: AdaptiveLifo(2),
    "Priority": Priority,
    "EarliestDeadline": EarliestDeadline,
    "CoDel": CoDel,
    "ControlledDelay": ControlledDelay,
    "DeadlineAware": DeadlineAware,
}


def arrive(
    sim: Simulation, slots: Slots, at: float, hold: float, ticket: Ticket | None = None
) -> Process:
    """Start somebody who wants a place; the value is when they got it, or how it ended and when."""

    def somebody() -> Generator[Any, Any, Any]:
        yield at
        turn = slots.claim(ticket)
        if turn is not None:
            try:
                yield from slots.wait(turn)
            except LoadShed as shed:
                return shed.reason, sim.now
            except simpy.Interrupt:
                return "left", sim.now
        got = sim.now
        yield hold
        slots.release()
        return got

    return sim.process(somebody())


def values(sim: Simulation, arrivals: list[Process]) -> list[Any]:
    sim.run()
    return [each.value for each in arrivals]


def test_last_in_first_out() -> None:
    sim = Simulation(seed=1)
    slots = Slots(sim, 1, line=Lifo())
    waiters = [arrive(sim, slots, at, 10) for at in (0, 1, 2, 3)]
    assert values(sim, waiters) == [0, 30, 20, 10]


def test_a_full_line_sends_the_oldest_away_for_one_who_comes() -> None:
    sim = Simulation(seed=2)
    slots = Slots(sim, 1, line=Lifo(longest=2))
    waiters = [arrive(sim, slots, at, 10) for at in (0, 1, 2, 3, 4)]
    assert values(sim, waiters) == [0, ("overflow", 3), ("overflow", 4), 20, 10]
    assert (slots.used, slots.waiting) == (0, 0)


def test_who_has_left_does_not_count_for_a_full_line() -> None:
    sim = Simulation(seed=3)
    slots = Slots(sim, 1, line=Lifo(longest=2))
    waiters = [arrive(sim, slots, at, 10) for at in (0, 1, 2, 3)]
    sim.call_at(2.5, waiters[1].interrupt)
    assert values(sim, waiters) == [0, ("left", 2.5), 20, 10]


def test_adaptive_lifo_turns_round_while_more_than_the_threshold_wait() -> None:
    sim = Simulation(seed=4)
    slots = Slots(sim, 1, line=AdaptiveLifo(2))
    waiters = [arrive(sim, slots, at, 10) for at in (0, 1, 2, 3, 4)]
    # of 1, 2, 3, 4 the last, then of 1, 2, 3 the last; 1 and 2 are few: in their order
    assert values(sim, waiters) == [0, 30, 40, 20, 10]


def test_adaptive_lifo_below_its_threshold_is_first_in_first_out() -> None:
    sim = Simulation(seed=5)
    slots = Slots(sim, 1, line=AdaptiveLifo(3))
    waiters = [arrive(sim, slots, at, 10) for at in (0, 1, 2, 3)]
    assert values(sim, waiters) == [0, 10, 20, 30]


def test_the_smallest_priority_is_first_and_equals_come_in_their_order() -> None:
    sim = Simulation(seed=6)
    slots = Slots(sim, 1, line=Priority())
    ranks = (5, 1, 0, 1, 0)
    waiters = [arrive(sim, slots, k, 10, Ticket(rank)) for k, rank in enumerate(ranks)]
    assert values(sim, waiters) == [0, 30, 10, 40, 20]


def test_the_earliest_deadline_is_first_and_no_deadline_is_last() -> None:
    sim = Simulation(seed=7)
    slots = Slots(sim, 1, line=EarliestDeadline())
    deadlines = (math.inf, math.inf, 90, 50, 90)
    waiters = [arrive(sim, slots, k, 10, Ticket(0, when)) for k, when in enumerate(deadlines)]
    assert values(sim, waiters) == [0, 40, 20, 10, 30]


def test_work_that_cannot_be_in_time_any_more_is_sent_away_at_its_turn() -> None:
    sim = Simulation(seed=8)
    slots = Slots(sim, 1, line=DeadlineAware(needs=2))
    deadlines = (math.inf, 5, 11.9, 12, math.inf)
    waiters = [arrive(sim, slots, k, 10, Ticket(0, when)) for k, when in enumerate(deadlines)]
    assert values(sim, waiters) == [0, ("deadline", 10), ("deadline", 10), 10, 20]


def test_at_the_very_deadline_it_is_too_late() -> None:
    sim = Simulation(seed=9)
    slots = Slots(sim, 1, line=DeadlineAware())
    waiters = [arrive(sim, slots, 0, 10, Ticket(0, when)) for when in (99, 10, 10.5)]
    assert values(sim, waiters) == [0, ("deadline", 10), 10]


def test_the_place_is_free_when_everybody_was_sent_away() -> None:
    sim = Simulation(seed=10)
    slots = Slots(sim, 1, line=DeadlineAware())
    waiters = [arrive(sim, slots, at, 10, Ticket(0, 5 if at else 99)) for at in (0, 1, 2)]
    late = arrive(sim, slots, 20, 1, Ticket(0, 99))
    assert values(sim, [*waiters, late]) == [0, ("deadline", 10), ("deadline", 10), 20]
    assert slots.used == 0
    assert slots.violations() == []


def test_the_earliest_deadline_first_serves_more_in_time() -> None:
    served = {}
    for earliest in (False, True):
        sim = Simulation(seed=11)
        slots = Slots(sim, 1, line=DeadlineAware(needs=10, earliest_first=earliest))
        waiters = [arrive(sim, slots, 0, 10, Ticket(0, when)) for when in (99, 40, 20)]
        served[earliest] = values(sim, waiters)
    assert served == {False: [0, 10, ("deadline", 20)], True: [0, 20, 10]}


def test_controlled_delay_lets_a_burst_wait_for_the_interval() -> None:
    sim = Simulation(seed=12)
    slots = Slots(sim, 1, line=ControlledDelay(0.005, 0.1))
    waiters = [arrive(sim, slots, 0, 0.05) for _ in range(4)]
    assert values(sim, waiters) == [0, 0.05, 0.1, ("delay", 0.05 + 0.05 + 0.05)]


def test_controlled_delay_has_no_patience_with_a_standing_line() -> None:
    line = ControlledDelay(0.005, 0.1)
    sim = Simulation(seed=13)
    slots = Slots(sim, 1, line=line)
    first = [arrive(sim, slots, at, 0.14) for at in (0, 0.08)]  # the line stands from 0.08 on
    at_the_border = arrive(sim, slots, 0.08, 0.2)
    late = arrive(sim, slots, 0.3, 0.0)
    later = arrive(sim, slots, 0.335, 0.0)  # 0.005 seconds to wait
    assert values(sim, [*first, at_the_border, late, later]) == [
        0,
        0.14,
        ("delay", 0.14 + 0.14),
        0.3,
        0.335,
    ]


def test_the_limit_of_controlled_delay_is_that_of_fail_at_scale() -> None:
    line = ControlledDelay()
    sim = Simulation(seed=14)
    slots = Slots(sim, 1, line=line)
    limits = []

    def join(at: float) -> None:
        def now() -> None:
            turn = slots.claim()
            limits.append((at, None if turn is None else turn.limit))

        sim.call_at(at, now)

    for at in (0.0, 1.0, 1.05, 1.1, 1.11, 2.0):
        join(at)
    sim.run()
    assert limits == [
        (0.0, None),
        (1.0, 0.1),
        (1.05, 0.1),
        (1.1, 0.1),  # empty at 1.0: within the last interval, at its border
        (1.11, 0.005),
        (2.0, 0.005),
    ]


def test_codel_ends_a_standing_queue_and_leaves_a_burst_alone() -> None:
    served = {}
    for name, load in (("burst", 10), ("overload", 400)):
        sim = Simulation(seed=15)
        slots = Slots(sim, 1, line=CoDel())
        gap = 0.0 if name == "burst" else 0.008
        waiters = [arrive(sim, slots, k * gap, 0.01) for k in range(load)]
        found = values(sim, waiters)
        served[name] = [each for each in found if isinstance(each, float | int)]
        assert slots.violations() == []
    assert len(served["burst"]) == 10
    assert len(served["overload"]) < 400


def test_a_line_that_empties_by_itself_is_no_standing_queue_to_codel() -> None:
    sim = Simulation(seed=16)
    line = CoDel()
    slots = Slots(sim, 1, line=line)
    arrive(sim, slots, 0, 0.05)
    leavers = [arrive(sim, slots, 0, 0.02) for _ in range(5)]
    for leaver in leavers[1:]:
        sim.call_at(0.06, leaver.interrupt)
    again = [arrive(sim, slots, 5, 0.02) for _ in range(5)]
    sim.run()
    assert [each.value for each in again] == pytest.approx([5, 5.02, 5.04, 5.06, 5.08])


def test_shedding_goes_around_any_order() -> None:
    sim = Simulation(seed=17)
    slots = Slots(sim, 1, line=ControlledDelay(0.5, 15, order=AdaptiveLifo(1)))
    waiters = [arrive(sim, slots, at, 10) for at in (0, 1, 2, 3)]
    # at 10 the last; at 20 the one before, who has waited for 18
    assert values(sim, waiters) == [0, ("delay", 20), ("delay", 20), 10]


def test_who_is_sent_away_is_told_why_as_a_rejection() -> None:
    shed = LoadShed("sent away", "codel")
    assert isinstance(shed, Rejected)
    assert (str(shed), shed.reason, shed.outcome) == ("sent away", "codel", "rejected")


def test_an_interrupt_at_the_instant_of_being_sent_away_is_an_interrupt() -> None:
    sim = Simulation(seed=18)
    slots = Slots(sim, 1, line=DeadlineAware())
    arrive(sim, slots, 0, 10)
    waiter = arrive(sim, slots, 1, 10, Ticket(0, 5))

    def both() -> None:
        slots.release()
        slots.try_acquire()
        waiter.interrupt()

    sim.call_at(7, both)
    sim.run()
    assert waiter.value == ("left", 7)
    assert (slots.used, slots.waiting) == (0, 0)


@pytest.mark.parametrize("name", LINES)
def test_a_line_serves_one_set_of_slots_only(name: str) -> None:
    sim = Simulation(seed=19)
    line = LINES[name]()
    Slots(sim, 1, "a till", line=line)
    with pytest.raises(ValueError, match="is the line of a till; make another"):
        Slots(sim, 1, "another", line=line)


@pytest.mark.parametrize("name", LINES)
def test_whoever_leaves_leaves_no_trace_in_any_line(name: str) -> None:
    sim = Simulation(seed=20)
    line = LINES[name]()
    slots = Slots(sim, 1, line=line)
    slots.try_acquire()
    waiters = [arrive(sim, slots, 0, 1) for _ in range(100)]
    sim.run(until=1)
    for waiter in waiters[:-1]:
        waiter.interrupt()
    sim.run(until=2)
    assert slots.waiting == 1
    assert len(line) < 20
    assert slots.violations() == []
    slots.fail_all(lambda: LoadShed("all go", "all"))
    sim.run()
    assert waiters[-1].value == ("all", 2)
    assert len(line) == slots.waiting == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Lifo(longest=0), "longest=0"),
        (lambda: Lifo(longest=True), "longest=True"),
        (lambda: AdaptiveLifo(-1), "threshold=-1"),
        (lambda: CoDel(target=0), "target=0"),
        (lambda: CoDel(keep=-1), "keep=-1"),
        (lambda: ticket_for(1.5, None), "priority=1.5; give a whole number"),  # type: ignore[arg-type]
        (lambda: ticket_for(1, math.nan), "deadline=nan; give a virtual time"),
        (lambda: ControlledDelay(interval=math.inf), "interval=inf"),
        (lambda: DeadlineAware(needs=-1), "needs=-1"),
        (lambda: DeadlineAware(earliest_first=True, order=Fifo()), "give one of them"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_bug_in_a_line_is_not_taken_for_an_empty_one() -> None:
    class Broken(Fifo):
        def popleft(self) -> Any:
            message = "a bug"
            raise IndexError(message)

    sim = Simulation(seed=21)
    slots = Slots(sim, 1, line=Broken())
    slots.claim()
    slots.claim()
    with pytest.raises(IndexError, match="a bug"):
        slots.release()
