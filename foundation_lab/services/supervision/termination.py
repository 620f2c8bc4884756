"""Stopping children one after the other; each has its time, after which it is killed."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Protocol

from foundation_lab.services.supervision.restarts import SHUTDOWN
from foundation_lab.simulation.timer import Timer

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.services.supervision.child import Ward
    from foundation_lab.services.supervision.post import Post
    from foundation_lab.simulation.engine import Simulation


class Report(Protocol):
    """What is called for each child that is down."""

    def __call__(self, ward: Ward, /, *, forced: bool, duration: float, was_up: bool) -> None:
        """Say whether it was up, whether it had to be killed, and how long it took."""


class Termination:
    """Stops children; what is left of it can be replaced at any time.

    A child that is down at the very instant at which its time is over is in time.

    Args:
        sim: The simulation.
        post: The supervisor's mailbox, which is busy meanwhile.
        report: Called for each child, when it is down.
    """

    def __init__(self, sim: Simulation, post: Post, report: Report) -> None:
        self._sim = sim
        self._post = post
        self._report = report
        self._doomed: list[Ward] = []
        self._then: Callable[[], object] | None = None
        self._ending: Ward | None = None
        self._began = 0.0
        self._forced = False
        self._waiting = False
        self._killer: Timer | None = None

    def begin(self, wards: list[Ward], then: Callable[[], object]) -> None:
        """Stop children in the order given, forget what lies in the mailbox about them, go on.

        While one is stopping, they replace those that would have come after it.
        """
        self._post.busy = True
        for ward in wards:
            ward.forget_start()
        self._post.flush(wards)
        self._doomed = [ward for ward in wards if ward is not self._ending]
        self._then = then
        if self._ending is None:
            self._go_on()

    def awaits(self, ward: Ward) -> bool:
        """Return whether a child is going to be stopped."""
        return ward in self._doomed

    def ended(self, ward: Ward) -> bool:
        """Take note of a child's exit; return whether it is the one that was being stopped."""
        if ward is not self._ending:
            return False
        self._ending = None
        if self._killer is not None:
            self._killer.cancel()
            self._killer = None
        waiting, self._waiting = self._waiting, False
        duration = self._sim.now - self._began
        self._report(ward, forced=self._forced, duration=duration, was_up=True)
        if waiting and self._ending is None:  # else whoever heard of it has begun anew
            self._go_on()
        return True

    def abandon(self) -> None:
        """Forget everything."""
        if self._killer is not None:
            self._killer.cancel()
        self._doomed, self._then = [], None
        self._ending, self._killer, self._waiting = None, None, False

    # -- private -------------------------------------------------------------------------------

    def _go_on(self) -> None:
        while self._doomed:
            ward = self._doomed.pop(0)
            if not ward.service.up:
                self._report(ward, forced=False, duration=0.0, was_up=False)
                continue
            self._ending, self._began, self._forced = ward, self._sim.now, False
            if isinstance(ward.spec.shutdown, str):
                self._kill(ward)
            else:
                ward.service.stop(SHUTDOWN)
            if self._ending is ward:  # it takes its time
                self._waiting = True
                patience = ward.spec.patience
                if math.isfinite(patience):
                    until, kill = self._sim.now + patience, partial(self._kill, ward)
                    self._killer = Timer(self._sim, until, kill, last=True)
            if self._ending is not None:
                return
        then, self._then = self._then, None
        if then is not None:
            self._post.busy = False
            then()
            self._post.wake()

    def _kill(self, ward: Ward) -> None:
        self._forced = True
        ward.service.kill("killed")
