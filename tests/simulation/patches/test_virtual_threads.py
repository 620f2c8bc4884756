"""Threaded code, unmodified, in virtual time."""

# lab: allow-sleep-in-file every sleep is on the virtual clock

from __future__ import annotations

import _thread
import multiprocessing
import multiprocessing.queues
import queue
import signal
import socketserver
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import DeadlockError, LivelockError, MissingExtra
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.patches.patched_clock import patched_clock
from foundation_lab.simulation.patches.virtual_threads import virtual_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytest.importorskip("greenlet")

SEED = 11

sleep: Any = getattr(time, "sleep")  # noqa: B009  (the name of the user's code)


@pytest.fixture
def sim() -> Iterator[Simulation]:
    sim = Simulation(seed=SEED)
    with virtual_threads(sim):
        yield sim


def start(function: Any, *args: Any, **options: Any) -> threading.Thread:
    thread = threading.Thread(target=function, args=args, **options)
    thread.start()
    return thread


def join(*threads: threading.Thread) -> None:
    for thread in threads:
        thread.join()


def test_sleeping_threads_wake_in_the_order_of_their_times(sim: Simulation) -> None:
    log: list[tuple[str, float]] = []

    def work(seconds: float) -> None:
        sleep(seconds)
        log.append((threading.current_thread().name, time.monotonic()))

    threads = [start(work, seconds, name=f"for {seconds}") for seconds in (3, 1, 2)]
    assert all(thread.is_alive() for thread in threads)
    join(*threads)
    assert not any(thread.is_alive() for thread in threads)
    assert log == [("for 1", 1), ("for 2", 2), ("for 3", 3)]


def test_the_main_program_sleeps_too_and_every_clock_agrees(sim: Simulation) -> None:
    sleep(2.5)
    assert sim.now == time.monotonic() == monotonic() == time.perf_counter() == time.time() == 2.5
    assert time.monotonic_ns() == time.perf_counter_ns() == time.time_ns() == 2_500_000_000
    with pytest.raises(ValueError, match="non-negative"):
        sleep(-1)


def test_a_busy_wait_is_an_error_that_names_the_line() -> None:
    sim = Simulation(seed=SEED)

    def busy() -> None:
        while time.monotonic() < 1:
            pass

    with (
        patched_clock(sim, lambda seconds: None, reads_at_once=100),
        pytest.raises(LivelockError, match=r"test_virtual_threads\.py:\d+ has read"),
    ):
        busy()


def test_readings_may_cost_something() -> None:
    sim = Simulation(seed=SEED)
    with virtual_threads(sim, read_cost=1e-6):
        deadline = time.monotonic() + 1
        sleep(1)
        assert deadline < time.monotonic() < time.monotonic()


def test_a_lock_goes_to_who_has_waited_longest(sim: Simulation) -> None:
    lock = threading.Lock()
    log: list[tuple[str, float]] = []

    def work(name: str) -> None:
        with lock:
            log.append((name, sim.now))
            sleep(1)

    join(*(start(work, name) for name in "abc"))
    assert log == [("a", 0), ("b", 1), ("c", 2)]
    assert not lock.locked()
    with pytest.raises(RuntimeError, match="unlocked"):
        lock.release()


def test_a_wait_for_a_lock_has_its_limits(sim: Simulation) -> None:
    lock = threading.Lock()
    assert lock.acquire()
    assert not lock.acquire(blocking=False)
    assert not lock.acquire(timeout=2)
    assert sim.now == 2
    sim.call_at(5, lock.release)
    assert lock.acquire(timeout=3)  # at the very instant of the release
    assert sim.now == 5
    for wrong in ({"blocking": False, "timeout": 1}, {"timeout": -2}):
        with pytest.raises(ValueError, match="timeout"):
            lock.acquire(**wrong)  # type: ignore[arg-type]


def test_a_lock_says_who_holds_it(sim: Simulation) -> None:
    lock = threading.Lock()
    with lock:
        assert repr(lock) == "<Lock held by MainThread>"
    assert repr(lock) == "<Lock>"


def test_a_thread_that_is_ended_while_it_waits_keeps_no_lock() -> None:
    sim = Simulation(seed=SEED)
    locks = []

    def work(lock: Any) -> None:
        with lock:
            sleep(1000)

    with virtual_threads(sim):
        lock = threading.Lock()
        locks.append(lock)
        for _ in range(2):
            start(work, lock, daemon=True)
        sleep(1)
    assert not locks[0].locked()


def test_a_lock_of_ones_own_can_be_taken_again(sim: Simulation) -> None:
    lock = threading.RLock()
    log: list[float] = []

    def work() -> None:
        with lock, lock:
            sleep(1)
            log.append(sim.now)

    join(start(work), start(work))
    assert log == [1, 2]
    with pytest.raises(RuntimeError, match="un-acquired"):
        lock.release()
    assert lock.acquire()
    assert start(lambda: log.append(lock.acquire(timeout=1)))
    sleep(2)
    assert log == [1, 2, False]


def test_conditions_events_semaphores_and_barriers_wait_in_virtual_time(sim: Simulation) -> None:
    condition, event = threading.Condition(), threading.Event()
    semaphore, barrier = threading.Semaphore(2), threading.Barrier(3)
    log: list[Any] = []

    def waiter() -> None:
        with condition:
            log.append((condition.wait(timeout=1), sim.now))
            log.append((condition.wait_for(lambda: sim.now >= 5, timeout=100), sim.now))

    def notifier() -> None:
        sleep(5)
        with condition:
            condition.notify_all()

    join(start(waiter), start(notifier))
    assert log == [(False, 1), (True, 5)]

    threading.Timer(5, event.set).start()
    assert (event.wait(3), sim.now) == (False, 8)
    assert (event.wait(), sim.now) == (True, 10)

    def limited() -> None:
        with semaphore:
            sleep(1)
        barrier.wait()
        log.append(sim.now)

    join(*(start(limited) for _ in range(3)))
    assert log[2:] == [12, 12, 12]


def test_a_queue_between_threads(sim: Simulation) -> None:
    items: queue.Queue[int] = queue.Queue(maxsize=1)
    seen: list[tuple[int, float]] = []

    def producer() -> None:
        for number in range(4):
            items.put(number)

    start(producer)
    while True:
        try:
            seen.append((items.get(timeout=2), sim.now))
        except queue.Empty:
            break
        sleep(1)
    assert seen == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert sim.now == 6


def test_a_pool_of_threads(sim: Simulation) -> None:
    def work(seconds: float) -> float:
        sleep(seconds)
        return sim.now

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, [5, 1, 1, 1])) == [5, 1, 2, 3]
        futures = [pool.submit(work, seconds) for seconds in (3, 1)]
        assert [future.result() for future in as_completed(futures)] == [6, 8]
        with pytest.raises(TimeoutError):
            pool.submit(work, 10).result(timeout=1)
    assert sim.now == 18


def test_a_pool_that_nobody_shuts_down_ends_with_the_block() -> None:
    sim = Simulation(seed=SEED)
    with virtual_threads(sim):
        pool = ThreadPoolExecutor(1)
        pool.submit(sleep, 3)
    assert sim.now == 3
    assert sim.living() == []


def test_threads_are_processes_with_a_name_a_context_and_their_events(sim: Simulation) -> None:
    def work() -> None:
        sleep(1)
        sim.telemetry.emit("shop.work")

    with sim.telemetry.context(correlation_id="abc"):
        sim.telemetry.emit("shop.main")
        threads = [start(work, name="worker"), start(work, name="other")]
    join(*threads)
    columns = sim.recording.events.select("event", "process", "correlation_id", "cause")
    assert columns.rows() == [
        ("shop.main", "main", "abc", None),
        ("shop.work", "worker", "abc", 0),
        ("shop.work", "other", "abc", 0),
    ]


def test_threads_and_processes_share_the_clock(sim: Simulation) -> None:
    store = sim.Store()
    log: list[float] = []

    def process() -> Any:
        yield 2.0
        yield store.put("x")
        with pytest.raises(RuntimeError, match="'process' is no thread"):
            sleep(1)

    def work() -> None:
        sleep(5)
        log.append(sim.now)

    sim.process(process())
    join(start(work))
    assert log == [5]
    assert store.items == ["x"]


def test_a_deadlock_names_the_threads_what_they_wait_for_and_their_lines() -> None:

    def work(first: Any, second: Any) -> None:
        with first:
            sleep(1)
            with second:
                pass

    sim = Simulation(seed=SEED)

    def both() -> None:
        with virtual_threads(sim):
            one, two = threading.Lock(), threading.Lock()
            start(work, one, two, name="ann")
            start(work, two, one, name="bob").join()

    with pytest.raises(DeadlockError) as caught:
        both()
    message = str(caught.value)
    assert "the main program waits for the thread bob to end" in message
    assert "ann waits for a lock that bob holds" in message
    assert "bob waits for a lock that ann holds" in message
    assert message.count("test_virtual_threads.py:") == 2
    assert sim.living() == []


def test_each_thread_has_its_own_identifier_and_its_own_locals(sim: Simulation) -> None:
    local = threading.local()
    seen: list[int] = []

    def work(number: int) -> None:
        local.number = number
        sleep(1)
        seen.append(local.number)
        assert threading.get_ident() == threading.current_thread().ident

    local.number = -1
    threads = [start(work, number) for number in range(3)]
    join(*threads)
    assert seen == [0, 1, 2]
    assert local.number == -1
    assert len({thread.ident for thread in threads}) == 3
    assert threading.get_ident() == threading.main_thread().ident


def test_the_mistakes_that_threading_tells_are_told(sim: Simulation) -> None:
    def join_myself() -> None:
        with pytest.raises(RuntimeError, match="current thread"):
            threading.current_thread().join()

    thread = start(join_myself)
    with pytest.raises(RuntimeError, match="once"):
        thread.start()
    thread.join()

    class Careless(threading.Thread):
        def __init__(self) -> None:
            pass

    with pytest.raises(RuntimeError, match="not called"):
        Careless().start()


def test_a_join_has_its_limit(sim: Simulation) -> None:
    thread = start(sleep, 10)
    thread.join(timeout=3)
    assert (thread.is_alive(), sim.now) == (True, 3)
    thread.join(timeout=30)
    assert (thread.is_alive(), sim.now) == (False, 10)
    thread.join()


def test_an_exception_in_a_thread_goes_to_the_hook_of_threading(
    sim: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(args.exc_type))
    join(start(divmod, 1, 0))
    assert seen == [ZeroDivisionError]


def test_an_interrupt_from_the_keyboard_ends_the_main_program(sim: Simulation) -> None:
    def work() -> None:
        signal.raise_signal(signal.SIGINT)

    thread = threading.Thread(target=work)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012  (it may come where the thread begins)
        thread.start()
        thread.join()
    assert not thread.is_alive()


def put_in_a_queue() -> None:
    line: multiprocessing.queues.Queue[int] = multiprocessing.Queue()
    line.put(1)


def serve_sockets() -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        start(server.serve_forever)


@pytest.mark.parametrize(
    ("begin", "module"),
    [
        (put_in_a_queue, "multiprocessing.queues"),
        (lambda: ProcessPoolExecutor(1).submit(abs, -1), "concurrent.futures.process"),
        (serve_sockets, "socketserver"),
    ],
    ids=["queue", "pool", "server"],
)
def test_what_waits_for_other_processes_is_refused(
    sim: Simulation, begin: Callable[[], object], module: str
) -> None:
    with pytest.raises(RuntimeError, match=f"{module} needs a real thread, and here all are virt"):
        begin()
    assert sim.now == 0.0


def test_a_raw_thread_runs_too(sim: Simulation) -> None:
    seen: list[tuple[float, int]] = []

    def work(seconds: float) -> None:
        sleep(seconds)
        seen.append((sim.now, _thread.get_ident()))

    ident = _thread.start_new_thread(work, (2,))
    sleep(3)
    assert seen == [(2, ident)]


def test_a_simulation_that_is_stopped_ends_the_wait_of_the_main_program(sim: Simulation) -> None:
    sim.call_at(1, sim.stop)
    with pytest.raises(RuntimeError, match="stopped at t=1"):
        sleep(5)


def test_threads_that_are_left_are_waited_for_and_daemons_are_ended() -> None:
    log: list[object] = []

    def daemon() -> None:
        try:
            sleep(1000)
        finally:
            log.append("daemon ended")

    def work() -> None:
        sleep(5)
        log.append("work done")

    sim = Simulation(seed=SEED)
    with virtual_threads(sim):
        start(daemon, daemon=True)
        start(work)
    assert log == ["work done", "daemon ended"]
    assert sim.now == 5


def test_after_an_exception_all_threads_are_ended() -> None:
    sim = Simulation(seed=SEED)

    def fail() -> None:
        with virtual_threads(sim):
            start(sleep, 10)
            sleep(1)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert sim.living() == []
    assert sim.now == 1


def test_everything_is_as_it_was_afterwards() -> None:
    places = (time, threading, _thread, queue, threading.Thread)
    before = [dict(vars(place)) for place in places]
    with virtual_threads(Simulation(seed=SEED)):
        assert time.monotonic is not before[0]["monotonic"]
    assert [dict(vars(place)) for place in places] == before


def test_blocks_do_not_nest_and_want_a_simulation_that_stands_still(sim: Simulation) -> None:
    with pytest.raises(RuntimeError, match="do not nest"), virtual_threads(Simulation(SEED)):
        pass


def test_a_running_simulation_is_refused() -> None:
    sim = Simulation(seed=SEED)

    def process() -> Any:
        yield 1.0
        with pytest.raises(RuntimeError, match="outside of it"), virtual_threads(sim):
            pass

    sim.process(process())
    sim.run()


def test_without_greenlet_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "greenlet", None)
    with (
        pytest.raises(MissingExtra, match=r"foundation-lab\[threads\]"),
        virtual_threads(Simulation(SEED)),
    ):
        pass


def test_two_runs_are_the_same() -> None:
    def run() -> str:
        sim = Simulation(seed=SEED)

        def work(number: int) -> None:
            sleep(sim.stream("work").random())
            sim.telemetry.emit("shop.work", {"number": number})

        with virtual_threads(sim), ThreadPoolExecutor(3) as pool:
            list(pool.map(work, range(20)))
        return sim.recording.digest

    assert run() == run()
