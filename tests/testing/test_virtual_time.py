"""Code that sleeps and reads the clock, as it is, in virtual time."""

# lab: allow-sleep-in-file every sleep is on the virtual clock

from __future__ import annotations

import asyncio
import copy
import datetime as dt
import multiprocessing
import pickle
import queue
import re
import subprocess
import sys
import threading
import time
from datetime import date
from datetime import datetime as moment
from time import monotonic, sleep
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from foundation_lab.errors import DeadlockError, LivelockError
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.exploring.exploration import Exploration
from foundation_lab.testing import virtual_time
from tests.testing.inner import run_pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pytest import Pytester, RunResult  # noqa: PT013  (types alone)

pytest_plugins = ["pytester"]

NEW_YEAR = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


class Watch:
    """A class that keeps a clock, as many do."""

    clock = staticmethod(time.monotonic)


@pytest.fixture
def sim() -> Simulation:
    return Simulation(seed=7, start=NEW_YEAR)


@pytest.fixture
def virtual(sim: Simulation) -> Iterator[Simulation]:
    with virtual_time(sim):
        yield sim


# -- clocks --------------------------------------------------------------------------------------


def test_sleeping_takes_no_time_and_every_clock_goes_on(virtual: Simulation) -> None:
    before = (time.time(), time.monotonic(), monotonic(), time.perf_counter(), Watch.clock())
    time.sleep(3600)
    sleep(0.5)
    after = (time.time(), time.monotonic(), monotonic(), time.perf_counter(), Watch().clock())
    assert [b - a for a, b in zip(before, after, strict=True)] == [3600.5] * 5
    assert virtual.now == 3600.5
    assert time.time_ns() - round(before[0] * 1e9) == 3600_500_000_000
    assert time.monotonic_ns() == time.perf_counter_ns() == 4600_500_000_000


def test_dates_tell_the_virtual_time_and_are_real_dates(virtual: Simulation) -> None:
    assert moment.now(dt.UTC) == dt.datetime.now(dt.UTC) == NEW_YEAR
    time.sleep(36 * 3600)
    assert moment.now(dt.UTC) == NEW_YEAR + dt.timedelta(hours=36)
    assert moment.utcnow() == dt.datetime(2025, 1, 2, 12)
    assert moment.today() == moment.now()
    assert date.today() == moment.now().date()
    assert isinstance(moment.now(), moment)
    assert isinstance(moment(2020, 1, 1), date)
    assert not isinstance(date(2020, 1, 1), moment)
    assert issubclass(moment, date)
    assert moment.fromisoformat("2020-01-01").year == 2020
    assert time.gmtime()[:4] == time.gmtime(time.time())[:4] == (2025, 1, 2, 12)
    assert time.gmtime(0)[0] == 1970
    assert time.ctime() == time.ctime(time.time())
    assert time.strftime("%Y") == "2025"
    assert time.strftime("%Y", time.gmtime(0)) == "1970"


def test_what_a_block_has_made_outlives_it_unharmed(sim: Simulation) -> None:
    with virtual_time(sim):
        made = [moment.now(), moment(2020, 1, 1), date.today(), date(2020, 1, 1)]
    kinds = [type(each) for each in made]
    assert kinds == [dt.datetime, dt.datetime, dt.date, dt.date]
    assert moment is dt.datetime
    assert type(moment) is type


def test_dates_are_pickled_and_copied_in_the_block_as_ever(sim: Simulation) -> None:
    before = [moment(2020, 1, 1, tzinfo=dt.UTC), date(2020, 1, 1)]
    pickled = [pickle.dumps(each) for each in before]
    with virtual_time(sim):
        assert [pickle.dumps(each) for each in before] == pickled
        assert [pickle.loads(each) for each in pickled] == before
        assert copy.deepcopy(before) == before
    assert [type(pickle.loads(each)) for each in pickled] == [moment, date]


def test_what_waits_for_the_operating_system_takes_real_time(virtual: Simulation) -> None:
    done = subprocess.run([sys.executable, "-c", ""], timeout=30, check=True)
    assert done.returncode == 0
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as waits:
        with pytest.raises(subprocess.TimeoutExpired):
            waits.wait(timeout=0.01)
        waits.kill()
    ours, theirs = multiprocessing.Pipe()
    assert not ours.poll(0.01)
    theirs.send("hello")
    assert ours.poll(0.01)
    ours.close()
    theirs.close()
    assert virtual.now == 0


def test_a_class_that_is_derived_in_the_block_makes_its_own(virtual: Simulation) -> None:
    class Later(moment):
        pass

    class Day(date):
        pass

    assert type(Later(2020, 1, 1)) is Later
    assert type(Day(2020, 1, 1)) is Day


def test_after_the_block_all_is_as_it_was(sim: Simulation) -> None:
    before = (
        time.time,
        time.sleep,
        monotonic,
        sleep,
        moment,
        date,
        Watch.clock,
        threading.Lock,
    )
    with virtual_time(sim):
        during = (time.time, time.sleep, monotonic, sleep, moment, date, Watch.clock)
        assert all(a is not b for a, b in zip(before, during, strict=False))
    after = (time.time, time.sleep, monotonic, sleep, moment, date, Watch.clock, threading.Lock)
    assert after == before


def test_a_module_that_is_imported_in_the_block_has_real_clocks_afterwards(
    sim: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: Any = ModuleType("late")
    with virtual_time(sim):
        late.sleep, late.moment = time.sleep, dt.datetime
        monkeypatch.setitem(sys.modules, "late", late)
    assert (late.sleep, late.moment) == (time.sleep, dt.datetime)


def test_the_date_at_virtual_0_may_be_given(sim: Simulation) -> None:
    with virtual_time(sim, start=0.0):
        assert time.time() == 0.0
    with virtual_time(Simulation()):
        assert time.time() > NEW_YEAR.timestamp()
        assert time.time() == int(time.time())


def test_blocks_do_not_nest_and_are_not_entered_while_the_simulation_runs(
    virtual: Simulation,
) -> None:
    with pytest.raises(RuntimeError, match="time is virtual already"), virtual_time(virtual):
        pass


def test_a_busy_wait_on_the_clock_is_an_error_that_names_its_line(virtual: Simulation) -> None:
    end = time.monotonic() + 1

    def wait() -> None:
        while time.monotonic() < end:
            pass

    with pytest.raises(LivelockError, match=r"test_virtual_time\.py:\d+ has read the clock"):
        wait()


def test_readings_may_cost_time(sim: Simulation) -> None:
    with virtual_time(sim, read_cost=0.25):
        assert time.time() < time.time()
        end = time.monotonic() + 1
        while time.monotonic() < end:
            pass
    assert sim.now == 0.0


@pytest.mark.parametrize("threads", [True, False])
def test_nobody_sleeps_back_in_time(
    sim: Simulation,
    threads: bool,  # noqa: FBT001  (a parameter of the test)
) -> None:
    with (
        virtual_time(sim, threads=threads),
        pytest.raises(ValueError, match="sleep length must be non-negative"),
    ):
        time.sleep(-1)


def test_a_class_of_dates_that_is_made_in_virtual_time_is_like_any_other(
    virtual: Simulation,
) -> None:
    class Named:
        pass

    class Moment(Named, dt.datetime):
        pass

    class Day(dt.date):
        pass

    moment, day, real = Moment(2025, 1, 1), Day(2025, 1, 1), dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    assert isinstance(moment, Moment)
    assert isinstance(moment, dt.datetime)
    assert isinstance(day, dt.date)
    assert not isinstance(real, Moment | Day)
    assert not issubclass(dt.datetime, Moment)
    time.sleep(3600)
    assert type(Moment.now()) is Moment
    assert Moment.now(dt.UTC) == dt.datetime.now(dt.UTC)
    assert type(Day.today()) is Day
    assert virtual.now == 3600


# -- threads -------------------------------------------------------------------------------------


def test_threads_sleep_beside_each_other(virtual: Simulation) -> None:
    done: list[tuple[str, float]] = []
    line: queue.Queue[str] = queue.Queue()

    def work(name: str, seconds: float) -> None:
        time.sleep(seconds)
        done.append((name, time.monotonic() - 1000))
        line.put(name)

    threads = [threading.Thread(target=work, args=each) for each in (("a", 3.0), ("b", 2.0))]
    for thread in threads:
        thread.start()
    assert [line.get(), line.get()] == ["b", "a"]
    for thread in threads:
        thread.join()
    assert done == [("b", 2.0), ("a", 3.0)]
    with pytest.raises(queue.Empty):
        line.get(timeout=5.0)
    assert virtual.now == 8.0


def test_without_virtual_threads_only_the_main_program_sleeps(sim: Simulation) -> None:
    problems: list[str] = []

    def work() -> None:
        try:
            time.sleep(1)
        except RuntimeError as error:
            problems.append(str(error))

    def process() -> Generator[Any, Any, None]:
        with pytest.raises(RuntimeError, match="'process' cannot block: a process yields"):
            time.sleep(1)
        yield 1.0

    with virtual_time(sim, threads=False):
        time.sleep(2)
        time.sleep(0)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        sim.run(until=sim.process(process()))
    assert sim.now == 3.0
    assert problems == [
        "a real thread cannot sleep in virtual time: install foundation-lab[threads]"
    ]


def test_threads_are_real_ones_where_greenlet_is_not_installed(sim: Simulation) -> None:
    lock = threading.Lock
    with (
        mock.patch("foundation_lab.testing.virtual_clocks.find_spec", return_value=None),
        virtual_time(sim),
    ):
        assert threading.Lock is lock
        time.sleep(5)
        assert asyncio.run(asyncio.to_thread(lambda: 3)) == 3
    assert sim.now == 5.0


# -- coroutines ----------------------------------------------------------------------------------


def test_every_new_event_loop_is_on_the_same_clock(virtual: Simulation) -> None:
    async def main() -> float:
        await asyncio.sleep(100)
        return time.monotonic() - 1000

    time.sleep(1)
    assert asyncio.run(main()) == 101.0
    assert asyncio.run(main()) == 201.0
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(main()) == 301.0
    loop.close()


def test_a_function_for_a_thread_sleeps_there_and_not_in_the_loop(virtual: Simulation) -> None:
    async def main() -> tuple[Any, ...]:
        results: Any = await asyncio.gather(
            asyncio.to_thread(time.sleep, 3),
            asyncio.to_thread(asyncio._get_running_loop),
            asyncio.sleep(2, "slept"),
            asyncio.get_running_loop().run_in_executor(None, time.sleep, 1),
        )
        return tuple(results)

    assert asyncio.run(main()) == (None, None, "slept", None)
    assert virtual.now == 3.0


def test_the_failure_of_a_function_for_a_thread_is_the_futures(virtual: Simulation) -> None:
    def fail() -> None:
        time.sleep(1)
        raise KeyError(5)

    async def main() -> None:
        with pytest.raises(KeyError):
            await asyncio.to_thread(fail)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await asyncio.to_thread(time.sleep, 60)

    asyncio.run(main())
    assert virtual.now == 1.5


def test_an_executor_of_ones_own_is_used(virtual: Simulation) -> None:
    from concurrent.futures import ThreadPoolExecutor

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as pool:

            def work(number: int) -> int:
                time.sleep(1)
                return number

            jobs = [loop.run_in_executor(pool, work, number) for number in range(3)]
            return await asyncio.gather(*jobs)

    assert asyncio.run(main()) == [0, 1, 2]
    assert virtual.now == 3.0


def test_a_sleep_in_a_coroutine_holds_up_the_loop_as_it_really_does(virtual: Simulation) -> None:
    told: list[tuple[str, float]] = []

    async def ticker() -> None:
        for _ in range(3):
            await asyncio.sleep(1)
            told.append(("tick", virtual.now))

    async def main() -> None:
        task = asyncio.create_task(ticker())
        await asyncio.sleep(0.5)
        time.sleep(2)  # noqa: ASYNC251  (what is tested)
        told.append(("blocked", virtual.now))
        await task

    asyncio.run(main())
    assert told == [("blocked", 2.5), ("tick", 2.5), ("tick", 3.5), ("tick", 4.5)]


def test_a_coroutine_may_block_on_a_thread_and_holds_up_its_loop(virtual: Simulation) -> None:
    line: queue.Queue[str] = queue.Queue()
    told: list[tuple[str, float]] = []

    def work() -> None:
        time.sleep(2)
        line.put("done")

    def process() -> Generator[Any, Any, None]:
        yield 1.0
        told.append(("process", virtual.now))

    async def ticker() -> None:
        await asyncio.sleep(1)
        told.append(("tick", virtual.now))

    async def main() -> str:
        virtual.process(process())
        task = asyncio.create_task(ticker())
        await asyncio.sleep(0)
        threading.Thread(target=work).start()
        result = line.get()
        await task
        return result

    assert asyncio.run(main()) == "done"
    assert told == [("process", 1.0), ("tick", 2.0)]


@pytest.mark.parametrize("schedule", ["shuffle", "pct"])
def test_no_order_lets_a_loop_go_on_that_is_blocked(schedule: str) -> None:
    def told(seed: int) -> str:
        sim, told = Exploration(seed, schedule=schedule), list[str]()

        def process(name: str) -> Generator[Any, Any, None]:
            for _ in range(2):
                yield 1.0
                told.append(name)

        async def ticker() -> None:
            await asyncio.sleep(1)
            told.append(f"tick {sim.now:g} ")

        async def main() -> None:
            sim.process(process("p"))
            sim.process(process("q"))
            tasks = [asyncio.create_task(ticker()) for _ in range(2)]
            await asyncio.sleep(0)
            time.sleep(3)  # noqa: ASYNC251  (what is tested)
            told.append("blocked ")
            await asyncio.gather(*tasks)

        with virtual_time(sim):
            asyncio.run(main())
        return "".join(told)

    ways = {told(seed) for seed in range(20)}
    # one that has not begun to sleep before wakes up a second later
    assert all(re.fullmatch("[pq]{4}blocked tick [34] tick [34] ", way) for way in ways)
    assert {"pqpqblocked tick 3 tick 3 ", "qpqpblocked tick 3 tick 3 "} <= ways


def test_a_coroutine_that_blocks_on_what_only_its_loop_could_bring_is_a_deadlock(
    virtual: Simulation,
) -> None:
    line: queue.Queue[str] = queue.Queue()

    async def main() -> None:
        asyncio.get_running_loop().call_later(1, line.put, "never")
        line.get()

    with pytest.raises(DeadlockError, match="the task 'Task-1' blocks the loop, and waits for"):
        asyncio.run(main())


def test_a_run_whose_end_falls_into_the_time_of_a_blocked_loop_ends_after_it(
    virtual: Simulation,
) -> None:
    async def blocks() -> None:
        await asyncio.sleep(1)
        time.sleep(5)  # noqa: ASYNC251  (what is tested)

    task = virtual.task(blocks())
    virtual.run(until=3.0)
    assert virtual.now == 6.0
    virtual.run()
    assert task.done()


def test_who_waits_for_ever_is_named(virtual: Simulation) -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError, match=r"asyncio's Event\.wait"):
        asyncio.run(main())


# -- as pytest runs it ---------------------------------------------------------------------------


def run(pytester: Pytester, code: str, *options: str) -> RunResult:
    pytester.makepyfile(test_old=code)
    return run_pytest(pytester, *options)


OLD = """
    import asyncio
    import time
    from datetime import datetime
    from time import sleep

    import pytest

    @pytest.fixture
    def slow():
        sleep(10)
        yield datetime.now()
        sleep(10)

    def test_one(slow):
        before = time.time()
        sleep(3600)
        assert time.time() - before == 3600
        assert (datetime.now() - slow).total_seconds() == 3600

    async def wait():
        await asyncio.sleep(60)
        return "done"

    def test_two():
        assert asyncio.run(wait()) == "done"
"""


def test_a_whole_suite_runs_in_virtual_time_as_it_is(pytester: Pytester) -> None:
    result = run(pytester, OLD, "--lab-virtual")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["virtual time: 3680 s went by"])


def test_the_fixture_is_virtual_time_for_one_test(pytester: Pytester) -> None:
    code = """
        import time

        def test_it(virtual_time):
            time.sleep(5)
            assert virtual_time.now == 5
            assert time.time() == {start} + 5

        def test_afterwards():
            assert type(time.sleep).__name__ == "builtin_function_or_method"
    """
    start = "--lab-start=2025-01-01"
    result = run(pytester, code.replace("{start}", str(NEW_YEAR.timestamp())), start)
    result.assert_outcomes(passed=2)


def test_a_start_that_is_no_date_is_refused(pytester: Pytester) -> None:
    result = run(pytester, OLD, "--lab-virtual", "--lab-start=soon")
    result.stderr.fnmatch_lines(["*--lab-start=soon: give a date as 2025-01-01T00:00:00Z*"])


def test_a_test_of_the_lab_keeps_its_own_clock_in_such_a_run(pytester: Pytester) -> None:
    code = """
        import time

        def test_it(sim):
            sim.run(until=5)
            assert type(time.sleep).__name__ == "builtin_function_or_method"
    """
    run(pytester, code, "--lab-virtual").assert_outcomes(passed=1)


def test_a_daemon_of_a_fixture_of_the_session_ends_with_its_test_and_can_be_joined(
    pytester: Pytester,
) -> None:
    pytester.makepyfile(
        """
        import threading
        import pytest

        @pytest.fixture(scope="session")
        def ticker():
            stop = threading.Event()
            thread = threading.Thread(target=lambda: stop.wait(1e9), daemon=True)
            thread.start()
            yield thread
            stop.set()
            thread.join()

        def test_one(ticker):
            assert ticker.is_alive()

        def test_other(ticker):
            assert not ticker.is_alive()
        """
    )
    run_pytest(pytester, "--lab-virtual").assert_outcomes(passed=2)


def test_a_thread_that_never_ends_fails_its_test_and_no_other(pytester: Pytester) -> None:
    code = """
        import threading

        def test_it():
            threading.Thread(target=threading.Event().wait, name="stuck").start()

        def test_afterwards():
            pass
    """
    result = run(pytester, code, "--lab-virtual")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["E *DeadlockError: *", "*stuck waits for *"])


def test_readings_cost_what_an_option_says(pytester: Pytester) -> None:
    code = """
        import time

        def test_it():
            end = time.time() + 1
            time.sleep(1)
            assert time.time() > end
    """
    run(pytester, code, "--lab-virtual").assert_outcomes(failed=1)
    run(pytester, code, "--lab-virtual", "--lab-read-cost=1e-6").assert_outcomes(passed=1)


AT_IMPORT = """
    import queue
    import threading
    import time
    from concurrent.futures import ThreadPoolExecutor
    from threading import get_ident

    POOL = ThreadPoolExecutor(2)
    LINE, SIMPLE = queue.Queue(), queue.SimpleQueue()
    LOCK, AGAIN, OPEN = threading.Lock(), threading.RLock(), threading.Event()
    MINE = threading.local()

    def nap(seconds):
        time.sleep(seconds)
        return seconds

    def test_a_pool_serves_each_test():
        assert list(POOL.map(nap, [3, 2, 1])) == [3, 2, 1]

    def test_and_another():
        assert list(POOL.map(nap, [3, 2, 1])) == [3, 2, 1]

    def test_queues():
        threading.Timer(3, LINE.put, [1]).start()
        threading.Timer(4, SIMPLE.put, [2]).start()
        assert LINE.get(timeout=5) == 1
        assert SIMPLE.get() == 2

    def test_locks():
        def hold():
            with LOCK, AGAIN:
                time.sleep(2)

        begin = time.monotonic()
        threads = [threading.Thread(target=hold) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - begin == 6

    def test_an_event():
        threading.Timer(4, OPEN.set).start()
        assert OPEN.wait(10)

    def test_what_a_thread_has_for_itself():
        MINE.name, seen = "main", []
        thread = threading.Thread(target=lambda: seen.append((hasattr(MINE, "name"), get_ident())))
        thread.start()
        thread.join()
        assert seen == [(False, thread.ident)]
        assert MINE.name == "main"
"""


def test_what_a_module_makes_when_it_is_imported_serves_virtual_threads(
    pytester: Pytester,
) -> None:
    pytest.importorskip("greenlet")
    pytester.makepyfile(test_old=AT_IMPORT)
    run_pytest(pytester, "--lab-virtual", inside=False).assert_outcomes(passed=6)


def test_locks_for_all_threads_are_real_ones_among_real_threads() -> None:
    pytest.importorskip("greenlet")
    from foundation_lab.simulation.patches.virtual_threads import locks_for_all_threads

    with locks_for_all_threads():
        lock, again, line = threading.Lock(), threading.RLock(), queue.SimpleQueue[str]()
    with lock, again, again:
        thread = threading.Thread(target=lambda: line.put(f"{lock.acquire(timeout=30)}"))
        thread.start()
        assert not lock.acquire(blocking=False)
        assert again._recursion_count() == 2  # type: ignore[attr-defined]
    assert line.get(timeout=30) == "True"
    thread.join()
    assert lock.locked()
    for each in (lock, again):
        with pytest.raises(TypeError, match="cannot pickle"):
            copy.deepcopy(each)


def test_a_pool_that_outlives_the_block_starts_threads_of_its_own(sim: Simulation) -> None:
    pytest.importorskip("greenlet")
    from concurrent.futures import ThreadPoolExecutor

    with virtual_time(sim):
        pool = ThreadPoolExecutor(1)
        assert pool.submit(threading.get_ident).result() > 2**47
    with pool:
        assert pool.submit(threading.get_ident).result(timeout=30) != threading.get_ident()


def test_an_executor_of_ones_own_is_given_the_function_itself(virtual: Simulation) -> None:
    from concurrent.futures import Executor, Future

    class Notes(Executor):
        def submit(self, function: Any, /, *args: Any, **options: Any) -> Future[Any]:
            given.append((function, args, options))
            done: Future[Any] = Future()
            done.set_result("noted")
            return done

    async def main() -> Any:
        given: Any = abs
        return await asyncio.get_running_loop().run_in_executor(Notes(), given, -1)

    given: list[Any] = []
    assert asyncio.run(main()) == "noted"
    assert given == [(abs, (-1,), {})]


def test_trio_runs_in_real_time(pytester: Pytester) -> None:
    pytest.importorskip("trio")
    code = """
        import anyio

        def test_it():
            anyio.run(anyio.sleep, 0.01, backend="trio")
    """
    run(pytester, code, "--lab-virtual").assert_outcomes(passed=1)


def test_trio_has_real_locks_although_a_test_is_the_first_to_import_it(pytester: Pytester) -> None:
    pytest.importorskip("trio")
    pytester.makepyfile("import trio\n\ndef test_it():\n    trio.run(trio.sleep, 0.01)\n")
    run_pytest(pytester, "--lab-virtual", inside=False).assert_outcomes(passed=1)
