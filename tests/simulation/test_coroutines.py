"""The bridges between processes and coroutines, both ways, on every path."""

# lab: allow-sleep-in-file every sleep is on the virtual clock

from __future__ import annotations

import asyncio
import gc
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import BackendError, CircuitOpen, TaskFailed, TimedOut
from foundation_lab.services import (
    Backend,
    CircuitBreaker,
    ConnectionManager,
    Retry,
    Timeout,
    fixed_backoff,
)
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

SEED = 5


class KeywordOnly(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__()
        self.code = code


@pytest.fixture
def sim() -> Simulation:
    return Simulation(seed=SEED)


async def work(seconds: float, result: object = "done") -> object:
    await asyncio.sleep(seconds)
    if isinstance(result, BaseException):
        raise result
    return result


async def tidy(sim: Simulation, notes: list[str], seconds: float = 2) -> None:
    """Work that notes its cancellation, and then takes some time to end."""
    try:
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        notes.append(f"cancelled at {sim.now:g}")
        await asyncio.sleep(seconds)
        notes.append(f"ended at {sim.now:g}")
        raise


# -- a task that waits for the simulation ----------------------------------------------------------


def test_a_task_awaits_events_and_processes(sim: Simulation) -> None:
    def process() -> Any:
        yield 2.0
        return "from the process"

    async def main() -> list[object]:
        results = [await sim.as_future(sim.timeout(1, "value")), sim.now]
        results += [await sim.timeout(1, "as it is"), sim.now]
        results += [await sim.process(process()), sim.now]
        past = sim.timeout(0, "past")
        await sim.timeout(1)
        return [*results, await past, sim.now]

    assert sim.run_async(main()) == ["value", 1, "as it is", 2, "from the process", 4, "past", 5]


def test_events_of_simpy_itself_can_be_awaited_through_a_future(sim: Simulation) -> None:
    async def main() -> None:
        await sim.as_future(simpy.Event(sim).succeed())
        await sim.as_future(simpy.Timeout(sim, 3))

    sim.run_async(main())
    assert sim.now == 3


def test_a_failure_arrives_as_the_original_exception(sim: Simulation) -> None:
    error = KeywordOnly(code=1)

    def process() -> Any:
        yield 1.0
        raise error

    async def main() -> None:
        for wait in (sim.as_future(sim.process(process())), sim.do(process())):
            with pytest.raises(KeywordOnly) as caught:
                await wait
            assert caught.value is error

    sim.run_async(main())


def test_a_stop_iteration_is_told_as_a_runtime_error(sim: Simulation) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="StopIteration"):
            await sim.as_future(sim.event().fail(StopIteration()))

    sim.run_async(main())


def test_a_slot_is_given_back_at_the_end_of_the_block(sim: Simulation) -> None:
    desk = sim.Resource(capacity=1)
    log: list[tuple[str, float]] = []

    async def customer(name: str) -> None:
        async with sim.as_future(desk.request()):
            log.append((name, sim.now))
            await asyncio.sleep(2)

    async def main() -> None:
        await asyncio.gather(*map(customer, "abc"))

    sim.run_async(main())
    assert log == [("a", 0), ("b", 2), ("c", 4)]
    assert desk.count == 0


@pytest.mark.parametrize("when", [0.5, 1.0])
def test_a_slot_is_not_lost_when_its_waiter_is_cancelled_even_at_the_grant(
    sim: Simulation, when: float
) -> None:
    desk = sim.Resource(capacity=1)

    def holder() -> Any:
        with desk.request() as request:
            yield request
            yield 1.0

    async def main() -> None:
        sim.process(holder())
        await asyncio.sleep(0)
        waiter = asyncio.create_task(_hold(sim, desk))
        await asyncio.sleep(0)
        await sim.at(when)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        await asyncio.sleep(2)
        assert (desk.count, len(desk.queue)) == (0, 0)

    sim.run_async(main())


async def _hold(sim: Simulation, desk: Any) -> None:
    await sim.as_future(desk.request())
    await asyncio.sleep(100)


def test_an_item_is_not_lost_either(sim: Simulation) -> None:
    store = sim.Store()

    async def main() -> None:
        getter = asyncio.create_task(_get(sim, store))
        await asyncio.sleep(1)
        store.put("thing")
        getter.cancel()
        await asyncio.sleep(1)
        assert store.items == ["thing"]

    sim.run_async(main())


async def _get(sim: Simulation, store: Any) -> None:
    await sim.as_future(store.get())


def test_a_task_that_holds_a_slot_can_be_preempted(sim: Simulation) -> None:
    desk = sim.PreemptiveResource(capacity=1)

    async def low() -> None:
        async with sim.as_future(desk.request(priority=9)):
            await asyncio.sleep(100)

    async def main() -> None:
        task = asyncio.create_task(low())
        await asyncio.sleep(1)
        async with sim.as_future(desk.request(priority=0)):
            with pytest.raises(asyncio.CancelledError):
                await task
        assert sim.now == 1

    sim.run_async(main())


def test_items_of_a_store_come_one_by_one(sim: Simulation) -> None:
    store = sim.Store()

    def producer() -> Any:
        for number in range(3):
            yield 1.0
            yield store.put(number)

    async def main() -> list[tuple[int, float]]:
        sim.process(producer())
        seen = []
        async for item in sim.items(store):
            seen.append((item, sim.now))
            if item == 2:
                break
        return seen

    assert sim.run_async(main()) == [(0, 1), (1, 2), (2, 3)]


# -- services from tasks ---------------------------------------------------------------------------


def test_a_task_calls_a_service(sim: Simulation) -> None:
    backend = Backend(sim, "db", service_time=0.5)
    breaker = CircuitBreaker(sim, "payments", failure_threshold=2)

    async def main() -> None:
        await sim.do(breaker.call(backend.request))
        for _ in range(2):
            with pytest.raises(BackendError):
                await sim.do(breaker.call(lambda: work(1, BackendError("no"))))
        with pytest.raises(CircuitOpen):
            await sim.do(breaker.call(backend.request))

    sim.run_async(main())
    assert sim.now == 2.5
    sim.check_invariants()


def test_cancelling_a_task_interrupts_the_service_that_it_calls(sim: Simulation) -> None:
    pool = ConnectionManager(sim, "pool", size=1)

    def slow() -> Any:
        try:
            yield 100.0
        finally:
            yield 2.0  # a rollback

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await sim.do(pool.call(slow))
        assert sim.now == 3

    sim.run_async(main())
    sim.check_invariants()
    assert sim.living() == []


def test_what_a_service_fails_with_when_it_is_interrupted_is_raised(sim: Simulation) -> None:
    def process() -> Any:
        try:
            yield 100.0
        except simpy.Interrupt:
            raise ZeroDivisionError from None

    async def main() -> None:
        task = asyncio.create_task(sim.do(process()))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(ZeroDivisionError):
            await task

    sim.run_async(main())


def test_a_task_that_is_cancelled_twice_still_waits_for_the_end(sim: Simulation) -> None:
    def stubborn() -> Any:
        for _ in range(2):
            try:
                yield 100.0
            except simpy.Interrupt:
                yield 1.0

    async def main() -> None:
        task = asyncio.create_task(sim.do(stubborn()))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not sim.living()

    sim.run_async(main())


def test_only_a_generator_can_be_done(sim: Simulation) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="no generator"):
            await sim.do(5)  # type: ignore[arg-type]

    sim.run_async(main())


# -- coroutines from processes and services --------------------------------------------------------


@pytest.mark.parametrize("way", ["call", "yield", "service"])
def test_a_process_waits_for_a_coroutine(sim: Simulation, way: str) -> None:
    retry = Retry(sim, "retry", max_attempts=1, backoff=fixed_backoff(0))
    ways: dict[str, Callable[[Any], Generator[Any, Any, Any]]] = {
        "call": sim.call,
        "yield": _yield,
        "service": lambda coroutine: retry.call(lambda: coroutine),
    }
    error = KeywordOnly(code=3)

    def process() -> Any:
        result = yield from ways[way](work(1.5))
        with pytest.raises(KeywordOnly) as caught:
            yield from ways[way](work(1, error))
        assert caught.value is error
        return result, sim.now

    assert sim.run(until=sim.process(process())) == ("done", 2.5)


def _yield(awaitable: Any) -> Generator[Any, Any, Any]:
    return (yield awaitable)


def test_a_process_waits_for_tasks_futures_and_whatever_can_be_awaited(sim: Simulation) -> None:
    class Awaitable:
        def __await__(self) -> Any:
            return work(1, "own").__await__()

    future = sim.event_loop().create_future()
    sim.call_at(2, lambda: future.set_result("future"))
    task = sim.task(work(3, "task"))

    def process() -> Any:
        results = []
        for awaitable in (Awaitable(), future, task, task):
            result = yield from sim.call(awaitable)
            results.append((result, sim.now))
        return results

    assert sim.run(until=sim.process(process())) == [
        ("own", 1), ("future", 2), ("task", 3), ("task", 3),
    ]  # fmt: skip


def test_interrupting_a_process_cancels_the_coroutine_and_waits_for_its_end(
    sim: Simulation,
) -> None:
    notes: list[str] = []

    def process() -> Any:
        try:
            yield from sim.call(tidy(sim, notes))
        except simpy.Interrupt as interrupt:
            notes.append(f"{interrupt.cause} at {sim.now:g}")

    victim = sim.process(process())
    sim.call_at(1, lambda: victim.interrupt("enough"))
    sim.run()
    assert notes == ["cancelled at 1", "ended at 3", "enough at 3"]


def test_the_last_of_several_interrupts_is_raised_after_the_end(sim: Simulation) -> None:
    notes: list[str] = []

    async def stubborn() -> None:
        for _ in range(2):
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                notes.append(f"cancelled at {sim.now:g}")

    def process() -> Any:
        with pytest.raises(simpy.Interrupt) as caught:
            yield from sim.call(stubborn())
        notes.append(f"{caught.value.cause} at {sim.now:g}")

    victim = sim.process(process())
    sim.call_at(1, lambda: victim.interrupt("first"))
    sim.call_at(2, lambda: victim.interrupt("second"))
    sim.run()
    assert notes == ["cancelled at 1", "cancelled at 2", "second at 2"]


def test_what_a_coroutine_fails_with_when_it_is_cancelled_is_raised(sim: Simulation) -> None:
    async def clumsy() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            raise ZeroDivisionError

    def process() -> Any:
        with pytest.raises(ZeroDivisionError) as caught:
            yield from sim.call(clumsy())
        assert isinstance(caught.value.__cause__, simpy.Interrupt)

    victim = sim.process(process())
    sim.call_at(1, victim.interrupt)
    sim.run()
    assert victim.ok


def test_a_process_that_only_yields_the_coroutine_cancels_it_and_goes_on_at_once(
    sim: Simulation,
) -> None:
    notes: list[str] = []

    def process() -> Any:
        try:
            yield tidy(sim, notes)
        except simpy.Interrupt:
            notes.append(f"interrupted at {sim.now:g}")

    victim = sim.process(process())
    sim.call_at(1, victim.interrupt)
    sim.run()
    assert notes == ["interrupted at 1", "cancelled at 1", "ended at 3"]


def test_a_task_that_was_there_before_goes_on_when_a_process_stops_waiting_for_it(
    sim: Simulation,
) -> None:
    task = sim.task(work(5))

    def process() -> Any:
        try:
            yield task
        except simpy.Interrupt:
            return sim.now

    victim = sim.process(process())
    sim.call_at(1, victim.interrupt)
    sim.run()
    assert (victim.value, task.result()) == (1, "done")


def test_a_task_that_somebody_else_cancels_is_told_to_the_process(sim: Simulation) -> None:
    task = sim.task(work(5))
    sim.call_at(1, task.cancel)

    def process() -> Any:
        with pytest.raises(asyncio.CancelledError):
            yield from sim.call(task)
        return sim.now

    assert sim.run(until=sim.process(process())) == 1


@pytest.mark.parametrize("when", [1.0, 2.0])
def test_an_interrupt_at_the_instant_of_the_end_loses_nothing(sim: Simulation, when: float) -> None:
    def process() -> Any:
        try:
            yield from sim.call(work(2, BackendError("no")))
        except (simpy.Interrupt, BackendError) as error:
            return type(error)

    victim = sim.process(process())

    def interrupt() -> None:
        if victim.is_alive:
            victim.interrupt()

    sim.call_at(when, interrupt)
    sim.run()
    assert victim.value in {simpy.Interrupt, BackendError}


def test_a_task_that_fails_ends_the_run_with_an_error_unless_somebody_keeps_it(
    sim: Simulation,
) -> None:
    async def fail(delay: float) -> None:
        await asyncio.sleep(delay)
        raise ValueError(delay)

    kept = sim.task(fail(1))
    sim.run(until=2)
    sim.task(fail(3))
    with pytest.raises(TaskFailed, match=r"'fail'\): ValueError: 3") as told:
        sim.run(until=6)
    assert len(told.value.errors) == 1
    sim.run(until=9)
    assert str(kept.exception()) == "1"


def test_a_limit_around_a_coroutine_cancels_it(sim: Simulation) -> None:
    notes: list[str] = []
    timeout = Timeout(sim, "limit", 1.5)
    breaker = CircuitBreaker(sim, "breaker", call_timeout=1)

    def process() -> Any:
        with pytest.raises(TimedOut):
            yield from timeout.call(lambda: tidy(sim, notes, 0))
        with pytest.raises(TimedOut):
            yield from breaker.call(lambda: tidy(sim, notes, 0))

    sim.run(until=sim.process(process()))
    assert notes == [
        "cancelled at 1.5", "ended at 1.5", "cancelled at 2.5", "ended at 2.5",
    ]  # fmt: skip
    sim.check_invariants()


def test_a_process_that_is_closed_cancels_its_coroutine(sim: Simulation) -> None:
    notes: list[str] = []
    call = sim.call(tidy(sim, notes, 0))

    def process() -> Any:
        with pytest.raises(asyncio.CancelledError):
            yield from call

    sim.process(process())
    sim.run(until=1)
    call.close()
    sim.run()
    assert notes == ["cancelled at 1", "ended at 1"]


# -- whatever is nested in whatever ----------------------------------------------------------------


def nested(sim: Simulation, ways: list[str], work: Callable[[], Any]) -> Any:
    """Return a generator that does some work behind so many bridges."""
    if not ways:
        return work()
    inside = nested(sim, ways[1:], work)
    match ways[0]:
        case "call":
            return sim.call(sim.do(inside))
        case "yield":
            return _yield(sim.do(inside))
    retry = Retry(sim, f"retry {len(sim.components)}", max_attempts=1, backoff=fixed_backoff(0))
    return retry.call(lambda: sim.do(inside))


@pytest.mark.parametrize("waits", ["around a service", "directly"])
def test_calls_under_way_at_the_end_of_a_run_are_no_tasks_that_somebody_forgot(
    waits: str, caplog: pytest.LogCaptureFixture
) -> None:
    def run_for_a_while() -> None:
        sim = Simulation(seed=SEED)
        retry = Retry(sim, "again", attempt_timeout=2)
        service = retry.call(lambda: work(10))
        process = sim.process(_yield(work(10)) if waits == "directly" else service)
        sim.run(until=3)
        assert process.is_alive

    run_for_a_while()
    gc.collect()
    assert caplog.messages == []


@settings(max_examples=200, deadline=None)
@given(
    calls=st.lists(
        st.tuples(
            st.lists(st.sampled_from(["call", "yield", "service"]), max_size=5),
            st.sampled_from([0.0, 0.5, 1.0, 2.0]),  # how long
            st.sampled_from([None, 0.0, 0.5, 1.0]),  # when it is cancelled
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_nothing_is_lost_in_any_nesting_of_coroutines_and_processes(
    calls: list[tuple[list[str], float, float | None]],
) -> None:
    sim = Simulation(seed=SEED)
    pool = ConnectionManager(sim, "pool", size=2)

    async def main() -> None:
        tasks = []
        for ways, seconds, cancelled in calls:
            work = partial(pool.call, partial(sim.sleep, seconds))
            task = asyncio.create_task(sim.do(nested(sim, ways, work)))
            tasks.append(task)
            if cancelled is not None:
                sim.call_in(cancelled, task.cancel)
        await asyncio.wait(tasks)
        for task, (_, _, cancelled) in zip(tasks, calls, strict=True):
            assert cancelled is not None or not task.cancelled()

    sim.run_async(main())
    sim.run()
    sim.check_invariants()
    assert sim.living() == []
    assert sim.now <= 6  # three rounds of two connections, two seconds each
