from collections.abc import Callable, Generator
from typing import Any

import pytest
import simpy

from foundation_lab.errors import SchedulingError, TimedOut
from foundation_lab.simulation import resources
from foundation_lab.simulation.engine import Simulation

SEED = 5
Log = list[tuple[Any, ...]]


def wait(sim: Simulation, log: Log, event: Callable[[], Any], seconds: float) -> Any:
    """Start a process that waits for an event with a timeout and writes down how it ended."""

    def patient() -> Generator[Any, Any, None]:
        try:
            value = yield from sim.with_timeout(event(), seconds)
        except (TimedOut, simpy.Interrupt, ValueError) as error:
            log.append((sim.now, type(error).__name__))
        else:
            log.append((sim.now, value))

    return sim.process(patient())


def hold(sim: Simulation, resource: Any, seconds: float) -> None:
    """Start a process that has a slot for some time."""

    def holder() -> Generator[Any, Any, None]:
        with resource.request() as request:
            yield request
            yield seconds

    sim.process(holder())


def test_what_comes_in_time_is_returned_and_the_timer_is_gone() -> None:
    sim, log = Simulation(SEED), Log()
    wait(sim, log, lambda: sim.timeout(2, "here"), 1000)
    sim.run()
    assert (log, sim.now) == ([(2, "here")], 2)


def test_what_does_not_come_in_time_raises() -> None:
    sim, log = Simulation(SEED), Log()
    wait(sim, log, sim.event, 3)
    sim.run()
    assert log == [(3, "TimedOut")]


def test_an_error_of_ones_own_is_raised() -> None:
    sim = Simulation(SEED)

    def impatient() -> Any:
        with pytest.raises(TimedOut, match="the bus is late"):
            yield from sim.with_timeout(sim.event(), 1, TimedOut("the bus is late"))

    sim.process(impatient())
    sim.run()
    assert sim.now == 1


def test_a_failure_comes_through_as_it_is() -> None:
    sim, log = Simulation(SEED), Log()
    wait(sim, log, lambda: sim.event().fail(ValueError("broken")), 1)
    sim.run()
    assert log == [(0, "ValueError")]


def test_an_event_at_the_very_instant_of_the_timeout_is_in_time_however_late_it_is_triggered() -> (
    None
):
    sim, log = Simulation(SEED), Log()
    event = sim.event()
    wait(sim, log, lambda: event, 3)

    def late() -> Any:
        yield sim.timeout(3)
        yield sim.timeout(0)
        event.succeed("just so")

    sim.process(late())
    sim.run()
    assert log == [(3, "just so")]


@pytest.mark.parametrize("make", [resources.Resource, simpy.Resource], ids=["ours", "SimPy's"])
def test_a_request_that_is_given_up_leaves_the_line_and_no_slot_is_lost(make: Any) -> None:
    sim, log = Simulation(SEED), Log()
    resource = make(sim, 1)
    hold(sim, resource, 5)
    wait(sim, log, resource.request, 2)
    sim.run()
    assert log == [(2, "TimedOut")]
    assert (resource.count, resource.queue) == (0, [])


@pytest.mark.parametrize("make", [resources.Resource, simpy.Resource], ids=["ours", "SimPy's"])
def test_a_slot_that_is_granted_at_the_instant_of_the_timeout_is_the_waiters(make: Any) -> None:
    sim, log = Simulation(SEED), Log()
    resource = make(sim, 1)
    hold(sim, resource, 2)
    wait(sim, log, resource.request, 2)
    sim.run()
    assert [time for time, _ in log] == [2]
    assert log[0][1] != "TimedOut"
    assert resource.count == 1


@pytest.mark.parametrize("make", [resources.Resource, simpy.Resource], ids=["ours", "SimPy's"])
def test_a_slot_that_is_granted_at_the_instant_of_an_interrupt_is_given_back(make: Any) -> None:
    sim, log = Simulation(SEED), Log()
    resource = make(sim, 1)

    def holder() -> Any:
        request = resource.request()
        yield request
        yield 2.0
        resource.release(request)
        yield sim.timeout(0)  # the slot is passed on meanwhile
        waiter.interrupt()

    sim.process(holder())
    waiter = wait(sim, log, resource.request, 100)
    sim.run()
    assert log == [(2, "Interrupt")]
    assert (resource.count, resource.queue) == (0, [])


STORES = [
    (resources.Store, ["first", "second"]),
    (simpy.Store, ["first", "second"]),
    (resources.PriorityStore, ["a", "b"]),
    (resources.FilterStore, ["first", "second"]),
]


@pytest.mark.parametrize(("make", "items"), STORES)
def test_an_item_got_at_the_instant_of_an_interrupt_is_put_back_in_its_place(
    make: Any, items: list[str]
) -> None:
    sim, log = Simulation(SEED), Log()
    store = make(sim)
    waiter = wait(sim, log, store.get, 100)

    def bring() -> Any:
        yield 1.0
        store.put(items[0])
        store.put(items[1])
        yield sim.timeout(0)
        waiter.interrupt()

    sim.process(bring())
    sim.run()
    assert log == [(1, "Interrupt")]
    assert store.items == items


def test_an_amount_got_at_the_instant_of_an_interrupt_is_put_back_for_the_next() -> None:
    sim, log = Simulation(SEED), Log()
    tank = resources.Container(sim, init=0)
    first = wait(sim, log, lambda: tank.get(3), 100)
    wait(sim, log, lambda: tank.get(3), 100)

    def fill() -> Any:
        yield 1.0
        tank.put(3)
        yield sim.timeout(0)
        first.interrupt()

    sim.process(fill())
    sim.run()
    assert [entry[0] for entry in log] == [1, 1]
    assert log[0] == (1, "Interrupt")
    assert (tank.level, tank.get_queue) == (0, [])


def test_a_get_that_is_given_up_takes_nothing_later() -> None:
    sim, log = Simulation(SEED), Log()
    store = sim.Store()
    wait(sim, log, store.get, 1)

    def bring() -> Any:
        yield 2.0
        yield store.put("late")

    sim.process(bring())
    sim.run()
    assert log == [(1, "TimedOut")]
    assert store.items == ["late"]


def test_a_wait_that_cannot_be_is_refused() -> None:
    sim = Simulation(SEED)

    def wrong() -> Any:
        with pytest.raises(SchedulingError, match="Negative delay -1"):
            yield from sim.with_timeout(sim.event(), -1)
        yield 0.0

    sim.process(wrong())
    sim.run()
    with pytest.raises(RuntimeError, match="with_timeout needs a running process"):
        next(sim.with_timeout(sim.event(), 1))


def test_requests_in_a_condition_that_is_given_up_are_withdrawn_one_by_one() -> None:
    sim, log = Simulation(SEED), Log()
    free, busy = sim.Resource(), sim.Resource()
    hold(sim, busy, 5)
    wait(sim, log, lambda: free.request() & busy.request(), 1)
    sim.run()
    assert log == [(1, "TimedOut")]
    assert (free.count, busy.count, busy.queue) == (0, 0, [])


def test_a_timer_that_was_not_needed_leaves_no_trace_at_its_own_instant() -> None:
    sim, log = Simulation(SEED), Log()
    wait(sim, log, lambda: sim.timeout(3, "just"), 3)
    sim.run(until=3)
    sim.step()  # the timeout
    sim.step()  # the end of the process
    assert (log, sim.peek()) == ([(3, "just")], float("inf"))
