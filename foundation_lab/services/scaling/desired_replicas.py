"""How many replicas a metric asks for: the arithmetic of the Kubernetes HPA, without a clock.

Source: "Horizontal Pod Autoscaling", section "Algorithm details", in the documentation of
Kubernetes, and kubernetes, pkg/controller/podautoscaler/replica_calculator.go.
"""

from __future__ import annotations

import math


def desired_replicas(
    ready: int, metric: float, target: float, *, unready: int = 0, tolerance: float = 0.1
) -> int:
    """Return ceil(ready * metric / target), but the present number when that is near enough.

    Replicas that are not ready yet have no metric. They do not count when there are to be fewer;
    when there are to be more, they count as using nothing, so that what was started already damps
    the next step. Where that turns the direction round, or comes near enough to the target, nothing
    changes.

    Args:
        ready: How many replicas are ready.
        metric: The mean of the metric over them.
        target: What it should be, above 0.
        unready: How many more replicas are started.
        tolerance: By how much of the target the metric may be off.

    Example:
        >>> desired_replicas(3, metric=0.200, target=0.100)  # the documentation's 200 m for 100 m
        6
        >>> desired_replicas(4, metric=0.050, target=0.100)
        2
        >>> desired_replicas(10, metric=0.110, target=0.100)
        10
    """
    present = ready + unready
    if not ready:
        return present
    ratio = metric / target
    counted = ready
    if unready and ratio > 1:
        counted = present
        damped = ratio * ready / present
        if damped < 1:
            return present
        ratio = damped
    if abs(ratio - 1) <= tolerance + 1e-9:
        return present
    wanted = math.ceil(ratio * counted - 1e-9)
    turned = (ratio < 1 and wanted > present) or (ratio > 1 and wanted < present)
    return present if turned else wanted
