"""A net under tests in virtual time: one that hangs fails, and the next one has its turn.

All virtual threads are one thread of the operating system. Where one of them waits for something
real, such as a socket, no other has its turn, and virtual time stands still for good. Nobody who
waits in virtual time can see that; so a real thread looks at the test from outside.

It measures real time for nothing but the end of a test that would have none.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from foundation_lab.simulation.patches.clock_names import REAL
from foundation_lab.simulation.patches.real_threads import new_lock, running_thread, start_thread
from foundation_lab.simulation.patches.virtual_lock import VirtualLock, ident_of_running
from foundation_lab.simulation.process import Process
from foundation_lab.simulation.thrown import ForTheMainProgram
from foundation_lab.testing.clock import blocker_of
from foundation_lab.testing.failure import who_waits
from foundation_lab.testing.wall_clock import GRACE, SPARED, below_the_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from foundation_lab.simulation.engine import Simulation

LIMIT: Final = 60.0
"""Real seconds for which a test may stand still, by default."""

TURN: Final = 1 / 12
"""For which part of the limit a test stands still before who waits gives way to who is due."""

JUMP: Final = 1 / 4
"""The same, before it gives way to who is due at another instant: virtual time goes on."""

LONG: Final = 10
"""How many times the limit a part of a test may take that does not stand still."""

IDLE: Final = 0.05
"""What share of a processor whoever waits for the operating system takes at most.

A program that computes on a busy machine has more, so that it is not taken for one that waits.
"""

WAITS: Final = (
    "What waits for the operating system (a socket, select, another process, a lock of "
    "multiprocessing) takes real time, in which virtual threads have no turn. Run the test in real "
    "time, without --lab-virtual. If it is only slow: --lab-wall-limit=SECONDS (0: no limit)"
)
"""What to do about a test that stood still."""

WORKS: Final = (
    "If that is work, allow more of it: --lab-wall-limit=SECONDS (0: no limit). If it polls for "
    "ever, for what comes never or in real time only, run the test in real time, without "
    "--lab-virtual"
)
"""What to do about a test that took too long."""

_NOT_IN: Final = (
    *("foundation_lab.", "coverage.", "threading"),  # they hold locks
    *("pluggy.", "_pytest.", "contextlib"),  # they unwind what was raised
    *("hypothesis.", "_weakrefset"),  # the garbage collector calls them, and loses what they raise
)
"""Modules in which an exception does harm."""


_now: Final = REAL["time.monotonic"]
_SIGNAL: Final[Any] = getattr(signal, "SIGRTMAX", None) or getattr(signal, "SIGURG", None)


class SafetyNet:
    """Ends parts of tests that hang.

    A part (a setup, a call, a teardown, the wait for threads that are left) stands still when
    virtual time does, while a virtual thread has its turn or is due, and the program computes
    nothing. That may last for `limit` seconds. Whatever else a part does may take `LONG` times as
    long, for it may be work.

    It is made in the main thread; elsewhere it catches nothing, nor where no signal is left to
    interrupt a call of the operating system with (Windows).

    Args:
        limit: Real seconds; 0 for no net.
        sim: The simulation on whose clock the tests are.
        error: Makes the exception that ends a part of a test, of its words.
    """

    def __init__(
        self, limit: float, sim: Simulation, error: Callable[[str], BaseException]
    ) -> None:
        self._limit = limit
        self._sim = sim
        self._error = error
        self._part: _Part | None = None
        self._main = running_thread()
        self._over = new_lock()
        self._watching = new_lock()
        self._before: Any = None
        is_main = threading.main_thread().ident == self._main
        self._can_catch = limit > 0 and is_main and _SIGNAL is not None

    def spread(self) -> None:
        """Begin to watch."""
        if self._can_catch:
            self._before = signal.signal(_SIGNAL, self._hear)
            self._over.acquire()
            self._watching.acquire()
            start_thread(self._watch, ())

    def take_away(self) -> None:
        """Watch no longer."""
        if self._can_catch:
            self._over.release()
            self._watching.acquire()  # no signal is sent after that
            signal.signal(_SIGNAL, self._before)

    @contextmanager
    def under(self, name: str, *, closes: bool = False) -> Iterator[None]:
        """Watch a part of a test while the block lasts.

        Args:
            name: What the test is called.
            closes: Whether virtual time ends in it, for nothing but the threads that are left.

        Raises:
            BaseException: The error of the net: it was ended.
        """
        most = self._limit if closes else LONG * self._limit
        part = self._part = _Part(name, most, self._sim.now, closes=closes)
        if VirtualLock.stage is not None:
            VirtualLock.stage.is_watched = self._can_catch
        try:
            yield
        except ForTheMainProgram as caught:
            raise caught.error from None
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self._part = None
            if not part.words or str(error) == part.words:
                raise
            raise self._error(part.words) from error
        finally:
            self._part = None
        if part.words:  # somebody has caught what was raised
            raise self._error(part.words)

    # -- in a thread of its own ----------------------------------------------------------------

    def _watch(self) -> None:
        pause = min(1.0, self._limit / 20)
        while not self._over.acquire(timeout=self._pause_in(self._part, pause)):
            part = self._part
            if part is not None and part.may_end:
                if not part.verdict:
                    self._look_at(part)
                if (part.verdict or part.gives_way) and part is self._part:
                    signal.pthread_kill(self._main, _SIGNAL)  # interrupts a system call, too
        self._watching.release()

    def _pause_in(self, part: _Part | None, pause: float) -> float:
        if part is not None and part.verdict:
            return GRACE  # time to unwind, before it is interrupted once more
        return min(pause, GRACE) if part is not None and part.yielded else pause

    def _look_at(self, part: _Part) -> None:
        """Give a verdict on a part whose time is over; let one that stands still give way."""
        now, computed = _now(), time.process_time()
        if self._sim.now != part.virtual or (who := self._who_is_held_up()) is None:
            part.stands_still_since(now, computed, self._sim.now)
        elif computed - part.computed < IDLE * (now - part.since):
            still = now - part.since
            part.gives_way = still >= (GRACE if part.yielded else TURN * self._limit)
            if still >= JUMP * self._limit:
                part.jumps = True
            if still >= self._limit:
                part.verdict = f"nothing has happened for {self._limit:g} s of real time: {who}"
                part.stands = True
        if not part.verdict and now - part.began >= part.at_most:
            part.verdict = f"it has taken {part.at_most:g} s of real time"

    def _who_is_held_up(self) -> str | None:
        """Return in words which virtual thread holds up the others, or is held up itself."""
        with suppress(RuntimeError):  # it goes on at this moment
            stage = VirtualLock.stage
            if stage is not None and stage.has_the_turn is not None:
                name = getattr(self._sim.active_process, "name", None)
                return f"the thread {name!r} waits for something real, and all others for it"
            for place in (*self._sim._urgent, *self._sim._ready):
                process: Any = (
                    place if place.__class__ is Process else getattr(place, "_waiter", None)
                )
                if blocker_of(process) is not None and process.is_alive:
                    return (
                        "the main program waits for something real, while the thread "
                        f"{process.name!r} waits for its turn"
                    )
        return None

    # -- in the main thread --------------------------------------------------------------------

    def _hear(self, _number: int, frame: FrameType | None) -> None:
        """Do what the watching thread has found."""
        part = self._part
        if part is None or not part.may_end:
            return
        if part.verdict:
            self._interrupt(part, frame)
        elif part.gives_way and _may_be_left(frame):
            part.gives_way, part.yielded = False, True
            self._give_way(part)

    def _give_way(self, part: _Part) -> None:
        """Let others have their turn while this one waits for the operating system.

        It is as if it had called ``time.sleep(0)`` there. When nobody is due, whoever is
        next comes, once it is clear enough that nothing real does.
        """
        stage = VirtualLock.stage
        if stage is not None and self._sim.peek() == self._sim.now:
            stage.block(0.0)
        elif stage is not None and part.jumps and self._sim.peek() < math.inf:
            stage.block(self._sim.peek() - self._sim.now)

    def _interrupt(self, part: _Part, frame: FrameType | None) -> None:
        """End the part: here, or, where that does harm, at the next step of the simulation."""
        part.interrupts += 1
        part.words = part.words or self._words(part, frame)
        if _may_be_left(frame) or part.interrupts % (SPARED + 1) == 0:
            self._end(part)
        elif part.interrupts == 1:
            step: Any = self._sim.event()
            step._value = None
            step._waiter = lambda _event: self._end(part)
            self._sim._urgent.appendleft(step)

    def _end(self, part: _Part) -> None:
        if part is self._part:
            error = self._error(part.words)
            raise error if ident_of_running() == self._main else ForTheMainProgram(error)

    def _words(self, part: _Part, frame: FrameType | None) -> str:
        stack = [] if frame is None else below_the_engine(frame)
        return "\n".join(
            [
                f"{part.verdict} (virtual time: t={self._sim.now:.9g})",
                "it stood here:",
                *(f"  {line}" for line in stack[-5:]),
                WAITS if part.stands else WORKS,
                f"leave it out here: --deselect={part.name}",
                *(who_waits(self._sim, most=5) if self._sim.blocked() else ()),
            ]
        )


class _Part:
    """What is watched.

    Attributes:
        closes: Whether virtual time ends in it.
        verdict: Why it is to end; empty as long as it is not.
        words: The same at length, from when it was told so.
        stands: Whether it stands still.
        gives_way: Whether who waits is to let others have their turn.
        yielded: Whether that has been so before: it will not take long to be so again.
        jumps: Whether virtual time goes on then, too.
    """

    def __init__(self, name: str, at_most: float, virtual: float, *, closes: bool) -> None:
        self.name = name
        self.at_most = at_most
        self.closes = closes
        self.verdict = ""
        self.gives_way = self.yielded = self.jumps = False
        self.words = ""
        self.stands = False
        self.interrupts = 0
        self.began = _now()
        self.stands_still_since(self.began, time.process_time(), virtual)

    @property
    def may_end(self) -> bool:
        """Whether it may be ended: the restoration of what was replaced may not."""
        return not self.closes or (VirtualLock.stage is not None and VirtualLock.stage.is_closing)

    def stands_still_since(self, now: float, computed: float, virtual: float) -> None:
        """Take down when virtual time was last seen to go on."""
        self.since, self.computed, self.virtual = now, computed, virtual


def _may_be_left(frame: FrameType | None) -> bool:
    """Return whether an exception does no harm where the program stands."""
    name = "" if frame is None else str(frame.f_globals.get("__name__"))
    return not name.startswith(_NOT_IN)
