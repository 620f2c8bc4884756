"""Alerts of a running simulation.

`watch` listens on the simulation's bus, judges the rules as events come, and tells what happens as
events of its own: ``foundation.alert.pending``, ``firing``, ``resolved``, ``notified`` and
``escalated``. It needs of a simulation no more than `Watchable` says.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol, Self

from foundation_lab.alerting.alert import Transition
from foundation_lab.alerting.history import AlertHistory
from foundation_lab.alerting.notifiers import Notification
from foundation_lab.alerting.pager import Pager
from foundation_lab.telemetry.context import NO_CAUSE
from foundation_lab.telemetry.events import alert as events

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from foundation_lab.alerting.alert import State
    from foundation_lab.alerting.notifiers import Notifier
    from foundation_lab.alerting.pager import Step
    from foundation_lab.alerting.routing import Delivery, Route
    from foundation_lab.alerting.rules import PatternRule, ThresholdRule
    from foundation_lab.telemetry.bus import Telemetry
    from foundation_lab.telemetry.record import Record

FIRST = -(2**31)
"""The order of the handler: it is called before others, so that it sees events in their order."""


class Timer(Protocol):
    """A call in the future that can be taken back."""

    def cancel(self) -> None:
        """Forget the call."""


class Watchable(Protocol):
    """What a simulation must have for its alerts to be watched."""

    @property
    def telemetry(self) -> Telemetry:
        """The bus."""

    @property
    def now(self) -> float:
        """The virtual time in seconds."""

    def call_at(self, time: float, call: Callable[[], object], /) -> Timer:
        """Call a function at a virtual time."""


def watch(
    sim: Watchable,
    rules: Sequence[ThresholdRule | PatternRule],
    *,
    notifiers: Sequence[Notifier] = (),
    routes: Sequence[Route] = (),
    name: str = "alerts",
) -> Watch:
    """Judge rules while a simulation runs, from now on.

    Args:
        sim: The simulation.
        rules: The rules; their names must differ. Rules that belong to one simulation are best
            watched together: a second watch sees an event after the first one has acted on it.
        notifiers: Who can be told.
        routes: Who is told of alerts of rules that name nobody; without any, everybody is.
        name: The id of the handler on the bus.

    Returns:
        The watch; call its `finish` when the run is over.

    Raises:
        ValueError: Names of rules, notifiers or handlers are taken twice.
        UnknownName: A rule or route names a notifier that there is not.
    """
    return Watch(sim, rules, notifiers, routes, name)


class Watch:
    """Rules that are judged while a simulation runs; made by `watch`.

    One timer at most waits in the simulation, for the next instant at which time alone could
    change something. It is cancelled when there is none, so that it keeps no run alive.

    Attributes:
        first: The sequence number of the first event that could be seen.
        start: The virtual time at which the watch began.
        failures: What notifiers raised, in order.
    """

    def __init__(
        self,
        sim: Watchable,
        rules: Sequence[ThresholdRule | PatternRule],
        notifiers: Sequence[Notifier],
        routes: Sequence[Route],
        name: str,
    ) -> None:
        self._notifiers = {notifier.name: notifier for notifier in notifiers}
        if len(self._notifiers) < len(notifiers):
            message = f"two of the notifiers {[n.name for n in notifiers]} have the same name"
            raise ValueError(message)
        self.start = float(sim.now)
        self.first = sim.telemetry.sequence
        self.failures: list[str] = []
        self._sim = sim
        self._name = name
        self._rules = {rule.name: rule for rule in rules}
        self._pager = Pager(rules, routes, list(self._notifiers), self.start)
        self._steps: list[Step] = []
        self._queue: deque[Step] = deque()
        self._busy = False
        self._timer: Timer | None = None
        self._timer_at = 0.0
        self._sequences: dict[str, int] = {}
        self._listen(rules)
        self._arm()

    @property
    def active(self) -> dict[str, State]:
        """The state of each alert that is pending or firing now, by its id."""
        return self._pager.evaluator.active

    @property
    def history(self) -> AlertHistory:
        """What the alerts have done so far."""
        return AlertHistory(self._steps, tuple(self._rules.values()), float(self._sim.now))

    def acknowledge(self, alert_id: str) -> None:
        """Note that somebody cares for a firing alert: no escalation, no reminders any more.

        Raises:
            UnknownName: No alert of this id fires.
        """
        self._pager.router.acknowledge(alert_id)
        self._arm()

    def finish(self) -> None:
        """Act on what is due at this very instant, stop watching, and flush the notifiers.

        A run that is stopped at a time ends before the timers of that instant; this makes up for
        them, so that the history equals a backtest's. Calling it again only flushes.
        """
        if self._attached:
            self._due()
            self._stop()
        for notifier in self._notifiers.values():
            self._isolated(notifier, notifier.flush)

    def __enter__(self) -> Self:
        """Return the watch itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish."""
        self.finish()

    def __repr__(self) -> str:
        """Return one line: rules and active alerts."""
        return f"<Watch {self._name!r}: {len(self._rules)} rules, {len(self.active)} active alerts>"

    # -- private -------------------------------------------------------------------------------

    @property
    def _attached(self) -> bool:
        return any(handler.id == self._name for handler in self._sim.telemetry.handlers())

    def _listen(self, rules: Sequence[ThresholdRule | PatternRule]) -> None:
        patterns = [pattern for rule in rules for pattern in rule.patterns]
        if patterns:
            # A failure in here is a mistake of this package: it must be seen, hence "raise".
            self._sim.telemetry.attach_many(
                self._name, patterns, self._see, order=FIRST, on_error="raise"
            )

    def _stop(self) -> None:
        self._sim.telemetry.detach(self._name)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _see(self, record: Record) -> None:
        self._act(self._pager.feed(record))

    def _wake(self) -> None:
        self._timer = None
        if self._attached:
            self._due()

    def _due(self) -> None:
        self._act(self._pager.advance(float(self._sim.now)))

    def _act(self, steps: list[Step]) -> None:
        """Tell what happened, in order; what a reaction to it adds comes after it."""
        self._queue.extend(steps)
        if self._busy:
            return
        self._busy = True
        try:
            while self._queue:
                step = self._queue.popleft()
                self._steps.append(step)
                if isinstance(step, Transition):
                    self._changed(step)
                else:
                    self._deliver(step)
        finally:
            self._busy = False
            self._arm()

    def _arm(self) -> None:
        due = self._pager.next_deadline
        if self._timer is not None:
            if due is not None and self._timer_at <= due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer_at = due
            self._timer = self._sim.call_at(due, self._wake)

    def _changed(self, step: Transition) -> None:
        value = 0.0 if step.value is None else step.value
        alert = (step.rule, step.alert_id, step.key)
        event: events.Pending | events.Firing | events.Resolved
        if step.state == "pending":
            event = events.Pending(*alert, value)
        elif step.state == "firing":
            event = events.Firing(*alert, step.severity, value)
        elif step.state == "resolved" and step.firing_at is not None:
            event = events.Resolved(*alert, step.time - step.firing_at)
        else:
            return
        cause = NO_CAUSE if step.cause is None else step.cause
        self._sequences[step.alert_id] = self._emit(event, cause)

    def _deliver(self, step: Delivery) -> None:
        about = step.transition
        rule = self._rules[about.rule]
        cause = self._sequences.get(about.alert_id, NO_CAUSE)
        notifier = self._notifiers.get(step.notifier)
        if step.level and about.state == "firing" and not step.reminder:
            duration = step.time - about.time
            escalated = events.Escalated(
                about.rule, about.alert_id, step.level, step.notifier, duration
            )
            cause = self._emit(escalated, cause)
        notification = Notification(
            state=about.state,
            alert_id=about.alert_id,
            rule=about.rule,
            key=about.key,
            severity=about.severity,
            description=rule.description,
            value=about.value,
            time=step.time,
            level=step.level,
            reminder=step.reminder,
        )
        told = notifier is not None and self._isolated(
            notifier, lambda: notifier.notify(notification)
        )
        self._emit(
            events.Notified(about.rule, about.alert_id, step.notifier, about.state, told), cause
        )

    def _emit(
        self,
        event: events.Pending
        | events.Firing
        | events.Resolved
        | events.Notified
        | events.Escalated,
        cause: int,
    ) -> int:
        # The context puts the cause of whoever runs back: what it emits next is its own affair.
        with self._sim.telemetry.context(cause=cause):
            return self._sim.telemetry.emit(event, cause=cause)

    def _isolated(self, notifier: Notifier, call: Callable[[], object]) -> bool:
        try:
            call()
        except Exception as error:  # noqa: BLE001  (isolation: no notifier breaks a simulation)
            self.failures.append(f"{notifier.name}: {type(error).__name__}: {error}")
            return False
        return True
