"""The autoscaler: changes the number of replicas so that a metric stays near its target.

It is the horizontal pod autoscaler (HPA) of Kubernetes: `desired_replicas` tells what the metric
asks for, `scaling_rules` how fast it may be followed. Every `sync_period` it looks, and acts.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.services.arguments import positive, whole
from foundation_lab.services.replica_set import ReplicaSet
from foundation_lab.services.scaling.desired_replicas import desired_replicas
from foundation_lab.services.scaling.scaling_rules import (
    SCALE_DOWN,
    SCALE_UP,
    ScalingHistory,
    ScalingRules,
    Verdict,
)
from foundation_lab.services.service import Service
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation

METRICS: dict[str, Callable[[ReplicaSet], float]] = {
    "utilisation": ReplicaSet.utilisation,
    "queue_length": ReplicaSet.queue_length,
}
"""The metrics that have a name; each is a mean over the replicas that are ready."""


class Autoscaler(Service):
    """Scales a replica set.

    It looks for ever, so that a run needs an end.

    Args:
        sim: The simulation.
        name: The autoscaler's name, `service_id` in its events.
        replicas: What is scaled.
        target: What the metric should be.
        metric: ``utilisation``: the share of places taken. ``queue_length``: how many requests wait
            at a replica. Or a function of the replica set that returns a mean over its ready
            replicas.
        minimum: The fewest replicas.
        maximum: The most.
        sync_period: Seconds between two decisions; the first comes after one of them.
        samples: How often the metric is looked at in a sync period; their mean is what counts.
        tolerance: By how much of the target the metric may be off.
        scale_up: How fast there may be more.
        scale_down: How fast there may be fewer.
    """

    kind: ClassVar[str] = "autoscaler"
    Evaluated = events.autoscaler.Evaluated
    Scaled = events.autoscaler.Scaled

    def __init__(
        self,
        sim: Simulation,
        name: str,
        replicas: ReplicaSet,
        *,
        target: float,
        metric: str | Callable[[ReplicaSet], float] = "utilisation",
        minimum: int = 1,
        maximum: int = 10,
        sync_period: float = 15.0,
        samples: int = 15,
        tolerance: float = 0.1,
        scale_up: ScalingRules = SCALE_UP,
        scale_down: ScalingRules = SCALE_DOWN,
    ) -> None:
        if not isinstance(replicas, ReplicaSet):
            message = f"replicas={replicas!r}; give a ReplicaSet"
            raise TypeError(message)
        self.replicas = replicas
        self.target = positive("target", target)
        self.minimum = whole("minimum", minimum)
        self.maximum = whole("maximum", maximum, minimum)
        self.sync_period = positive("sync_period", sync_period)
        self.samples = whole("samples", samples)
        self.tolerance = positive("tolerance", tolerance, zero=True)
        self._measure = _measure(metric)
        self._values: deque[float] = deque(maxlen=self.samples)
        self._history = ScalingHistory(minimum, maximum, scale_up, scale_down)
        super().__init__(sim, name)
        sim.process(self._watch(), name=f"{name}.watch", daemon=True)

    def evaluate(self) -> int:
        """Look at what was measured, scale if need be, and return how many there are to be.

        Without a ready replica there is nothing to go by, and nothing happens; no more does it when
        somebody scaled the set to 0, which switches the autoscaler off.
        """
        replicas, now = self.replicas, self.sim.now
        present, ready = replicas.desired, replicas.ready
        if not replicas.up or not present:
            return present
        metric = sum(self._values) / len(self._values) if self._values else 0.0
        if present > self.maximum:
            recommended, verdict = self.maximum, Verdict(self.maximum, "maximum")
        elif present < self.minimum:
            recommended, verdict = self.minimum, Verdict(self.minimum, "minimum")
        elif not ready or not self._values:
            return present
        else:
            recommended = self._recommend(metric)
            verdict = self._history.judge(now, present, recommended)
        desired = verdict.replicas
        self._emit(
            events.autoscaler.Evaluated(
                self.name, metric, present, ready, recommended, desired, verdict.limited_by
            )
        )
        if desired != present and replicas.up:  # whoever heard of it may have ended the set
            reason = self._reason(verdict, metric)
            self._history.changed(now, present, desired)
            replicas.scale(desired, f"autoscaler {self.name}: {reason}")
            self._emit(events.autoscaler.Scaled(self.name, present, desired, metric, reason))
        return desired

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {"desired": self.replicas.desired, "ready": self.replicas.ready}

    def on_restart(self) -> None:
        """Begin anew: nothing was measured, recommended or done."""
        self._values.clear()
        self._history.forget()

    # -- private -------------------------------------------------------------------------------

    def _watch(self) -> Generator[Any, Any, None]:
        step = self.sync_period / self.samples
        began, looked = self.sim.now, 0
        while True:
            looked += 1
            yield self.sim.at(began + looked * step)  # sums of steps would drift
            if not self.up:
                continue
            if self.replicas.ready:
                self._values.append(self._measure(self.replicas))
            if looked % self.samples == 0:
                self.evaluate()

    def _recommend(self, metric: float) -> int:
        replicas = self.replicas
        unready = max(0, replicas.desired - replicas.ready)
        ready = replicas.desired - unready
        return desired_replicas(
            ready, metric, self.target, unready=unready, tolerance=self.tolerance
        )

    def _reason(self, verdict: Verdict, metric: float) -> str:
        if not self.minimum <= self.replicas.desired <= self.maximum:
            return f"outside of {self.minimum} to {self.maximum}"
        side = "above" if metric > self.target else "below"
        reason = f"metric {side} target"
        return f"{reason}, limited by {verdict.limited_by}" if verdict.limited_by else reason


def _measure(
    metric: str | Callable[[ReplicaSet], float],
) -> Callable[[ReplicaSet], float]:
    if callable(metric):
        return metric
    if metric not in METRICS:
        message = f"metric={metric!r}; give one of {', '.join(METRICS)}, or a function"
        raise ValueError(message)
    return METRICS[metric]
