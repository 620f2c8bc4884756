"""Faults that end services and bring them up again."""

from __future__ import annotations

import math
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import simpy

from foundation_lab.simulation.faults.fault import Fault, seconds_are_wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation_lab.simulation.faults.fault import Wrong
    from foundation_lab.simulation.faults.injection import Injection

STATES = ("volatile", "durable")


class Crash(Fault, frozen=True, kw_only=True):
    """A service is killed. It comes back after `down_for` seconds, or when somebody restarts it.

    Whoever comes first restarts it: this fault, or a supervisor. While another crash still holds
    the service down, the end of this one does not bring it up.

    Attributes:
        down_for: Seconds until it is restarted. Without it the duration of the fault counts; when
            that has no end either, the restart is left to a supervisor.
        state: ``volatile``: what it knew is lost, such as what a cache keeps. ``durable``: it is
            there again after the restart.
    """

    kind: ClassVar[str] = "crash"
    needs: ClassVar[tuple[str, ...]] = ("kill",)

    down_for: float | None = None
    state: str = "volatile"

    def wrong(self) -> Iterator[Wrong]:
        """Return what makes no sense about it."""
        yield from seconds_are_wrong("down_for", self.down_for, zero=False)
        if self.state not in STATES:
            yield "state", self.state, f"give {' or '.join(map(repr, STATES))}"

    def length(self, planned: float) -> float:
        """Return how many seconds the service is down; 0 when this fault does not restart it."""
        if self.down_for is not None:
            return self.down_for
        return planned if math.isfinite(planned) else 0.0

    def take_effect(self, injection: Injection) -> None:
        """Kill the service."""
        target = injection.target
        injection.strike_all()
        if self.state == "durable":
            target.kill("crashed", durable=True)
        else:
            target.kill("crashed")
        injection.incarnation = getattr(target, "restart_count", 0)

    def end(self, injection: Injection) -> None:
        """Restart the service, unless somebody did or another crash holds it down."""
        target = injection.target
        if injection.length == 0 or target.up or target.restart_count != injection.incarnation:
            return
        holds = (each for each in injection.others() if isinstance(each.fault, Crash))
        if not any(each.length > 0 and each.incarnation == injection.incarnation for each in holds):
            with suppress(*target.sim.failures):  # it could not start, and is down as before
                target.restart()


class RollingDeploy(Fault, frozen=True, kw_only=True):
    """One service after the other is taken down in good order, and brought up again.

    It is injected into several services at once, or into something that has a method
    ``rolling_deploy(max_unavailable=...)`` of its own, which is called instead, and whose event
    ends it. It is over when the last one is back. A service that is down already when its turn
    comes stays down for its time; one that somebody else restarts meanwhile is left alone.

    Attributes:
        down_for: How many seconds each is down, from its end on; only for several services.
        max_unavailable: How many are down for it at the same time, at most; 0 for something that
            deploys itself and starts the new before it stops the old.
    """

    kind: ClassVar[str] = "rolling_deploy"
    collective: ClassVar[bool] = True
    has_own_length: ClassVar[bool] = True

    down_for: float | None = None
    max_unavailable: int = 1

    def wrong(self) -> Iterator[Wrong]:
        """Return what makes no sense about it."""
        yield from seconds_are_wrong("down_for", self.down_for, zero=False)
        least = 0 if self.down_for is None else 1
        if not (isinstance(self.max_unavailable, int) and self.max_unavailable >= least):
            yield "max_unavailable", self.max_unavailable, f"give a whole number from {least}"

    def take_effect(self, injection: Injection) -> None:
        """Begin with the first ones."""
        own = getattr(injection.target, "rolling_deploy", None)
        if own is None:
            _Rollout(injection, self).go_on()
            return
        try:
            result = own(max_unavailable=self.max_unavailable)
        except injection.sim.failures:  # what is down cannot be deployed
            result = None
        if isinstance(result, simpy.Event) and result.callbacks is not None:
            result.callbacks.append(lambda _event: injection.finish())
        else:
            injection.finish()


class _Rollout:
    """A rolling deploy under way."""

    def __init__(self, injection: Injection, fault: RollingDeploy) -> None:
        self._injection = injection
        self._fault = fault
        self._to_come: deque[Any] = deque(injection.target.members)
        self._down = 0

    def go_on(self) -> None:
        """Take down as many as may be down; it is over when all are back."""
        while self._to_come and self._down < self._fault.max_unavailable:
            self._down += 1
            self._take_down(self._to_come.popleft())
        if not self._down:
            self._injection.finish()

    def _take_down(self, member: Any) -> None:
        requests = self._injection.requests_at(member)
        member.stop()
        if member.up:  # it winds down first
            ends = iter([partial(self._is_down, member)])
            member.when_it_exits(lambda _reason: next(ends, int)())
        else:
            self._injection.strike_all(requests)
            self._is_down(member)

    def _is_down(self, member: Any) -> None:
        back = partial(self._bring_up, member, member.restart_count)
        self._injection.sim.call_in(self._fault.down_for or 0.0, back)

    def _bring_up(self, member: Any, incarnation: int) -> None:
        if not member.up and member.restart_count == incarnation:
            with suppress(*member.sim.failures):  # it could not start, and is down as before
                member.restart()
        self._down -= 1
        self.go_on()
