from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from foundation_lab.testing.sleeps import audit
from tests.testing.sleeps.suites import findings, only, suite

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.sleep(2)",
        "import time as t\nt.sleep(2)",
        "from time import sleep\nsleep(2)",
        "from time import sleep as nap\nnap(2)",
        "from time import *\nsleep(2)",
        "from elsewhere import *\nsleep(2)",
        "from elsewhere import *\ntime.sleep(2)",
        "import time\nnap = time.sleep\nnap(2)",
        "import time\nt = time\nt.sleep(2)",
        "import asyncio\nasync def f():\n    await asyncio.sleep(2)",
        "import asyncio\nasync def f():\n    await asyncio.sleep(delay=2)",
        "import anyio\nasync def f():\n    await anyio.sleep(2)",
        "import trio\nasync def f():\n    await trio.sleep(2)",
        "import gevent\ngevent.sleep(2)",
        "import gevent\ngevent.sleep(seconds=2)",
        "import eventlet\neventlet.sleep(2)",
        "import curio\nasync def f():\n    await curio.sleep(2)",
        "from tornado import gen\ndef f():\n    yield gen.sleep(2)",
        "from twisted.internet import reactor, task\ntask.deferLater(reactor, 2, print)",
        "from celery.utils import sleep\nsleep(2)",
        "__import__('time').sleep(2)",
        "import importlib\nimportlib.import_module('time').sleep(2)",
        "import time\ngetattr(time, 'sleep')(2)",
        "import pytest\ng = pytest.importorskip('gevent')\ng.sleep(2)",
        "def f():\n    from time import sleep\n    sleep(2)",
        "import threading\nthreading.Event().wait(2)",
        "from threading import Event\ndef f():\n    e = Event()\n    e.wait(timeout=2)",
        "import threading\ndef f():\n    c = threading.Condition()\n    with c:\n        c.wait(2)",
        "import queue\nqueue.Queue().get(timeout=2)",
        "import select\nselect.select([], [], [], 2)",
        "import subprocess\nsubprocess.run(['sleep', '2'])",
        "import subprocess\nsubprocess.check_call('echo; sleep 2', shell=True)",
        "import os\nos.system('sleep 2')",
        "import subprocess\nsubprocess.run(['/bin/sleep', '1', '1s'])",
        "import subprocess\nsubprocess.run(['bash', '-c', 'sleep 2; ls'])",
        "import subprocess\nsubprocess.run(args='sleep 2', shell=True)",
        "import time\nt0 = time.time()\nend = t0 + 2\nwhile end > time.time():\n    'idle'",
        "import time\nend = 2 + time.time()\nwhile time.time() < end:\n    now = time.time()",
        "def f(loop, future):\n    loop.call_later(2, future.set_result, 0)",
        "def loop(x):\n    import time\n    def inner(sleep=time.sleep):\n        sleep(2)",
        "import time\nend = time.time() + 2\nwhile time.time() < end:\n    pass",
        "import time\nt0 = time.monotonic()\nwhile time.monotonic() - t0 < 2:\n    continue",
        "def f(page):\n    page.wait_for_timeout(2000)",
        "import time\ndef f(pool):\n    pool.submit(time.sleep, 2)",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(2,)).start()",
        "import time\nfrom functools import partial\npartial(time.sleep, 2)",
    ],
)
def test_a_sleep_is_found_under_whatever_name(code: str) -> None:
    assert only(code).seconds == 2.0


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("import signal\nsignal.pause()", "pause"),
        ("while worker.is_alive():\n    pass", "busy_wait"),
        ("import time\nwhile 5 < 6 < time.time():\n    pass", "busy_wait"),
        ("import subprocess\nsubprocess.run(['sleep', 'infinity'])", "process"),
        (
            "class A:\n def __init__(self, sleep): self.sleep = sleep\n def f(self): self.sleep(x)",
            "sleep",
        ),
        ("import time\ntime.sleep(*args)", "sleep"),
        ("import threading, time\nthreading.Thread(target=time.sleep, args=())", "passed"),
        ("def f(loop, e):\n    loop.call_at(2, e.set)", "call_later"),
        ("import trio\nasync def f():\n    await trio.sleep_forever()", "sleep"),
        ("import time\nretrying(f, sleep=time.sleep)", "passed"),
        ("def f(loop, future):\n    loop.call_later(delay, future.set_result, 0)", "call_later"),
        ("while not ready.is_set():\n    pass", "busy_wait"),
        ("import subprocess\nsubprocess.Popen(['sleep', '60'])", "process"),
        ("async def f(sleep):\n    await sleep(delay)", "sleep"),
    ],
)
def test_what_lasts_nobody_knows_how_long_is_found_as_such(code: str, kind: str) -> None:
    found = only(code)
    assert (found.kind, found.seconds, found.total) == (kind, None, None)


@pytest.mark.parametrize(
    "code",
    [
        "import threading\ndef f(e):\n    assert not e.wait(1)",
        "import threading\ndef f():\n    e = threading.Event()\n    start(e)\n    assert e.wait(5)",
        "import queue\ndef f():\n    q = queue.Queue()\n    start(q)\n    q.get(timeout=5)",
        "import select\nselect.select([sock], [], [], 2)",
        "import subprocess\nsubprocess.run(['ls', 'sleep'])",
        "def test_it(sim):\n    sim.timeout(3)\n    sim.run(until=5)",
        "import time\nfrom unittest import mock\nmock.patch.object(time, 'sleep')",
        "import time\nassert isinstance(time.sleep, object)",
        "class Clock:\n    def sleep(self, s): self.now += s\nClock().sleep(3)",
        "def test_it(clock):\n    clock.sleep(3)",
        "while queue.pop():\n    pass",
        "while True:\n    pass",
        "while works(x):\n    pass",
        "import subprocess\nsubprocess.run(['echo', 'sleep 2'])",
        "import subprocess\nsubprocess.run()  # sleep",
        "import subprocess\nsubprocess.run('ls -l', shell=True)  # sleep",
        "import threading\nthreading.Event().wait()",
        "def f(loop):\n    loop.call_later(2)\n    loop.call_later(2, work)",
        "def f(lock):\n    lock.acquire(True, 2)  # sleep",
        "def test_it(sleep):\n    sleep(1)",
        "'time.sleep(3)'",
    ],
)
def test_what_does_not_sleep_is_no_finding(code: str) -> None:
    assert findings(code) == ()


def test_a_wait_that_must_fail_always_lasts_to_its_end() -> None:
    first, second = findings(
        """
        import queue, threading, pytest

        def test_nothing_comes():
            arrived, inbox = threading.Event(), queue.Queue()
            listen(arrived, inbox)
            assert not arrived.wait(0.2)
            with pytest.raises(queue.Empty):
                inbox.get(timeout=0.3)
        """
    )
    assert [(each.seconds, each.purpose) for each in (first, second)] == [
        (0.2, "negative_wait"),
        (0.3, "negative_wait"),
    ]


def test_a_finding_says_where_it_is() -> None:
    found = only(
        """
        import time

        class TestIt:
            def test_this(self):
                time.sleep(
                    0.1
                )
        """
    )
    assert (found.file, found.line, found.column) == ("test_it.py", 6, 9)
    assert (found.test, found.call) == ("TestIt.test_this", "time.sleep(0.1)")


def test_a_parameter_that_is_called_sleep_is_no_function_until_it_is_called() -> None:
    found = only(
        """
        import time

        def push(sleep=0):
            time.sleep(sleep)
        """
    )
    assert found.kind == "sleep"


def test_a_star_brings_what_the_module_behind_it_has_imported(tmp_path: Path) -> None:
    suite(
        tmp_path,
        helpers="import time\nfrom time import sleep\ndef nap(n):\n    return n\n",
        test_it="from helpers import *\ndef f():\n    sleep(2)\n    time.sleep(3)\n    nap(1)\n",
    )
    assert [each.seconds for each in audit([tmp_path]).findings] == [2.0, 3.0]
