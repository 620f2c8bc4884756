"""The states of a circuit breaker, and what each of them means.

| state | a call is | its outcome is | it ends |
|---|---|---|---|
| ``closed`` | admitted | judged: too many failures open it | by itself |
| ``open`` | turned away | - | by itself |
| ``half_open`` | admitted while permits last | judged: the probes close or open it | by itself |
| ``forced_open`` | turned away | - | by hand only |
| ``disabled`` | admitted | not looked at | by hand only |
| ``metrics_only`` | admitted | counted; an event tells when it would open | by hand only |

The six are those of resilience4j (https://resilience4j.readme.io/docs/circuitbreaker); Polly calls
``forced_open`` isolated.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from foundation_lab.services.service import Health


class State(StrEnum):
    """The state of a circuit breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    FORCED_OPEN = "forced_open"
    DISABLED = "disabled"
    METRICS_ONLY = "metrics_only"


ADMITS_ALL: Final = frozenset({State.CLOSED, State.DISABLED, State.METRICS_ONLY})
"""The states in which every call is admitted."""

BROKEN: Final = frozenset({State.OPEN, State.HALF_OPEN})
"""The states between an opening and the closing that ends the row of openings."""

HEALTH: Final = {
    State.CLOSED: Health.HEALTHY,
    State.OPEN: Health.UNHEALTHY,
    State.HALF_OPEN: Health.DEGRADED,
    State.FORCED_OPEN: Health.UNHEALTHY,
    State.DISABLED: Health.HEALTHY,
    State.METRICS_ONLY: Health.HEALTHY,
}
"""How a breaker is in each state: whether it lets calls through."""
