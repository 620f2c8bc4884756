"""How many replicas to start and to stop next, when replicas of a new generation are to be had.

Rules as those of a Kubernetes Deployment with the strategy RollingUpdate (kubernetes,
pkg/controller/deployment/rolling.go): never more than `desired` + `max_surge` replicas, those that
drain left out; never fewer than `desired` - `max_unavailable` ready ones, as far as the controller
can help it.
"""

from __future__ import annotations

import math
from typing import NamedTuple


class Counts(NamedTuple):
    """Replicas of one generation, or of all old ones; those that drain do not count."""

    ready: int = 0
    pending: int = 0

    @property
    def all(self) -> int:
        """Those that are ready and those that are not yet."""
        return self.ready + self.pending


class Step(NamedTuple):
    """What to do next: how many to start, and how many old and new ones to stop."""

    start: int = 0
    stop_old: int = 0
    stop_new: int = 0


def next_step(
    desired: int, old: Counts, new: Counts, *, max_surge: int, max_unavailable: int
) -> Step:
    """Return how many replicas to start and stop now.

    New ones are started as far as the surge allows. Of the old ones those that are not ready go
    first; ready ones as long as enough are left. When there are no old ones it is to scale.

    Example:
        >>> next_step(3, Counts(ready=3), Counts(), max_surge=1, max_unavailable=0)
        Step(start=1, stop_old=0, stop_new=0)
        >>> next_step(3, Counts(ready=3), Counts(ready=1), max_surge=1, max_unavailable=0)
        Step(start=0, stop_old=1, stop_new=0)
        >>> next_step(3, Counts(ready=3), Counts(), max_surge=0, max_unavailable=2)
        Step(start=0, stop_old=2, stop_new=0)
    """
    most = desired + (max_surge if old.all else 0)
    room = most - old.all - new.all
    start = max(0, min(room, desired - new.all))
    least = desired - max_unavailable
    # what is started now is not ready either, and takes its share of what may be missing
    spare = old.all + new.all + start - least - (new.pending + start)
    unready = min(old.pending, max(0, spare))
    ready = min(old.ready, max(0, old.ready + new.ready - least), max(0, spare - unready))
    stop_old = unready + ready
    # more than there may be only after `desired` became smaller: new ones that are not ready go
    excess = min(new.pending, old.all - stop_old + new.all - most)
    return Step(start, stop_old, max(0, new.all - desired, excess))


def share_of(name: str, value: float, replicas: int, *, up: bool) -> int:
    """Return a number of replicas that is given as such, or as a share of all of them.

    Args:
        name: The argument's name, for the error message.
        value: A whole number, or a share from 0 to 1 as a float.
        replicas: All of them.
        up: Whether a share is rounded up, as Kubernetes does with `max_surge`, or down.

    Raises:
        ValueError: It is neither.

    Example:
        >>> [share_of("max_surge", value, 10, up=True) for value in (1, 0.25)]
        [1, 3]
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if not isinstance(value, float) or not 0 <= value <= 1:
        message = f"{name}={value!r}; give a whole number from 0, or a share such as 0.25"
        raise ValueError(message)
    exact = value * replicas
    return math.ceil(exact - 1e-9) if up else math.floor(exact + 1e-9)
