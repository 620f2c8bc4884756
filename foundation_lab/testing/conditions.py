"""Conditions: states that are waited for, whatever brings them about."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

from foundation_lab.testing.blocks import Expectation
from foundation_lab.testing.clock import DONE, Ending, advance, is_running, thread_of, watched
from foundation_lab.testing.failure import circumstances, compose, why_it_ended
from foundation_lab.testing.listening import from_the_test
from foundation_lab.testing.lookouts import Rounds, Window, rounds_of
from foundation_lab.testing.matchers import holds
from foundation_lab.testing.spelling import seconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from simpy.events import Event

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.testing.waiting import Wait


class VacuousWait(UserWarning):
    """A wait that nothing had to happen for: what it waited for held before the action."""


class ConditionExpectation(Expectation):
    """A condition must come to hold; made by `assert_condition`, and behind every `wait_for`.

    In the main program it is asked after every step. In a process and in a coroutine it is asked at
    the end of every instant at which something happens.

    Attributes:
        value: The first true value that the predicate returned.
    """

    def __init__(
        self, sim: Simulation, call: str, wait: Wait, *, block: Callable[[], object] | None = None
    ) -> None:
        super().__init__(sim, call, [], wait.within, block=block)
        self.value: Any = None
        self._wait = wait
        self._held_before = False
        self._is_watched = False
        self._acts = True
        self._time: float | None = None
        self._during: AbstractContextManager[object] | None = wait.during
        self._rounds: Rounds | None = None

    @property
    def time(self) -> float:
        """When it was found to hold, in virtual seconds."""
        if self._time is None:
            message = f"{self} does not hold (yet); look at its time after the block"
            raise RuntimeError(message)
        return self._time

    def __str__(self) -> str:
        """Return how it was made."""
        return f"{self._call}({self._wait.what})"

    @property
    def _proper_use(self) -> str:
        if self._call == "assert_condition":
            return super()._proper_use
        return f"'yield from {self._call}(...)', in a coroutine 'await {self._call}(...)'"

    def wait_only(self) -> ConditionExpectation:
        """Take notice that there is no action: it may well hold already."""
        self._acts = False
        return self

    def waited(self) -> Any:
        """Wait at once in the main program; return the value."""
        __tracebackhide__ = True
        with self:
            self._act()
        return self._outcome

    def __iter__(self) -> Any:
        """Wait in the running process (``yield from``); return the value."""
        self._acts = self._block is not None
        return super().__iter__()

    def __await__(self) -> Any:
        """Wait in a coroutine; return the value."""
        self._acts = self._block is not None
        return super().__await__()

    def as_event(self) -> Any:
        """Return an event that happens when it holds, with the value."""
        self._acts = self._block is not None
        return super().as_event()

    # -- private -------------------------------------------------------------------------------

    @property
    def _outcome(self) -> Any:
        return self._wait.give(self.value)

    def _attach(self) -> None:
        __tracebackhide__ = True
        if self._during is not None:
            self._during.__enter__()
        self._is_watched = True
        if self._acts or self._wait.held_before is not None:
            try:
                ending = watched(self._ask_before)
            except BaseException:
                self._detach()
                raise
            if ending is not DONE:
                self._detach()
                self._conclude(ending)

    def _ask_before(self) -> None:
        __tracebackhide__ = True
        held = self._wait.held_before
        self._held_before = holds(self._wait.predicate() if held is None else held())

    def _detach(self) -> None:
        if self._is_watched:
            self._is_watched = False
            if self._during is not None:
                nothing: tuple[
                    type[BaseException] | None, BaseException | None, TracebackType | None
                ]
                nothing = (None, None, None)
                self._during.__exit__(*nothing)

    @property
    def _is_attached(self) -> bool:
        return self._is_watched

    @property
    def _can_see(self) -> bool:
        return self._is_watched

    @property
    def _settled(self) -> bool:
        return self._time is not None or self._broken is not None or self._ask()

    def _ask(self) -> bool:
        __tracebackhide__ = True
        if self._time is None:
            try:
                value = self._wait.predicate()
                satisfied = holds(value)
            except Exception as error:
                now = seconds(self._sim.now)
                error.add_note(f"raised by what is waited for, {self._wait.what}, at t={now}")
                raise
            if satisfied:
                self.value, self._time = value, float(self._sim.now)
            else:
                self._held_before = False  # the action has undone it, so there is something to see
        return self._time is not None

    def _ask_quietly(self) -> bool:
        """Ask in the midst of a run: an error hits who waits, and not the engine."""
        try:
            holds = self._ask()
        except Exception as error:  # noqa: BLE001  (as for a predicate of an event)
            self._broken = from_the_test(error)
            holds = True
        if holds:
            self._wake()
        return holds

    def _leave(self) -> None:
        __tracebackhide__ = True
        if self._waited or is_running(self._sim) or thread_of(self._sim) is not None:
            super()._leave()
        else:
            self._conclude(self._go_on())  # which asks first, under the watch of the wall clock

    def _go_on(self) -> Ending:
        __tracebackhide__ = True
        return advance(self._sim, self._ask, self.within)

    def _open_window(self) -> tuple[Event, Window]:
        opened = super()._open_window()
        self._rounds = rounds_of(self._sim)
        self._rounds.add(self._ask_quietly)
        return opened

    def _close_window(self, window: Window) -> Ending:
        if self._rounds is not None:
            self._rounds.remove(self._ask_quietly)
            self._rounds = None
        self._stop_waiting(window)
        if self._time is not None or self._broken is not None or self._ask():
            return DONE
        return DONE if window.over is None else Ending(window.over)

    def _conclude(self, ending: Ending) -> None:
        __tracebackhide__ = True
        if self._broken is not None:
            return
        self._raise_unseen()
        if self._time is None:
            message = compose(
                f"waited {seconds(self.within)} s for {self._wait.what}",
                why_it_ended(self._sim, ending),
                self._wait.seen(),
                circumstances(self._sim),
            )
            raise AssertionError(message)
        refusal = self._wait.refuse(self.value)
        if refusal:
            raise AssertionError(compose(*refusal, circumstances(self._sim)))
        if self._held_before:
            warnings.warn(
                f"a vacuous wait: {self._wait.what} was so before the action already, so the wait "
                "has shown nothing",
                VacuousWait,
                stacklevel=_level_of_the_test(),
            )


def _level_of_the_test() -> int:
    """Return how far up the stack, from the caller, the test stands that made the wait."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and str(frame.f_globals.get("__package__")).startswith(_OURS):
        frame, level = frame.f_back, level + 1
    return level


_OURS = __package__ or ""
