"""How fast the number of replicas may change: the behaviour of the Kubernetes HPA, without a clock.

Source: "Horizontal Pod Autoscaling", section "Configurable scaling behavior", in the documentation
of Kubernetes, and kubernetes, pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Literal, NamedTuple

import msgspec


class ScalingPolicy(msgspec.Struct, frozen=True):
    """By how much the number of replicas may change within a period.

    Attributes:
        value: So many replicas, or so many per cent of those at the beginning of the period.
        unit: ``replicas`` or ``percent``.
        period: Seconds.
    """

    value: float
    unit: Literal["replicas", "percent"]
    period: float = 15.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.unit not in {"replicas", "percent"}:
            message = f"unit={self.unit!r}; give 'replicas' or 'percent'"
            raise ValueError(message)
        if not self.value > 0 or not self.period > 0:
            message = f"{self}; give a value and a period above 0"
            raise ValueError(message)

    def limit(self, before: int, *, up: bool) -> int:
        """Return how many replicas there may be, of so many at the beginning of the period.

        Example:
            >>> ScalingPolicy(100, "percent").limit(3, up=True)
            6
            >>> ScalingPolicy(10, "percent").limit(15, up=False)  # 13.5: to 13 and not less
            13
        """
        sign = 1 if up else -1
        if self.unit == "replicas":
            return before + sign * int(self.value)
        exact = before * (100 + sign * self.value) / 100
        return math.ceil(exact - 1e-9) if up else math.floor(exact + 1e-9)


class ScalingRules(msgspec.Struct, frozen=True):
    """What holds in one direction.

    Attributes:
        policies: Each allows something; the one that allows the most counts. Without any there is
            no scaling in that direction.
        stabilisation: Seconds over which recommendations are remembered: down goes to the highest
            of them, up to the lowest.
    """

    policies: tuple[ScalingPolicy, ...]
    stabilisation: float = 0.0


SCALE_UP = ScalingRules((ScalingPolicy(100, "percent"), ScalingPolicy(4, "replicas")))
"""Kubernetes' default: twice as many or four more within 15 s, whichever is more, at once."""

SCALE_DOWN = ScalingRules((ScalingPolicy(100, "percent"),), stabilisation=300.0)
"""Kubernetes' default: any number, but the highest recommendation of the last 300 s."""


class Verdict(NamedTuple):
    """How many replicas there are to be, and what kept it from being as many as recommended."""

    replicas: int
    limited_by: str


class ScalingHistory:
    """What was recommended and done, and what follows for the next step.

    Args:
        least: The fewest replicas.
        most: The most.
        up: What holds for scaling up.
        down: What holds for scaling down.
    """

    def __init__(
        self,
        least: int,
        most: int,
        up: ScalingRules = SCALE_UP,
        down: ScalingRules = SCALE_DOWN,
    ) -> None:
        self.least = least
        self.most = most
        self.up = up
        self.down = down
        self._recommended: deque[tuple[float, int]] = deque()
        self._changes: deque[tuple[float, int]] = deque()
        both = (up, down)
        self._window = max(rules.stabilisation for rules in both)
        self._period = max((p.period for rules in both for p in rules.policies), default=0.0)

    def judge(self, now: float, present: int, recommended: int) -> Verdict:
        """Remember a recommendation, and return how many replicas there are to be.

        The first time, the present number counts as a recommendation, too: nothing is scaled down
        before a whole window has been seen.
        """
        if not self._recommended:
            self._recommended.append((now, present))
        self._recommended.append((now, recommended))
        _forget(self._recommended, now - self._window)
        _forget(self._changes, now - self._period)
        stable = self._stabilised(now, present, recommended)
        if stable > present:
            verdict = self._upwards(now, present, stable)
        elif stable < present:
            verdict = self._downwards(now, present, stable)
        else:
            verdict = Verdict(stable, "")
        if verdict.limited_by or stable == recommended:
            return verdict
        return Verdict(verdict.replicas, "stabilisation")

    def changed(self, now: float, before: int, after: int) -> None:
        """Remember that the number of replicas was changed."""
        self._changes.append((now, after - before))

    def forget(self) -> None:
        """Begin anew."""
        self._recommended.clear()
        self._changes.clear()

    # -- private -------------------------------------------------------------------------------

    def _stabilised(self, now: float, present: int, recommended: int) -> int:
        low = high = recommended
        for time, replicas in self._recommended:
            if time > now - self.up.stabilisation:
                low = min(low, replicas)
            if time > now - self.down.stabilisation:
                high = max(high, replicas)
        return min(max(present, low), high)

    def _upwards(self, now: float, present: int, wanted: int) -> Verdict:
        limits = [p.limit(self._before(now, p, present), up=True) for p in self.up.policies]
        allowed = max(present, *limits) if limits else present
        if wanted > min(allowed, self.most):
            limited_by = "policy" if allowed < self.most else "maximum"
            return Verdict(min(allowed, self.most), limited_by)
        return Verdict(wanted, "")

    def _downwards(self, now: float, present: int, wanted: int) -> Verdict:
        limits = [p.limit(self._before(now, p, present), up=False) for p in self.down.policies]
        allowed = min(present, *limits) if limits else present
        if wanted < max(allowed, self.least):
            limited_by = "policy" if allowed > self.least else "minimum"
            return Verdict(max(allowed, self.least), limited_by)
        return Verdict(wanted, "")

    def _before(self, now: float, policy: ScalingPolicy, present: int) -> int:
        """Return how many replicas there were when the period of a policy began."""
        return present - sum(by for time, by in self._changes if time > now - policy.period)


def _forget(records: deque[tuple[float, int]], until: float) -> None:
    """Drop what is older than any window; the last one stays, to tell that there was a first."""
    while len(records) > 1 and records[0][0] <= until:
        records.popleft()
