"""Sleepers: the functions of other packages that sleep, and which argument says how long."""

from __future__ import annotations

import ast
import re
from typing import NamedTuple


class Sleeper(NamedTuple):
    """A function that sleeps.

    Attributes:
        position: Which positional argument is the duration; ``None`` when there is none.
        keywords: What that argument is called.
        unit: How many seconds its unit has.
        constant: The duration where no argument gives it.
    """

    position: int | None = 0
    keywords: tuple[str, ...] = ("seconds", "delay", "secs", "duration")
    unit: float = 1.0
    constant: float | None = None


_PLAIN = Sleeper()
_MILLISECONDS = Sleeper(keywords=("timeout", "ms"), unit=1e-3)
_ONCE = Sleeper(None, (), constant=0.0)
_FOR_EVER = Sleeper(None, ())

SLEEPERS: dict[str, Sleeper] = {
    "time.sleep": _PLAIN,
    "asyncio.sleep": _PLAIN,
    "asyncio.tasks.sleep": _PLAIN,
    "anyio.sleep": _PLAIN,
    "anyio.sleep_until": _FOR_EVER,
    "anyio.sleep_forever": _FOR_EVER,
    "anyio.lowlevel.checkpoint": _ONCE,
    "trio.sleep": _PLAIN,
    "trio.sleep_until": _FOR_EVER,
    "trio.sleep_forever": _FOR_EVER,
    "trio.lowlevel.checkpoint": _ONCE,
    "gevent.sleep": _PLAIN,
    "gevent.hub.sleep": _PLAIN,
    "gevent.time.sleep": _PLAIN,
    "eventlet.sleep": _PLAIN,
    "eventlet.greenthread.sleep": _PLAIN,
    "eventlet.green.time.sleep": _PLAIN,
    "curio.sleep": _PLAIN,
    "curio.time.sleep": _PLAIN,
    "tornado.gen.sleep": _PLAIN,
    "twisted.internet.task.deferLater": Sleeper(1, ("delay",)),
    "uasyncio.sleep_ms": _MILLISECONDS,
    "signal.pause": _FOR_EVER,
    "signal.sigwait": _FOR_EVER,
    "PyQt5.QtTest.QTest.qWait": _MILLISECONDS,
    "PyQt6.QtTest.QTest.qWait": _MILLISECONDS,
    "PySide6.QtTest.QTest.qWait": _MILLISECONDS,
    "pygame.time.wait": _MILLISECONDS,
    "pygame.time.delay": _MILLISECONDS,
}
"""Sleepers by the dotted name they are imported under."""

METHODS: dict[str, Sleeper] = {
    "wait_for_timeout": Sleeper(keywords=("timeout",), unit=1e-3),
    "qWait": _MILLISECONDS,
}
"""Methods that sleep, on whatever object: no other library has one of this name."""

NAMES = frozenset({"sleep", "asleep", "async_sleep", "sleep_ms", "sleep_forever"})
"""Names that say it all, where they come from a module that is not among the audited files."""

LAST_NAMES = frozenset(name.rpartition(".")[2] for name in SLEEPERS) | NAMES | METHODS.keys()
"""What a function that sleeps may be called where it is defined."""

FRESH_WAITS = frozenset(
    {
        f"{module}.{kind}()"
        for module in ("threading", "multiprocessing", "gevent.event", "asyncio")
        for kind in ("Event", "Condition", "Barrier", "Semaphore")
    }
)
"""What nobody else can set while it has just been made: waiting for it is a sleep."""

FRESH_QUEUES = frozenset(
    {
        f"{module}.{kind}()"
        for module in ("queue", "multiprocessing", "gevent.queue")
        for kind in ("Queue", "LifoQueue", "PriorityQueue", "SimpleQueue", "JoinableQueue")
    }
)
"""The same for what nothing has been put into."""

CLOCKS = frozenset(
    {
        "time.time",
        "time.monotonic",
        "time.perf_counter",
        "time.process_time",
        "time.time_ns",
        "time.monotonic_ns",
        "time.perf_counter_ns",
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
    }
)

SHELLS = frozenset(
    {
        "os.system",
        "os.popen",
        "subprocess.run",
        "subprocess.call",
        "subprocess.check_call",
        "subprocess.check_output",
        "subprocess.Popen",
        "subprocess.getoutput",
        "subprocess.getstatusoutput",
        "asyncio.create_subprocess_exec",
        "asyncio.create_subprocess_shell",
    }
)
"""What starts a command."""


def program_sleep(call: ast.Call) -> float | None:
    """Return for how many seconds a started command sleeps: ``sleep 5``, ``["sleep", "5"]``.

    Returns:
        The seconds; infinity where they are not a number; ``None`` when the command is another one.
    """
    given = list(call.args) + [k.value for k in call.keywords if k.arg in ("args", "cmd")]
    words = [word for each in given[:8] for word in _words(each)]
    if not words:
        return None
    if len(given) > 1 or isinstance(given[0], ast.List | ast.Tuple):
        head, *rest = words
        if head.rpartition("/")[2] == "sleep":
            return _sum(rest)
        if head.rpartition("/")[2] in ("sh", "bash", "timeout", "env"):
            return _in_shell(" ".join(words))
        return None
    return _in_shell(words[0])


def _in_shell(command: str) -> float | None:
    found = re.findall(
        r"(?:^|[;&|]|\bthen|\bdo|-c)\s*(?:exec\s+)?(?:/bin/|/usr/bin/)?sleep\s+(\S+)", command
    )
    return _sum(found) if found else None


def _sum(words: list[str]) -> float:
    total = 0.0
    for word in words:
        match = re.fullmatch(r"[\"']?(\d+(?:\.\d+)?|\.\d+)([smhd]?)[\"';]?", word)
        if match is None:
            return float("inf")
        total += float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
    return total if words else float("inf")


def _words(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.List | ast.Tuple):
        return [word for each in node.elts for word in _words(each)]
    return [""]
