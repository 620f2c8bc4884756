"""What all expectations share: they listen, let virtual time go on, and give their verdict.

One object serves every form: ``with`` in the main program, ``async with`` and ``await`` in a
coroutine, ``yield from`` and ``yield`` in a process.
"""

from __future__ import annotations

import math
from types import CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, Self

from foundation_lab.testing.clock import (
    DONE,
    Ending,
    is_running,
    require_its_loop,
    require_outside,
    require_seconds,
    run_until_settled,
    thread_of,
)
from foundation_lab.testing.listening import Listener
from foundation_lab.testing.lookouts import Window
from foundation_lab.testing.spelling import seconds
from foundation_lab.testing.undecided import begin_to_wait, stop_waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from simpy.events import Event

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.process import Process
    from foundation_lab.telemetry.record import Record
    from foundation_lab.testing.marks import Mark
    from foundation_lab.testing.wanted import Wanted


class Expectation(Listener):
    """What is settled by an event, or by the end of the time.

    Attributes:
        within: For how many virtual seconds the simulation goes on after the block.
        result: What the block returned, when it was given as a function. A generator was started
            as a process and a coroutine as a task, which is the result then.
        bound: What the names given by `bind` stand for.
    """

    def __init__(
        self,
        sim: Simulation,
        call: str,
        wanted: Sequence[Wanted],
        within: float,
        *,
        since: Mark | int | None = None,
        block: Callable[[], object] | None = None,
    ) -> None:
        self.within = require_seconds(within)
        super().__init__(sim, wanted, since)
        self.result: Any = None
        self.bound: dict[str, Any] = {}
        self._call = call
        self._block = block
        self._decisive: Record | None = None
        self._waited = False
        self._runs = False
        self._signal: Event | None = None
        self._process: Process | None = None

    @property
    def record(self) -> Record:
        """The record that settled it.

        Raises:
            RuntimeError: There is none (yet).
        """
        if self._decisive is None:
            message = f"nothing has settled {self}; look at its record after the block"
            raise RuntimeError(message)
        return self._decisive

    @property
    def event(self) -> Any:
        """The event that settled it."""
        return self.record.event

    @property
    def time(self) -> float:
        """When it was settled, in virtual seconds."""
        return self.record.time

    # -- the forms of waiting ------------------------------------------------------------------

    def called(self) -> Self:
        """Do at once what can be done: in the main program a block that was given is run."""
        __tracebackhide__ = True
        if self._block is not None and not is_running(self._sim):
            with self:
                self._act()
        return self

    def wait(self) -> Generator[Event, Any, None]:
        """Wait in the running process, inside the block (``yield from``).

        The time `within` counts from here. The process goes on at the instant of the event, after
        what was due at that instant before it.

        Raises:
            AssertionError: It was not met.
        """
        if not self._is_attached:
            message = f"{self} listens only inside of its block; call wait() there"
            raise RuntimeError(message)
        self._waited = True
        ending = DONE
        if not self._settled and self._can_see:
            signal, window = self._open_window()
            try:
                yield signal
            finally:
                ending = self._close_window(window)
        self._conclude(ending)

    def __iter__(self) -> Generator[Event, Any, Any]:
        """Wait in the running process (``yield from``); the block, if given, is run first.

        Returns:
            The expectation.
        """
        with self:
            self._act()
            yield from self.wait()
        return self._outcome

    def as_event(self) -> Process:
        """Return an event that happens when it is met, and fails with the `AssertionError` if not.

        It listens from now on. A process that yields the expectation itself waits for this.
        """
        self.__enter__()
        self._process = self._sim.process(self._finish(), name=self._call)
        return self._process

    def __await__(self) -> Generator[Any, Any, Any]:
        """Wait in a coroutine on the virtual clock; the block, if given, is run first."""
        return self._wait_async().__await__()

    def __str__(self) -> str:
        """Return how it was made."""
        return f"{self._call}({', '.join(map(str, self._wanted))})"

    @property
    def _proper_use(self) -> str:
        return f"'with {self._call}(...):'"

    # -- for subclasses ------------------------------------------------------------------------

    def _verdict(self, ending: Ending) -> str | None:
        """Return the message of the failure, or ``None`` when all is as expected."""
        raise NotImplementedError

    @property
    def _outcome(self) -> Any:
        """What ``yield from`` and ``await`` give."""
        return self

    def _settle(self, record: Record) -> None:
        if self._decisive is None:
            self._decisive = record
            self._wake()

    @property
    def _span(self) -> str:
        return f"in the block and {seconds(self.within)} s after it"

    @property
    def _settled(self) -> bool:
        return self._decisive is not None or self._broken is not None

    def _go_on(self) -> Ending:
        """Run the simulation until it is settled."""
        __tracebackhide__ = True
        self._runs = True
        try:
            return run_until_settled(self._sim, lambda: self._settled, self.within)
        finally:
            self._runs = False

    # -- private -------------------------------------------------------------------------------

    def _act(self) -> None:
        if self._block is not None:
            result = self._block()
            if isinstance(result, GeneratorType):
                result = self._sim.process(result)
            elif isinstance(result, CoroutineType):
                result = self._sim.task(result)
            self.result = result

    def _finish(self) -> Generator[Event, Any, Any]:
        try:
            self._act()
            yield from self.wait()
        finally:
            self._detach()
        self._raise_broken()
        return self._outcome

    async def _wait_async(self) -> Any:
        async with self:
            self._act()
        return self._outcome

    def _leave(self) -> None:
        __tracebackhide__ = True
        if self._waited:
            return
        ending = DONE
        if not self._settled and self._can_see:
            block = thread_of(self._sim)
            ending = self._go_on_outside() if block is None else self._wait_in_thread(block)
        self._conclude(ending)

    def _go_on_outside(self) -> Ending:
        __tracebackhide__ = True
        require_outside(
            self._sim,
            "use 'yield from expectation.wait()' inside the block of a process, 'async with' "
            "in a coroutine",
        )
        return self._go_on()

    def _wait_in_thread(self, block: Callable[[Event], object]) -> Ending:
        signal, window = self._open_window()
        try:
            block(signal)
        finally:
            ending = self._close_window(window)
        return ending

    async def _leave_async(self) -> None:
        __tracebackhide__ = True
        if self._waited:
            return
        ending = DONE
        if not self._settled and self._can_see:
            require_its_loop(self._sim, str(self))
            signal, window = self._open_window()
            try:
                await self._sim.as_future(signal)
            finally:
                ending = self._close_window(window)
        self._conclude(ending)

    def _open_window(self) -> tuple[Event, Window]:
        signal = self._signal = self._sim.wait(str(self))
        begin_to_wait(self._sim, self)

        def over() -> None:
            if not signal.triggered:
                signal.succeed()

        return signal, Window(self._sim, self.within, over)

    def _close_window(self, window: Window) -> Ending:
        self._stop_waiting(window)
        return DONE if self._settled or window.over is None else Ending(window.over)

    def _stop_waiting(self, window: Window) -> None:
        window.cancel()
        self._signal = None
        stop_waiting(self._sim, self)

    def _conclude(self, ending: Ending) -> None:
        __tracebackhide__ = True
        if self._broken is not None:
            return
        self._raise_unseen()
        if self._decisive is None and not self._can_see:
            message = (
                f"{self} can see nothing at t={seconds(self._sim.now)}: telemetry was disabled, or "
                "detach_all() took its handler away"
            )
            raise AssertionError(message)
        if self._decisive is None and self._guards and self._was_blind:
            message = f"{self} has not seen all: telemetry was disabled for a while"
            raise AssertionError(message)
        failure = self._verdict(ending)
        if failure is not None:
            raise AssertionError(failure)

    def _raise_unseen(self) -> None:
        """Raise what the task of the block has failed with, if nobody has asked it yet."""
        __tracebackhide__ = True
        if getattr(self.result, "_log_traceback", None) is True:
            self.result.result()

    def _wake(self) -> None:
        if self._signal is not None and not self._signal.triggered:
            self._signal.succeed()
        if self._runs:
            self._sim.stop()

    @property
    def counts(self) -> bool:
        """Whether somebody counts on its verdict: not when all have turned to something else."""
        if self._guards and self.within == math.inf:
            return False
        return self._process is None or self._process._waiter not in (None, [])

    @property
    def _guards(self) -> bool:
        """Whether it would have failed by now if it was to, and so has checked what happened."""
        return False
