"""The supervisor: restarts services that crash, until they crash too often. OTP's, in virtual time.

Like OTP's it is an actor: exits of its children and what it is asked for line up in a mailbox, and
it does one thing at a time. While it waits for a child to stop, the rest waits too; the exit of a
child that it is about to stop anyway is flushed and counts as nothing. `restarts` has the rules.

Source: ``lib/stdlib/src/supervisor.erl`` of Erlang/OTP. Beyond OTP: a delay before a restart.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from foundation_lab.errors import ServiceDown
from foundation_lab.services.arguments import positive
from foundation_lab.services.service import Health, Service
from foundation_lab.services.supervision.child import Child, ChildInfo, Ward
from foundation_lab.services.supervision.family import Family
from foundation_lab.services.supervision.post import Post
from foundation_lab.services.supervision.restarter import Restarter
from foundation_lab.services.supervision.restarts import (
    SHUTDOWN,
    STRATEGIES,
    RestartLog,
    restarts_after,
)
from foundation_lab.services.supervision.termination import Termination
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foundation_lab.services.retrying.backoff import Backoff
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.waiting import Wait
    from foundation_lab.telemetry.event import Event

AUTO_SHUTDOWNS = ("never", "any_significant", "all_significant")


class Supervisor(Service):
    """Restarts its children.

    Args:
        sim: The simulation.
        name: The supervisor's name.
        children: The services to look after, in the order of their start. A service alone is a
            ``transient`` child, so that whoever stops it is obeyed; a supervisor alone is a
            ``permanent`` one, for it exits with ``shutdown`` when it gives up.
        strategy: Who is restarted when a child crashes. ``one_for_one``: it alone.
            ``one_for_all``: all. ``rest_for_one``: it, and who comes after it.
        restart_delay: Seconds from a crash to the start, at most one pending for each child; or a
            backoff over a child's restarts in a row; 0 restarts at the same instant.
        stable_time: A child that was up for so many seconds begins its backoff anew; by default
            the period.
        intensity: How many restarts are allowed within `period`. A restart of several children
            counts once.
        period: Seconds.
        auto_shutdown: ``never``, or whether the end of ``any_significant`` child that is not
            restarted, or of the last of them (``all_significant``), shuts the supervisor down.

    Raises:
        ValueError: An argument, or what is said of a child, makes no sense.
    """

    kind: ClassVar[str] = "supervisor"
    ChildStarted = events.supervisor.ChildStarted
    ChildExited = events.supervisor.ChildExited
    ChildRestarting = events.supervisor.ChildRestarting
    ChildTerminated = events.supervisor.ChildTerminated
    StartFailed = events.supervisor.StartFailed
    AutoShutdown = events.supervisor.AutoShutdown
    GaveUp = events.supervisor.GaveUp

    def __init__(
        self,
        sim: Simulation,
        name: str,
        children: Iterable[Service | Child],
        *,
        strategy: str = "one_for_one",
        restart_delay: float | Backoff = 0.0,
        stable_time: float | None = None,
        intensity: int = 3,
        period: float = 5.0,
        auto_shutdown: str = "never",
    ) -> None:
        _one_of("strategy", strategy, STRATEGIES)
        _one_of("auto_shutdown", auto_shutdown, AUTO_SHUTDOWNS)
        if isinstance(restart_delay, int | float):
            positive("restart_delay", restart_delay, zero=True)
        self.strategy = strategy
        self.restart_delay = restart_delay
        self.auto_shutdown = auto_shutdown
        self.intensity = intensity
        self.period = period
        self.stable_time = period if stable_time is None else positive("stable_time", stable_time)
        self._log = RestartLog(intensity, period)
        self._family = Family(name, children, strategy, auto_shutdown)
        self._watched: dict[Service, None] = {}
        self._post = Post(sim)
        self._termination = Termination(sim, self._post, self._terminated)
        self._restarter = Restarter(
            sim,
            self._family,
            self._post,
            self._termination,
            self._log,
            delay=restart_delay,
            stable_time=self.stable_time,
            is_open=lambda: self.up and not self.stopping,
            give_up=self._end_itself,
        )
        self._closing: str | None = None
        self._calls: dict[Wait, None] = {}
        super().__init__(sim, name)
        for spec in self._family.specs:
            self._take(spec)

    # -- children ------------------------------------------------------------------------------

    @property
    def children(self) -> list[Service]:
        """The children that it knows of, in the order of their start."""
        return [ward.service for ward in self._family]

    def which_children(self) -> list[ChildInfo]:
        """Return how each child is, in the order of their start."""
        return self._family.infos()

    def count_children(self) -> dict[str, int]:
        """Return how many children there are: ``specs``, ``active``, ``supervisors``, ``workers``.

        As in OTP all but ``active`` count those that are down, too.
        """
        return self._family.counts()

    def add_child(self, child: Service | Child) -> None:
        """Look after one more child, the last in order; it is started if it is down.

        Like any child that was added, it is forgotten when the supervisor itself is restarted.

        Raises:
            ValueError: There is a child of this name, or what is said of it makes no sense.
            ServiceDown: The supervisor is down or stopping.
            Exception: The child did not start, a failure of its own; it is no child then.
        """
        self._require_open()
        self._take(self._family.spec(child))

    def terminate_child(self, name: str) -> Wait:
        """Stop a child, and leave it down; a temporary one is forgotten.

        It takes its turn behind what the supervisor is doing.

        Returns:
            The event that the child is down.

        Raises:
            UnknownName: There is no such child.
            ServiceDown: The supervisor is down or stopping.
        """
        self._require_open()
        ward = self._family.named(name)
        done = self.sim.wait(f"supervisor {self.name} to stop its child {name}")
        self._calls[done] = None
        self._post.ask(lambda: self._termination.begin([ward], lambda: self._answer(done)))
        return done

    def restart_child(self, name: str) -> None:
        """Start a child that is down, after `terminate_child` for instance.

        Raises:
            UnknownName: There is no such child.
            RuntimeError: It is running, or will be restarted anyway.
            ServiceDown: The supervisor is down or stopping.
            Exception: It did not start: a failure of its own.
        """
        self._require_open()
        self._restarter.start(self._family.at_rest(name))

    def delete_child(self, name: str) -> None:
        """Forget a child that is down.

        Raises:
            UnknownName: There is no such child.
            RuntimeError: It is running, or will be restarted.
        """
        self._family.remove(self._family.at_rest(name))

    # -- a service -----------------------------------------------------------------------------

    @property
    def stopping(self) -> bool:
        """Whether an orderly stop is under way; the supervisor is up meanwhile."""
        return self._closing is not None

    def stop(self, reason: str = SHUTDOWN) -> None:
        """Stop the children, the last one first, each in the time it is given; then go down."""
        if not self.up or self.stopping:
            return
        self._close(reason)
        self._terminate_all(reason)

    def on_exit(self, reason: str) -> None:
        """Forget what was planned; take the children along that are up, the last one first."""
        self._post.clear()
        self._termination.abandon()
        self._closing = None
        for ward in self._family.backwards():
            ward.forget_start()
            ward.service.kill(reason)
        for done in list(self._calls):
            self._answer(done)

    def on_restart(self) -> None:
        """Begin anew, with the first children: all of them up, no restarts on the record.

        Raises:
            ServiceDown: A child did not start; those that had are down again.
        """
        self._log.clear()
        self._family.wards.clear()
        for spec in self._family.specs:
            ward = Ward(spec, self.sim.now)
            self._family.add(ward)
            if spec.service.up:
                continue
            try:
                self._restarter.start(ward)
            except self.sim.failures as error:
                started = self._family.backwards()
                self._family.wards.clear()
                for other in started:
                    other.service.kill(SHUTDOWN)
                message = f"supervisor {self.name!r}: its child {spec.name!r} did not start"
                raise ServiceDown(message) from error

    def health(self) -> Health:
        """Return unhealthy when down, degraded while a child is about to be restarted."""
        if not self.up:
            return Health.UNHEALTHY
        return Health.DEGRADED if any(w.restarting for w in self._family) else Health.HEALTHY

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {name: float(count) for name, count in self.count_children().items()}

    def violations(self) -> list[str]:
        """Return every law of supervisors that does not hold, in words."""
        restarts = len(self._log)
        if self.up and not self.stopping and restarts > self.intensity:
            return [f"{restarts} restarts, {self.intensity} allowed, and it is up"]
        return []

    # -- decisions -----------------------------------------------------------------------------

    def _exited(self, service: Service, reason: str) -> None:
        ward = self._family.of(service)
        if not self.up or ward is None or self._termination.ended(ward):
            return
        cause = self._emit(events.supervisor.ChildExited(self.name, ward.name, reason))
        still = self.up and not self.stopping and self._family.of(service) is ward
        if still and not self._termination.awaits(ward):  # whoever heard of it may have ended us
            self._post.put(lambda: self._judge(ward, reason, cause), ward)

    def _judge(self, ward: Ward, reason: str, cause: int) -> None:
        """Do what is to be done after a child's exit."""
        with self.sim.telemetry.context(cause=cause):
            if restarts_after(ward.spec.restart, reason):
                self._restarter.restart(ward, reason)
                return
            if ward.spec.restart == "temporary":
                self._family.remove(ward)
            if not self._family.keeps_up_without(ward):
                self._end_itself(events.supervisor.AutoShutdown(self.name, ward.name))

    def _end_itself(self, why: Event) -> None:
        """Stop as `stop` does, and tell why before the first child is stopped."""
        self._close(SHUTDOWN)
        life = self.restart_count
        self._emit(why)
        if self.stopping and self.restart_count == life:  # whoever heard of it may have ended it
            self._terminate_all(SHUTDOWN)

    def _close(self, reason: str) -> None:
        """Be stopping: plan nothing any more."""
        self._closing = reason
        self._post.clear()
        for ward in self._family:
            ward.forget_start()

    def _terminate_all(self, reason: str) -> None:
        self._termination.begin(self._family.backwards(), lambda: self._go_down(reason))

    def _terminated(self, ward: Ward, *, forced: bool, duration: float, was_up: bool) -> None:
        if ward.spec.restart == "temporary":
            self._family.remove(ward)
        if was_up:
            self._emit(events.supervisor.ChildTerminated(self.name, ward.name, forced, duration))

    def _answer(self, done: Wait) -> None:
        self._calls.pop(done, None)
        if not done.triggered:
            done.succeed()

    # -- private -------------------------------------------------------------------------------

    def _take(self, spec: Child) -> None:
        ward = Ward(spec, self.sim.now)
        self._family.add(ward)
        if spec.service not in self._watched:
            self._watched[spec.service] = None
            spec.service.when_it_exits(partial(self._exited, spec.service))
        if spec.service.up:
            self._emit(events.supervisor.ChildStarted(self.name, ward.name))
            return
        try:
            self._restarter.start(ward)
        except self.sim.failures:
            self._family.remove(ward)
            raise

    def _require_open(self) -> None:
        self.require_up()
        if self.stopping:
            message = f"supervisor {self.name!r} is stopping"
            raise ServiceDown(message)


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        message = f"{name}={value!r}; use one of {', '.join(known)}"
        raise ValueError(message)
