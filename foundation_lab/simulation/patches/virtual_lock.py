"""Locks of virtual threads: first come, first served."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.simulation.timer import Timer

if TYPE_CHECKING:
    from foundation_lab.simulation.patches.stage import Stage
    from foundation_lab.simulation.waiting import Wait


class VirtualLock:
    """What `threading.Lock` is among virtual threads.

    A lock that is released goes to who has waited longest. A wait whose time is over at the instant
    of the release still gets it.
    """

    stage: ClassVar[Stage]

    def __init__(self) -> None:
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
        me = self.stage.get_ident()
        if self._holder is None:
            self._holder = me
            return True
        return blocking and timeout != 0 and self._wait(me, timeout)

    def release(self) -> None:
        """Give the lock to who has waited longest.

        Raises:
            RuntimeError: Nobody holds it.
        """
        if self._holder is None:
            message = "release unlocked lock"
            raise RuntimeError(message)
        while self._line:
            waiter = self._line.popleft()
            if not waiter.triggered:
                waiter.succeed(value=True)
                return
        self._holder = None

    def locked(self) -> bool:
        """Whether somebody holds the lock."""
        return self._holder is not None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def __repr__(self) -> str:
        """Return one line: who holds it."""
        return "<Lock>" if self._holder is None else f"<Lock held by {self._name_of_holder()}>"

    def _at_fork_reinit(self) -> None:
        self._holder = None
        self._line.clear()

    def _name_of_holder(self) -> str:
        return "nobody" if self._holder is None else self.stage.name_of(self._holder)

    def _wait(self, me: int, timeout: float) -> bool:
        sim = self.stage.sim
        # A condition waits for a lock that the same thread has taken before.
        mine = self._holder == me
        waiter = sim.wait("a notification" if mine else f"a lock that {self._name_of_holder()} holds")
        self._line.append(waiter)
        timer = None
        if timeout > 0:
            timer = Timer(sim, sim.now + timeout, lambda: _give_up(waiter), last=True)
        try:
            granted = self.stage.block(waiter)
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

    stage: ClassVar[Stage]

    def __init__(self) -> None:
        self._lock = type("Lock", (VirtualLock,), {"stage": self.stage})()
        self._owner: int | None = None
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002
        """Take the lock, once more if it is the thread's already; see `threading.RLock`."""
        me = self.stage.get_ident()
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

    def _is_owned(self) -> bool:
        return self._owner == self.stage.get_ident()

    def _release_save(self) -> Any:
        """Give the lock back altogether, for a condition that waits."""
        state, self._owner, self._count = (self._owner, self._count), None, 0
        self._lock.release()
        return state

    def _acquire_restore(self, state: Any) -> None:
        self._lock.acquire()
        self._owner, self._count = state


def _give_up(waiter: Wait) -> None:
    if not waiter.triggered:
        waiter.succeed(value=False)
