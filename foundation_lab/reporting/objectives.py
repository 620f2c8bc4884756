"""Objectives: what a scenario demands of its clients' requests, held against what was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from foundation_lab.reporting.units import duration_text, number_text, share_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from foundation_lab.reporting.clients import Client

LATENCIES = ("mean", "p50", "p95", "p99", "max")
"""The metrics that are durations in seconds."""


class Verdict(msgspec.Struct, frozen=True):
    """One objective and whether it was met.

    Attributes:
        client: Whose requests it is about.
        metric: ``success`` (a share), ``throughput`` (per second), or ``mean``, ``p50``, ``p95``,
            ``p99`` or ``max`` of the latency (seconds).
        at_least: The lower limit, if there is one.
        at_most: The upper limit, if there is one.
        observed: What was observed; ``None`` when no request finished.
        met: Whether it was within the limits; false when nothing was observed.
    """

    client: str
    metric: str
    at_least: float | None
    at_most: float | None
    observed: float | None
    met: bool

    @property
    def objective(self) -> str:
        """The objective in words."""
        limits = []
        if self.at_least is not None:
            limits.append(f"at least {_text(self.metric, self.at_least)}")
        if self.at_most is not None:
            limits.append(f"at most {_text(self.metric, self.at_most)}")
        return f"{self.metric} of {self.client} {' and '.join(limits)}"

    @property
    def observed_text(self) -> str:
        """What was observed, in a readable unit."""
        return _text(self.metric, self.observed)


def verdicts(
    objectives: Iterable[Mapping[str, Any]], clients: Iterable[Client]
) -> tuple[Verdict, ...]:
    """Return the verdict on each objective of a scenario.

    Args:
        objectives: As the scenario has them: `client`, `metric`, `at_least` and `at_most`.
        clients: The requests of each client.
    """
    by_name = {client.name: client for client in clients}
    return tuple(_verdict(objective, by_name) for objective in objectives)


def _verdict(objective: Mapping[str, Any], clients: Mapping[str, Client]) -> Verdict:
    client, metric = objective["client"], objective["metric"]
    low, high = objective.get("at_least"), objective.get("at_most")
    observed = _observed(clients.get(client), metric)
    met = (
        observed is not None
        and (low is None or observed >= low)
        and (high is None or observed <= high)
    )
    return Verdict(client, metric, low, high, observed, met)


def _observed(client: Client | None, metric: str) -> float | None:
    if client is None:
        return None
    value: float | None = getattr(client.latency if metric in LATENCIES else client, metric)
    return value


def _text(metric: str, value: float | None) -> str:
    if metric in LATENCIES:
        return duration_text(value)
    return share_text(value) if metric == "success" else f"{number_text(value)}/s"
