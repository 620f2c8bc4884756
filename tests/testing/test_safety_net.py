"""Tests that would hang in virtual time, each of its own kind: they pass, or fail with a reason."""

# lab: allow-sleep-in-file every sleep is on the virtual clock, or one of the plugin's own in a test

from __future__ import annotations

# A run inside would forget it, and it bears no second import.
import multiprocessing.synchronize  # noqa: F401
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.patches.real_threads import new_lock, start_thread
from foundation_lab.testing import virtual_time
from foundation_lab.testing.safety_net import SafetyNet
from tests.testing.inner import run_pytest

if TYPE_CHECKING:
    from pytest import Pytester, RunResult  # noqa: PT013  (types alone)

pytest.importorskip("greenlet")
pytest_plugins = ["pytester"]
pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals")

START = """
import asyncio, multiprocessing, select, socket, threading, time, unittest
from concurrent.futures import ThreadPoolExecutor
import pytest

def start(work, **options):
    thread = threading.Thread(target=work, name="worker", **options)
    thread.start()
    return thread

@pytest.fixture
def pair():
    ends = socket.socketpair()
    with ends[0], ends[1]:
        yield ends

def test_before():
    pass
"""

END = """
def test_afterwards():
    before = time.time()
    time.sleep(5)
    assert time.time() == before + 5
"""


def run(pytester: Pytester, code: str, limit: float) -> RunResult:
    pytester.makepyfile(START + code + END)
    return run_pytest(pytester, "--lab-virtual", f"--lab-wall-limit={limit}")


REAL = {
    "the main program, for a thread": """
def test_it(pair):
    start(lambda: pair[1].send(b"x"))
    assert pair[0].recv(1) == b"x"
""",
    "the main program, for a server": """
def test_it():
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve():
            for _ in range(3):
                with server.accept()[0] as end:
                    end.sendall(end.recv(5).upper())

        start(serve)
        for _ in range(3):
            with socket.create_connection(server.getsockname()) as end:
                end.sendall(b"hello")
                assert end.recv(5) == b"HELLO"
""",
    "the main program, for a server of the standard library": """
def test_it():
    import http.server, urllib.request

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(204)
            self.end_headers()

        def log_message(self, *words):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = start(server.serve_forever, kwargs={"poll_interval": 0.02})
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}") as answer:
            assert answer.status == 204
        server.shutdown()
        thread.join()
""",
    "a thread, in select": """
def test_it(pair):
    thread = start(lambda: select.select([pair[0]], [], []))
    time.sleep(5)
    pair[1].send(b"x")
    thread.join()
""",
    "a thread, in select over and over": """
def test_it(pair):
    def work():
        while not select.select([pair[0]], [], [], 0.05)[0]:
            pass

    thread = start(work)
    time.sleep(5)
    pair[1].send(b"x")
    thread.join()
""",
    "a pool, for an event of processes": """
def test_it():
    event = multiprocessing.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(event.wait)
        time.sleep(1)
        event.set()
        assert waiting.result()
""",
    "a coroutine's thread, for an event of processes": """
def test_it():
    async def main():
        event = multiprocessing.Event()
        waiting = asyncio.create_task(asyncio.to_thread(event.wait))
        await asyncio.sleep(1)
        event.set()
        assert await waiting

    asyncio.run(main())
""",
}


@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in REAL.items()])
def test_who_waits_for_the_operating_system_gives_way(pytester: Pytester, code: str) -> None:
    run(pytester, code, limit=3.0).assert_outcomes(passed=3)


NEVER = {
    "silent": """
def test_it(pair):
    start(lambda: pair[0].recv(1), daemon=True).join()
""",
    "deaf": """
def test_it(pair):
    def work():
        try:
            pair[0].recv(1)
        except BaseException:
            pass

    start(work).join()
""",
    "coroutine": """
def test_it(pair):
    async def main():
        await asyncio.gather(asyncio.to_thread(lambda: pair[0].recv(1)), asyncio.sleep(1))

    asyncio.run(main())
""",
}


@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in NEVER.items()])
def test_a_wait_for_what_never_comes_fails_its_test_and_no_other(
    pytester: Pytester, code: str
) -> None:
    result = run(pytester, code, limit=0.3)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "nothing has happened for 0.3 s of real time: the thread '*' waits for something real*",
            "it stood here:",
            "*recv(1)*",
            "*Run the test in real time, without --lab-virtual.*--lab-wall-limit=SECONDS*",
            "leave it out here: --deselect=*.py::test_it",
        ]
    )


def test_what_a_test_case_has_set_up_is_torn_down_after_it(pytester: Pytester) -> None:
    code = """
class TestIt(unittest.TestCase):
    ended = False

    def setUp(self):
        self.pair = socket.socketpair()

    def tearDown(self):
        TestIt.ended = True
        for end in self.pair:
            end.close()

    def test_it(self):
        start(lambda: self.pair[0].recv(1), daemon=True).join()

def test_it_ended():
    assert TestIt.ended
"""
    run(pytester, code, limit=0.3).assert_outcomes(passed=3, failed=1)


@pytest.mark.parametrize("body", ["pass", "with lock: pass"])
def test_a_thread_that_works_for_ever_fails_its_test(pytester: Pytester, body: str) -> None:
    code = f"""
def test_it():
    lock = threading.Lock()

    def work():
        while True:
            {body}

    start(work)
    time.sleep(1)
"""
    result = run(pytester, code, limit=0.3)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["it has taken 3 s of real time (virtual time: t=0)", "*in work:*"])


def test_a_thread_that_polls_for_ever_fails_the_teardown_of_its_test(pytester: Pytester) -> None:
    code = """
def test_it():
    def work():
        while True:
            time.sleep(1)

    start(work)
"""
    result = run(pytester, code, limit=0.3)
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(
        [
            "it has taken 0.3 s of real time *",
            "*If it polls for ever,*",
            "  worker waits for *",
        ]
    )


def test_a_main_program_that_polls_for_ever_is_ended_between_two_steps(pytester: Pytester) -> None:
    code = """
def test_it():
    while True:
        time.sleep(1)
"""
    run(pytester, code, limit=0.3).assert_outcomes(passed=2, failed=1)


def test_a_fixture_that_hangs_is_an_error(pytester: Pytester) -> None:
    code = """
@pytest.fixture
def stuck(pair):
    start(lambda: pair[0].recv(1), daemon=True).join()

def test_it(stuck):
    pass
"""
    run(pytester, code, limit=0.3).assert_outcomes(passed=2, errors=1)


def test_work_is_not_taken_for_a_hang(pytester: Pytester) -> None:
    code = """
def test_it():
    done = []
    start(lambda: done.append(1))
    end = time.process_time() + 0.5
    while time.process_time() < end:
        assert not done  # nobody else has had a turn
"""
    run(pytester, code, limit=0.4).assert_outcomes(passed=3)


def test_the_signal_is_as_it_was_after_the_run_and_untouched_without_a_limit(
    pytester: Pytester,
) -> None:
    code = """
import signal

def test_it():
    assert signal.getsignal(signal.SIGRTMAX) is signal.SIG_DFL
"""
    before = signal.getsignal(signal.SIGRTMAX)
    run(pytester, code, limit=0).assert_outcomes(passed=3)
    run(pytester, code, limit=9).assert_outcomes(passed=2, failed=1)
    assert signal.getsignal(signal.SIGRTMAX) is before


def test_what_puts_back_the_real_clock_is_not_ended_however_long_it_takes() -> None:
    def work(closes: bool) -> None:  # noqa: FBT001  (the only thing that is said)
        with net.under("test", closes=closes):
            compute()

    def compute() -> None:
        end = time.process_time() + 0.5
        while time.process_time() < end:
            pass

    net = SafetyNet(0.02, Simulation(), AssertionError)
    net.spread()
    try:
        work(closes=True)
        with pytest.raises(AssertionError, match=r"it has taken 0\.2 s"):
            work(closes=False)
    finally:
        net.take_away()


def test_outside_of_the_main_thread_there_is_no_net() -> None:
    done: list[bool] = []

    def work() -> None:
        net = SafetyNet(0.001, Simulation(), AssertionError)
        net.spread()
        with net.under("test"):
            done.append(True)
        net.take_away()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done


def test_a_real_thread_sleeps_in_real_time(sim: Simulation) -> None:
    ended = new_lock()
    ended.acquire()

    def work() -> None:
        time.sleep(0.001)
        ended.release()

    with virtual_time(sim):
        start_thread(work, ())
        assert ended.acquire(timeout=60)
    assert sim.now == 0


def test_threads_of_trio_are_real_ones(pytester: Pytester) -> None:
    pytest.importorskip("trio")
    code = """
import trio

def test_it():
    async def main():
        assert await trio.to_thread.run_sync(sum, [1, 2]) == 3
        await trio.to_thread.run_sync(lambda: trio.from_thread.run(trio.sleep, 0))

    trio.run(main)
"""
    run(pytester, code, limit=9).assert_outcomes(passed=3)
