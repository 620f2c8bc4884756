"""Alerting: rules, judged while a simulation runs or put to a recording afterwards."""

from foundation_lab.alerting.alert import Transition
from foundation_lab.alerting.backtest import backtest
from foundation_lab.alerting.evaluate import Evaluator
from foundation_lab.alerting.history import AlertHistory
from foundation_lab.alerting.live import Watch, Watchable, watch
from foundation_lab.alerting.notifiers import (
    InMemoryNotifier,
    Notification,
    Notifier,
    Posted,
    WebhookNotifier,
)
from foundation_lab.alerting.observation import Observation
from foundation_lab.alerting.pager import Pager
from foundation_lab.alerting.routing import Delivery, Route, Router
from foundation_lab.alerting.rule import Rule
from foundation_lab.alerting.rules import PatternRule, ThresholdRule, rule_from

__all__ = [
    "AlertHistory",
    "Delivery",
    "Evaluator",
    "InMemoryNotifier",
    "Notification",
    "Notifier",
    "Observation",
    "Pager",
    "PatternRule",
    "Posted",
    "Route",
    "Router",
    "Rule",
    "ThresholdRule",
    "Transition",
    "Watch",
    "Watchable",
    "WebhookNotifier",
    "backtest",
    "rule_from",
    "watch",
]
