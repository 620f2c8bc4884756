"""The restarter: starts children again, after a delay, with those whom the strategy names.

It counts as OTP does: each restart of a child, and each try of a start that fails, is one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from foundation_lab.simulation.invocation import error_name
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.services.retrying.backoff import Backoff
    from foundation_lab.services.supervision.child import Ward
    from foundation_lab.services.supervision.family import Family
    from foundation_lab.services.supervision.post import Post
    from foundation_lab.services.supervision.restarts import RestartLog
    from foundation_lab.services.supervision.termination import Termination
    from foundation_lab.simulation.engine import Simulation


class Restarter:
    """Restarts the children of a supervisor.

    Args:
        sim: The simulation.
        family: The children, and whose they are.
        post: Where it lines up what it does later.
        termination: Stops those that are restarted with a child.
        log: Counts restarts.
        delay: Seconds from a crash to the start, or a backoff over a child's restarts in a row.
        stable_time: A child that was up for so many seconds begins its backoff anew.
        is_open: Whether the supervisor is up and not stopping.
        give_up: Called when there were too many restarts, with the event that says so.
    """

    def __init__(
        self,
        sim: Simulation,
        family: Family,
        post: Post,
        termination: Termination,
        log: RestartLog,
        *,
        delay: float | Backoff,
        stable_time: float,
        is_open: Callable[[], bool],
        give_up: Callable[[events.supervisor.GaveUp], object],
    ) -> None:
        self._sim = sim
        self._emit = sim.telemetry.emit
        self._name = family.name
        self._family = family
        self._post = post
        self._termination = termination
        self._log = log
        self._restart_delay = delay
        self._delays = sim.stream(f"supervisor.{family.name}.restart_delay")
        self._stable_time = stable_time
        self._is_open = is_open
        self._give_up = give_up

    def restart(self, ward: Ward, reason: str) -> None:
        """Start a child again that has exited, unless that happens too often."""
        if self._sim.now >= ward.started + self._stable_time:
            ward.attempts = 0
        self._count(ward, reason)

    def start(self, ward: Ward) -> None:
        """Start a child that is down.

        Raises:
            Exception: It did not start: a failure of its own.
        """
        try:
            ward.service.restart()
        except self._sim.failures as error:
            self._emit(events.supervisor.StartFailed(self._name, ward.name, error_name(error)))
            raise
        ward.started = self._sim.now
        self._emit(events.supervisor.ChildStarted(self._name, ward.name))

    # -- private -------------------------------------------------------------------------------

    def _count(self, ward: Ward, reason: str) -> None:
        """Count a restart; plan it, or give up."""
        log = self._log
        if not log.add(self._sim.now):
            gave_up = events.supervisor.GaveUp
            self._give_up(gave_up(self._name, ward.name, len(log), log.intensity, log.period))
            return
        ward.forget_start()
        ward.restarting = True
        delay = self._delay(ward)
        scope = [w for w in self._family.affected(ward) if w.spec.restart != "temporary"]
        ward.cause = self._emit(
            events.supervisor.ChildRestarting(
                self._name, ward.name, reason, len(scope), len(log), delay
            )
        )
        self._stop_others(ward, lambda: self._plan(ward, delay))

    def _delay(self, ward: Ward) -> float:
        if isinstance(self._restart_delay, int | float):
            return self._restart_delay
        if ward.attempts == 0:
            ward.delays, ward.delay = self._restart_delay.begin(), 0.0
        ward.attempts += 1
        ward.delay = ward.delays.delay(ward.attempts, ward.delay, self._delays)
        return ward.delay

    def _stop_others(self, ward: Ward, then: Callable[[], object]) -> None:
        """Stop whom the strategy restarts with a child, unless its restart was called off."""
        if ward.restarting:
            others = [w for w in reversed(self._family.affected(ward)) if w is not ward]
            self._termination.begin(others, then)

    def _plan(self, ward: Ward, delay: float) -> None:
        if delay > 0:
            again = partial(self._stop_others, ward, lambda: self._start_all(ward))
            ward.timer = self._sim.call_in(delay, lambda: self._post.put(again, ward))
        else:
            self._start_all(ward)

    def _start_all(self, ward: Ward) -> None:
        """Start a child and who is to be started with it, unless that was called off."""
        if not ward.restarting:
            return
        with self._sim.telemetry.context(cause=ward.cause):
            for each in self._family.affected(ward):
                each.forget_start()
                if each.service.up:  # somebody else was faster
                    continue
                try:
                    self.start(each)
                except self._sim.failures:
                    each.restarting = True
                    self._post.put(partial(self._try_again, each), each)
                    return
                if not self._is_open():  # whoever heard of the start may have ended it
                    return

    def _try_again(self, ward: Ward) -> None:
        if ward.restarting and ward.timer is None:
            self._count(ward, "start_failed")
