"""The pager: evaluator and router in step, as a running simulation and a backtest both use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.alerting.alert import Transition
from foundation_lab.alerting.evaluate import Evaluator
from foundation_lab.alerting.routing import Delivery, Router

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundation_lab.alerting.observation import Observation
    from foundation_lab.alerting.routing import Route
    from foundation_lab.alerting.rules import PatternRule, ThresholdRule
    from foundation_lab.telemetry.record import Record

Step = Transition | Delivery
"""What an alert does: it changes its state, or somebody is to be told."""


class Pager:
    """Turns events and time into steps, in order: transitions, each followed by its deliveries.

    Within an instant, what is due by time comes before the events; and there, changes of alerts
    come before reminders and escalations. So an alert whose `keep_firing_for` ends just when it
    would be escalated is not; one that an event resolves at that instant has been.

    Args:
        rules: The rules.
        routes: Where alerts of rules without notifiers of their own go.
        notifiers: The names of all notifiers.
        start: The virtual time at which the pager begins to look.
    """

    def __init__(
        self,
        rules: Sequence[ThresholdRule | PatternRule],
        routes: Sequence[Route] = (),
        notifiers: Sequence[str] = (),
        start: float = 0.0,
    ) -> None:
        self.evaluator = Evaluator(rules, start)
        self.router = Router(rules, routes, notifiers)

    def feed(self, record: Record | Observation) -> list[Step]:
        """Take the next event; return what comes of it, and of the time until then."""
        return self.advance(record.time) + self._routed(self.evaluator.feed(record))

    def advance(self, time: float) -> list[Step]:
        """Let time pass until `time`, inclusive; return what comes of it."""
        steps: list[Step] = []
        due = self.next_deadline
        while due is not None and due <= time:
            steps += self._routed(self.evaluator.advance(due))
            steps += self.router.advance(due)
            due = self.next_deadline
        return steps

    @property
    def next_deadline(self) -> float | None:
        """The first instant at which something may happen without an event, if there is any."""
        waits = (self.evaluator.next_deadline, self.router.next_deadline)
        return min((due for due in waits if due is not None), default=None)

    def _routed(self, transitions: list[Transition]) -> list[Step]:
        steps: list[Step] = []
        for transition in transitions:
            steps += [transition, *self.router.route(transition)]
        return steps
