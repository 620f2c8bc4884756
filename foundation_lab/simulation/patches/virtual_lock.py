"""Locks of virtual threads: first come, first served.

Each holds a real lock, which it is among real threads: one that was made before virtual threads
came into use serves them as well, and one that outlives them goes on as it was.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from foundation_lab.simulation.patches.real_threads import new_lock, running_thread
from foundation_lab.simulation.timer import Timer

if TYPE_CHECKING:
    from foundation_lab.simulation.patches.stage import Stage
    from foundation_lab.simulation.waiting import Wait


class VirtualLock:
    """What `threading.Lock` is among virtual threads.

    A lock that is released goes to who has waited longest. A wait whose time is over at the instant
    of the release still gets it.

    Attributes:
        stage: Where virtual threads run, as long as they are in use.
    """

    stage: ClassVar[Stage | None] = None

    def __init__(self) -> None:
        self._real = new_lock()
        self._holder: int | None = None
        self._line: deque[Wait] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002
        """Take the lock, and return whether that was possible; see `threading.Lock`."""
        if timeout != -1 and not blocking:
            message = "can't specify a timeout for a non-blocking call"
            raise ValueError(message)
        if timeout < 0 and timeout != -1:
            message = "timeout value must be a non-negative number"
            raise ValueError(message)
        stage = VirtualLock.stage
        virtual = stage is not None and stage.is_here()
        got = (
            self._real.acquire(blocking=False) if virtual else self._real.acquire(blocking, timeout)
        )
        if got:
            self._holder = ident_of_running()
        elif stage is not None and virtual and blocking and timeout != 0:
            return self._wait(stage, timeout)
        return got

    def release(self) -> None:
        """Give the lock to who has waited longest.

        Raises:
            RuntimeError: Nobody holds it.
        """
        if not self._real.locked():
            message = "release unlocked lock"
            raise RuntimeError(message)
        while self._line:
            waiter = self._line.popleft()
            if not waiter.triggered:
                waiter.succeed(value=True)
                return
        self._holder = None
        self._real.release()

    def locked(self) -> bool:
        """Whether somebody holds the lock."""
        return self._real.locked()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def __repr__(self) -> str:
        """Return one line: who holds it."""
        return f"<Lock held by {name_of_thread(self._holder)}>" if self.locked() else "<Lock>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied, as a real lock does."""
        message = "cannot pickle '_thread.lock' object"
        raise TypeError(message)

    def _at_fork_reinit(self) -> None:
        self._real = new_lock()
        self._holder = None
        self._line.clear()

    def _wait(self, stage: Stage, timeout: float) -> bool:
        sim, me = stage.sim, ident_of_running()
        # A condition waits for a lock that the same thread has taken before.
        holder = name_of_thread(self._holder)
        words = "a notification" if self._holder == me else f"a lock that {holder} holds"
        waiter = sim.wait(words)
        self._line.append(waiter)
        timer = None
        if timeout > 0:
            timer = Timer(sim, sim.now + timeout, lambda: _give_up(waiter), last=True)
        try:
            granted = stage.block(waiter)
        except BaseException:
            if not waiter.triggered:
                _give_up(waiter)
            elif waiter.value:
                self.release()
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if granted:
            self._holder = me
        return bool(granted)


class VirtualRLock:
    """What `threading.RLock` is among virtual threads."""

    def __init__(self) -> None:
        self._lock = VirtualLock()
        self._owner: int | None = None
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002
        """Take the lock, once more if it is the thread's already; see `threading.RLock`."""
        me = ident_of_running()
        if self._owner == me:
            self._count += 1
            return True
        if not self._lock.acquire(blocking, timeout):
            return False
        self._owner, self._count = me, 1
        return True

    def release(self) -> None:
        """Give the lock back as often as it was taken.

        Raises:
            RuntimeError: It is not the thread's.
        """
        if not self._is_owned():
            message = "cannot release un-acquired lock"
            raise RuntimeError(message)
        self._count -= 1
        if not self._count:
            self._owner = None
            self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _recursion_count(self) -> int:
        """Return how often the running thread has taken it."""
        return self._count if self._is_owned() else 0

    def _is_owned(self) -> bool:
        return self._owner == ident_of_running()

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied, as a real lock does."""
        message = "cannot pickle '_thread.RLock' object"
        raise TypeError(message)

    def _at_fork_reinit(self) -> None:
        self._lock._at_fork_reinit()
        self._owner, self._count = None, 0

    def _release_save(self) -> Any:
        """Give the lock back altogether, for a condition that waits."""
        state, self._owner, self._count = (self._owner, self._count), None, 0
        self._lock.release()
        return state

    def _acquire_restore(self, state: Any) -> None:
        self._lock.acquire()
        self._owner, self._count = state


def ident_of_running() -> int:
    """Return the identifier of the running thread, whether virtual or real."""
    stage = VirtualLock.stage
    return running_thread() if stage is None else stage.get_ident()


def name_of_thread(ident: int | None) -> str:
    """Return the name of a thread by its identifier; a virtual one may have ended."""
    thread = threading._active.get(ident)  # type: ignore[attr-defined]
    if thread is not None:
        return str(thread.name)
    names = {} if VirtualLock.stage is None else VirtualLock.stage.names
    return names.get(ident, "a thread that has ended")


def _give_up(waiter: Wait) -> None:
    if not waiter.triggered:
        waiter.succeed(value=False)
