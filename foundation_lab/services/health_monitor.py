"""The health monitor: checks targets at their intervals, and knows who depends on whom."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import TimedOut, UnknownName
from foundation_lab.services.health import GOOD, HealthCheck, Standing, as_health, overall
from foundation_lab.services.service import Health, Service
from foundation_lab.simulation.invocation import error_name, invoke
from foundation_lab.simulation.timer import Timer
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.process import Process


class HealthMonitor(Service):
    """Checks the health of targets, and tells dependents when what they depend on is lost.

    Its own `health` is that of all targets together; see `foundation_lab.services.health.overall`.

    Args:
        sim: The simulation.
        name: The monitor's name.
    """

    kind: ClassVar[str] = "health_monitor"
    Checked = events.health.Checked
    StatusChanged = events.health.StatusChanged
    DependencyLost = events.health.DependencyLost
    DependencyFound = events.health.DependencyFound
    OverallChanged = events.health.OverallChanged

    def __init__(self, sim: Simulation, name: str) -> None:
        self._targets: dict[str, Target] = {}
        self._overall = Health.HEALTHY
        super().__init__(sim, name)

    def watch(
        self,
        target: Service | str,
        check: HealthCheck | Callable[[], Any] | None = None,
        *,
        depends_on: Iterable[str] = (),
        critical: bool = True,
    ) -> None:
        """Check a target from now on.

        A service that goes down is unhealthy at that instant, whatever its checks; that it is back
        is for its checks to find out.

        Args:
            target: A service, or a name for whatever is checked.
            check: How; a function is checked with the defaults of `HealthCheck`. A service needs
                none: it is asked itself, which emits ``service.health_check``.
            depends_on: The names of targets that it cannot do without; they may be watched later.
            critical: Whether the whole is as bad as the target is; otherwise it is degraded at
                worst.

        Raises:
            ValueError: Something is watched under this name already.
            TypeError: The target is no service and no check is given, or `depends_on` is one name.
        """
        if isinstance(depends_on, str):
            message = f"depends_on={depends_on!r}; give a list of names"
            raise TypeError(message)
        name = target if isinstance(target, str) else target.name
        if name in self._targets:
            message = f"health monitor {self.name!r} watches {name!r} already"
            raise ValueError(message)
        if check is None:
            if isinstance(target, str):
                message = f"target {name!r} is no service; say how to check it"
                raise TypeError(message)
            check = target.check_health
        if not isinstance(check, HealthCheck):
            check = HealthCheck(check)
        watched = Target(name, check, tuple(depends_on), critical=critical)
        self._targets[name] = watched
        if not isinstance(target, str):
            target.when_it_exits(partial(self._went_down, watched))
        self._look_after(watched)
        self._sum_up(watched)
        for dependency in self.lost(name):
            lost = events.health.DependencyLost
            self._emit(lost(name, dependency, self.name, "lost before"))
        if not isinstance(target, str) and not target.up:
            self._went_down(watched, "not up")

    def status_of(self, target: str) -> Health:
        """Return what is held of a target.

        Raises:
            UnknownName: Nothing of this name is watched.
        """
        if target not in self._targets:
            raise UnknownName.among("target", target, self._targets)
        return self._targets[target].standing.status

    def lost(self, target: str) -> list[str]:
        """Return what a target depends on and is lost now.

        Raises:
            UnknownName: Nothing of this name is watched.
        """
        self.status_of(target)
        needs = self._targets[target].depends_on
        return [name for name in needs if name in self._targets and self._targets[name].lost]

    def overall(self) -> Health:
        """Return how all targets are together."""
        return overall(
            (t.standing.status for t in self._targets.values() if t.critical),
            (t.standing.status for t in self._targets.values() if not t.critical),
        )

    def health(self) -> Health:
        """Return how all targets are together; unhealthy when the monitor is down."""
        return self.overall() if self.up else Health.UNHEALTHY

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        good = sum(target.standing.status in GOOD for target in self._targets.values())
        return {"targets": len(self._targets), "good": good}

    def violations(self) -> list[str]:
        """Return every law of health monitors that does not hold, in words."""
        return [
            f"target {target.name!r} is told to be {target.told}, lost since {target.lost_since}"
            for target in self._targets.values()
            if (target.told is Health.UNHEALTHY) != (target.lost_since is not None)
        ]

    def on_exit(self, reason: str) -> None:  # noqa: ARG002  (whatever it was)
        """Check nothing any more."""
        for target in self._targets.values():
            target.generation += 1
            process, target.process = target.process, None
            if process is not None and process.is_alive and process is not self.sim.active_process:
                process.defused = True
                process.interrupt("the monitor went down")

    def on_restart(self) -> None:
        """Begin anew: nothing is known of any target."""
        for target in self._targets.values():
            target.forget()
            self._look_after(target)
        self._overall = self.overall()

    # -- private -------------------------------------------------------------------------------

    def _look_after(self, target: Target) -> None:
        if self.up:
            target.process = self.sim.process(
                self._checks(target), name=f"{self.name}.{target.name}", daemon=True
            )

    def _checks(self, target: Target) -> Generator[Any, Any, None]:
        me, check = self.sim.active_process, target.check
        yield check.initial_delay
        while target.process is me:
            began, generation = self.sim.now, target.generation
            result, reason = yield from self._result(check)
            if target.process is not me:
                return
            if target.generation == generation:  # else it went down after the check began
                self._observe(target, result, reason, self.sim.now - began)
            wait = began + check.interval - self.sim.now
            if wait > 0:
                yield self.sim.at(began + check.interval)

    def _result(self, check: HealthCheck) -> Generator[Any, Any, tuple[Health, str]]:
        process = self.sim.running_process("a health check")
        overdue = TimedOut(f"the check took longer than {check.timeout:g} s")
        timer = Timer(
            self.sim, self.sim.now + check.timeout, lambda: process.deliver(overdue), last=True
        )
        try:
            result = as_health((yield from invoke(check.check)))
        except self.sim.failures as error:
            return Health.UNHEALTHY, "timeout" if error is overdue else error_name(error)
        finally:
            timer.cancel()
        return result, "check"

    def _observe(self, target: Target, result: Health, reason: str, duration: float) -> None:
        target.standing.observe(result)
        self._emit(
            events.health.Checked(
                target.name, self.name, result.value, reason, target.standing.in_a_row, duration
            )
        )
        self._tell(target, reason)

    def _went_down(self, target: Target, reason: str) -> None:
        if not self.up:
            return
        target.generation += 1
        target.standing.fail()
        self._tell(target, f"down: {reason}")

    def _tell(self, target: Target, reason: str) -> None:
        """Tell of a target's status if it is another one than was told last.

        Whoever heard of the check may have changed it again.
        """
        before, after = target.told, target.standing.status
        if before is after:
            return
        target.told = after
        since, target.lost_since = target.lost_since, None
        if after is Health.UNHEALTHY:
            target.lost_since = self.sim.now
        dependents = [t for t in self._targets.values() if target.name in t.depends_on]
        self._emit(
            events.health.StatusChanged(target.name, self.name, before.value, after.value, reason)
        )
        for dependent in dependents:
            if after is Health.UNHEALTHY:
                lost = events.health.DependencyLost
                self._emit(lost(dependent.name, target.name, self.name, reason))
            elif since is not None:
                found = events.health.DependencyFound
                self._emit(found(dependent.name, target.name, self.name, self.sim.now - since))
        self._sum_up(target)

    def _sum_up(self, target: Target) -> None:
        before, self._overall = self._overall, self.overall()
        if before is not self._overall:
            self._emit(
                events.health.OverallChanged(
                    self.name, before.value, self._overall.value, target.name
                )
            )


class Target:
    """Something that is watched, and what is held of it."""

    def __init__(
        self, name: str, check: HealthCheck, depends_on: tuple[str, ...], *, critical: bool
    ) -> None:
        self.name = name
        self.check = check
        self.depends_on = depends_on
        self.critical = critical
        self.process: Process | None = None
        self.generation = 0
        self.forget()

    @property
    def lost(self) -> bool:
        """Whether whoever depends on it has to do without."""
        return self.standing.status is Health.UNHEALTHY

    def forget(self) -> None:
        """Hold nothing of it any more."""
        self.standing = Standing(self.check.failure_threshold, self.check.success_threshold)
        self.told = self.standing.status
        self.lost_since: float | None = None
