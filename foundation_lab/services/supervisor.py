"""The supervisor: restarts services that crash, until they crash too often. OTP's, in virtual time.

Like OTP's it is an actor: exits of its children and what it is asked for line up in a mailbox, and
it does one thing at a time. While it waits for a child to stop, the rest waits too; the exit of a
child that it is about to stop anyway is flushed and counts as nothing. `restarts` has the rules.

Source: ``lib/stdlib/src/supervisor.erl`` of Erlang/OTP. Beyond OTP: a delay before a restart.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from foundation_lab.errors import ServiceDown, ServiceError, UnknownName
from foundation_lab.services.arguments import positive
from foundation_lab.services.child import Child, ChildInfo, Ward
from foundation_lab.services.restarts import (
    SHUTDOWN,
    STRATEGIES,
    RestartLog,
    affected,
    restarts_after,
)
from foundation_lab.services.service import Health, Service
from foundation_lab.services.termination import Termination
from foundation_lab.simulation.invocation import error_name
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from foundation_lab.services.backoff import Backoff
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.timer import Timer
    from foundation_lab.simulation.waiting import Wait

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
        auto_shutdown: ``never``, or whether the orderly end of ``any_significant`` child, or of
            the last of them (``all_significant``), shuts the supervisor down.

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
        self._log = RestartLog(intensity, period)
        self.stable_time = period if stable_time is None else positive("stable_time", stable_time)
        self._specs = [self._spec(child) for child in children]
        self._wards: list[Ward] = []
        self._watched: dict[Service, None] = {}
        self._mailbox: deque[tuple[Ward | None, Callable[[], object]]] = deque()
        self._awake: Timer | None = None
        self._busy = False
        self._closing: str | None = None
        self._calls: dict[Wait, None] = {}
        super().__init__(sim, name)
        self._delays = sim.stream(f"supervisor.{name}.restart_delay")
        self._termination = Termination(sim, self._terminated)
        for spec in self._specs:
            self._take(spec)

    # -- children ------------------------------------------------------------------------------

    @property
    def children(self) -> list[Service]:
        """The children that it knows of, in the order of their start."""
        return [ward.service for ward in self._wards]

    def which_children(self) -> list[ChildInfo]:
        """Return how each child is, in the order of their start."""
        return [ward.info() for ward in self._wards]

    def count_children(self) -> dict[str, int]:
        """Return how many children there are: ``specs``, ``active``, ``supervisors``, ``workers``.

        As in OTP all but ``active`` count those that are down, too.
        """
        infos = self.which_children()
        supervisors = sum(info.kind == "supervisor" for info in infos)
        return {
            "specs": len(infos),
            "active": sum(info.state == "running" for info in infos),
            "supervisors": supervisors,
            "workers": len(infos) - supervisors,
        }

    def add_child(self, child: Service | Child) -> None:
        """Look after one more child, the last in order; it is started if it is down.

        Like any child that was added, it is forgotten when the supervisor itself is restarted.

        Raises:
            ValueError: There is a child of this name, or what is said of it makes no sense.
            ServiceDown: The supervisor is down or stopping.
            ServiceError: The child did not start; it is no child then.
        """
        self._require_open()
        spec = self._spec(child)
        if any(ward.name == spec.name for ward in self._wards):
            message = f"supervisor {self.name!r} has a child called {spec.name!r} already"
            raise ValueError(message)
        self._take(spec)

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
        ward = self._named(name)
        done = self.sim.wait(f"supervisor {self.name} to stop its child {name}")
        self._calls[done] = None
        self._ask(lambda: self._terminate([ward], lambda: self._answer(done)))
        return done

    def restart_child(self, name: str) -> None:
        """Start a child that is down, after `terminate_child` for instance.

        Raises:
            UnknownName: There is no such child.
            RuntimeError: It is running, or will be restarted anyway.
            ServiceDown: The supervisor is down or stopping.
            ServiceError: It did not start.
        """
        self._require_open()
        self._start(self._ended(name))

    def delete_child(self, name: str) -> None:
        """Forget a child that is down.

        Raises:
            UnknownName: There is no such child.
            RuntimeError: It is running, or will be restarted.
        """
        self._wards.remove(self._ended(name))

    # -- a service -----------------------------------------------------------------------------

    @property
    def stopping(self) -> bool:
        """Whether an orderly stop is under way; the supervisor is up meanwhile."""
        return self._closing is not None

    def stop(self, reason: str = SHUTDOWN) -> None:
        """Stop the children, the last one first, each in the time it is given; then go down."""
        if not self.up or self.stopping:
            return
        self._closing = reason
        self._mailbox.clear()
        for ward in self._wards:
            ward.forget_start()
        self._terminate(reversed(self._wards), lambda: self._go_down(reason))

    def on_exit(self, reason: str) -> None:
        """Forget what was planned; take the children along that are up, the last one first."""
        if self._awake is not None:
            self._awake.cancel()
        self._mailbox.clear()
        self._termination.abandon()
        self._awake, self._busy, self._closing = None, False, None
        for ward in reversed(self._wards):
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
        self._wards = []
        for spec in self._specs:
            ward = Ward(spec, self.sim.now)
            self._wards.append(ward)
            if spec.service.up:
                continue
            try:
                self._start(ward)
            except ServiceError as error:
                started, self._wards = self._wards, []
                for other in reversed(started):
                    other.service.kill(SHUTDOWN)
                message = f"supervisor {self.name!r}: its child {spec.name!r} did not start"
                raise ServiceDown(message) from error

    def health(self) -> Health:
        """Return unhealthy when down, degraded while a child is about to be restarted."""
        if not self.up:
            return Health.UNHEALTHY
        return Health.DEGRADED if any(w.restarting for w in self._wards) else Health.HEALTHY

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {name: float(count) for name, count in self.count_children().items()}

    def violations(self) -> list[str]:
        """Return every law of supervisors that does not hold, in words."""
        broken = []
        if self.up and not self.stopping and len(self._log) > self.intensity:
            broken.append(f"{len(self._log)} restarts, {self.intensity} allowed, and it is up")
        broken += [
            f"child {ward.name!r} will be restarted, and is up"
            for ward in self._wards
            if ward.restarting and ward.service.up and ward.timer is None and not self._mailbox
        ]
        return broken

    # -- mailbox -------------------------------------------------------------------------------

    def _exited(self, service: Service, reason: str) -> None:
        ward = next((ward for ward in self._wards if ward.service is service), None)
        if not self.up or ward is None or self._termination.ended(ward):
            return
        cause = self._emit(events.supervisor.ChildExited(self.name, ward.name, reason))
        if not self.stopping and not self._termination.awaits(ward):
            self._post(ward, lambda: self._judge(ward, reason, cause))

    def _post(self, ward: Ward | None, call: Callable[[], object]) -> None:
        self._mailbox.append((ward, call))
        self._wake()

    def _ask(self, call: Callable[[], object]) -> None:
        if self._busy or self._mailbox:
            self._post(None, call)
        else:
            call()

    def _wake(self) -> None:
        """Look into the mailbox at this instant, after all that happens now and is due already.

        Thus children that crash at the same instant lie in it together.
        """
        if self._awake is None and self._mailbox and not self._busy:
            self._awake = self.sim.call_in(0, self._work)

    def _work(self) -> None:
        self._awake = None
        while self._mailbox and not self._busy:
            _, call = self._mailbox.popleft()
            call()

    # -- decisions -----------------------------------------------------------------------------

    def _judge(self, ward: Ward, reason: str, cause: int) -> None:
        """Do what is to be done after a child's exit."""
        with self.sim.telemetry.context(cause=cause):
            if restarts_after(ward.spec.restart, reason):
                if self.sim.now >= ward.started + self.stable_time:
                    ward.attempts = 0
                self._count(ward, reason)
                return
            if ward.spec.restart == "temporary":
                self._wards.remove(ward)
            if ward.spec.significant and not self._others_keep_it_up():
                self._emit(events.supervisor.AutoShutdown(self.name, ward.name))
                self.stop(SHUTDOWN)

    def _others_keep_it_up(self) -> bool:
        return self.auto_shutdown == "all_significant" and any(
            ward.spec.significant and ward.alive for ward in self._wards
        )

    def _count(self, ward: Ward, reason: str) -> None:
        """Count a restart; plan it, or give up."""
        if not self._log.add(self.sim.now):
            self._emit(
                events.supervisor.GaveUp(
                    self.name, ward.name, len(self._log), self.intensity, self.period
                )
            )
            self.stop(SHUTDOWN)
            return
        ward.forget_start()
        ward.restarting = True
        delay = self._delay(ward)
        scope = [w for w in self._affected(ward) if w.spec.restart != "temporary"]
        ward.cause = self._emit(
            events.supervisor.ChildRestarting(
                self.name, ward.name, reason, len(scope), len(self._log), delay
            )
        )
        self._terminate_others(ward, lambda: self._plan(ward, delay))

    def _delay(self, ward: Ward) -> float:
        if isinstance(self.restart_delay, int | float):
            return self.restart_delay
        if ward.attempts == 0:
            ward.delays, ward.delay = self.restart_delay.begin(), 0.0
        ward.attempts += 1
        ward.delay = ward.delays.delay(ward.attempts, ward.delay, self._delays)
        return ward.delay

    def _affected(self, ward: Ward) -> list[Ward]:
        return affected(self.strategy, self._wards, ward)

    # -- starting ------------------------------------------------------------------------------

    def _plan(self, ward: Ward, delay: float) -> None:
        if delay > 0:
            again = partial(self._terminate_others, ward, lambda: self._start_all(ward))
            ward.timer = self.sim.call_in(delay, lambda: self._post(ward, again))
        else:
            self._start_all(ward)

    def _start_all(self, ward: Ward) -> None:
        """Start a child and who is to be started with it, unless that was called off."""
        if not ward.restarting:
            return
        with self.sim.telemetry.context(cause=ward.cause):
            for each in self._affected(ward):
                each.forget_start()
                if each.service.up:  # somebody else was faster
                    continue
                try:
                    self._start(each)
                except ServiceError:
                    each.restarting = True
                    self._post(each, partial(self._try_again, each))
                    return
                if not self.up or self.stopping:  # whoever heard of the start may have ended it
                    return

    def _try_again(self, ward: Ward) -> None:
        if ward.restarting and ward.timer is None:
            self._count(ward, "start_failed")

    def _start(self, ward: Ward) -> None:
        try:
            ward.service.restart()
        except ServiceError as error:
            self._emit(events.supervisor.StartFailed(self.name, ward.name, error_name(error)))
            raise
        ward.started = self.sim.now
        self._emit(events.supervisor.ChildStarted(self.name, ward.name))

    # -- stopping ------------------------------------------------------------------------------

    def _terminate_others(self, ward: Ward, then: Callable[[], object]) -> None:
        if not ward.restarting:
            return
        self._terminate((w for w in reversed(self._affected(ward)) if w is not ward), then)

    def _terminate(self, wards: Iterable[Ward], then: Callable[[], object]) -> None:
        """Stop children one after the other, forget their exits, and go on."""

        def go_on() -> None:
            self._busy = False
            then()
            self._wake()

        self._busy = True
        doomed = list(wards)
        for ward in doomed:
            ward.forget_start()
        self._mailbox = deque(mail for mail in self._mailbox if mail[0] not in doomed)
        self._termination.begin(doomed, go_on)

    def _terminated(self, ward: Ward, *, forced: bool, duration: float, was_up: bool) -> None:
        if ward.spec.restart == "temporary" and ward in self._wards:
            self._wards.remove(ward)
        if was_up:
            self._emit(
                events.supervisor.ChildTerminated(self.name, ward.name, forced, duration)
            )

    def _answer(self, done: Wait) -> None:
        self._calls.pop(done, None)
        if not done.triggered:
            done.succeed()

    # -- private -------------------------------------------------------------------------------

    def _spec(self, child: Service | Child) -> Child:
        if isinstance(child, Service):
            restart = "permanent" if isinstance(child, Supervisor) else "transient"
            child = Child(child, restart)
        child.check(self.auto_shutdown)
        return child

    def _take(self, spec: Child) -> None:
        ward = Ward(spec, self.sim.now)
        if spec.service not in self._watched:
            self._watched[spec.service] = None
            spec.service.when_it_exits(partial(self._exited, spec.service))
        self._wards.append(ward)
        if spec.service.up:
            self._emit(events.supervisor.ChildStarted(self.name, ward.name))
            return
        try:
            self._start(ward)
        except ServiceError:
            self._wards.remove(ward)
            raise

    def _named(self, name: str) -> Ward:
        for ward in self._wards:
            if ward.name == name:
                return ward
        raise UnknownName.among("child", name, [ward.name for ward in self._wards])

    def _ended(self, name: str) -> Ward:
        ward = self._named(name)
        if ward.alive:
            state = "running" if ward.service.up else "restarting"
            message = f"child {name!r} of supervisor {self.name!r} is {state}; terminate it before"
            raise RuntimeError(message)
        return ward

    def _require_open(self) -> None:
        self.require_up()
        if self.stopping:
            message = f"supervisor {self.name!r} is stopping"
            raise ServiceDown(message)


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        message = f"{name}={value!r}; use one of {', '.join(known)}"
        raise ValueError(message)
