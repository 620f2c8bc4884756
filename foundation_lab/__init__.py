"""foundation_lab: services and agents under virtual time, every operation an event in a dataframe.

The public names are loaded when they are first used, so that ``import foundation_lab`` costs
next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foundation_lab import lab
    from foundation_lab.errors import (
        BackendError,
        CircuitOpen,
        RateLimited,
        Rejected,
        ServiceError,
        SimulationFailed,
        Throttled,
        TimedOut,
    )
    from foundation_lab.recording.recording import Recording
    from foundation_lab.services import (
        AdaptiveThrottle,
        Backend,
        CircuitBreaker,
        ConnectionManager,
        CountWindow,
        FixedWindow,
        Hedge,
        RateLimiter,
        ResourceManager,
        Retry,
        RetryQuota,
        SlidingWindow,
        Supervisor,
        ThrottleTokens,
        TimeWindow,
        TokenBucket,
        WindowBudget,
        additive_jitter,
        custom_backoff,
        decorrelated_backoff,
        decorrelated_v2_backoff,
        exponential_backoff,
        factor_jitter,
        fibonacci_backoff,
        fixed_backoff,
        linear_backoff,
    )
    from foundation_lab.simulation.arrivals import (
        constant_rate,
        counts_per_interval,
        piecewise,
        poisson,
        timestamps,
    )
    from foundation_lab.simulation.distributions import (
        constant,
        erlang,
        exponential,
        lognormal,
        uniform,
    )
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.faults import ErrorRate, Outage, SlowDown, crash, inject
    from foundation_lab.simulation.workload import Workload, request
    from foundation_lab.telemetry import (
        Count,
        Event,
        Flag,
        Label,
        Measurement,
        Ratio,
        Seconds,
        catalogue,
    )

__version__ = "0.1.0"

_HOMES = {
    "errors": (
        "BackendError",
        "CircuitOpen",
        "RateLimited",
        "Rejected",
        "ServiceError",
        "SimulationFailed",
        "Throttled",
        "TimedOut",
    ),
    "recording.recording": ("Recording",),
    "services": (
        "AdaptiveThrottle",
        "Backend",
        "CircuitBreaker",
        "ConnectionManager",
        "CountWindow",
        "FixedWindow",
        "Hedge",
        "RateLimiter",
        "ResourceManager",
        "Retry",
        "RetryQuota",
        "SlidingWindow",
        "Supervisor",
        "ThrottleTokens",
        "TimeWindow",
        "TokenBucket",
        "WindowBudget",
        "additive_jitter",
        "custom_backoff",
        "decorrelated_backoff",
        "decorrelated_v2_backoff",
        "exponential_backoff",
        "factor_jitter",
        "fibonacci_backoff",
        "fixed_backoff",
        "linear_backoff",
    ),
    "simulation.arrivals": (
        "constant_rate",
        "counts_per_interval",
        "piecewise",
        "poisson",
        "timestamps",
    ),
    "simulation.distributions": ("constant", "erlang", "exponential", "lognormal", "uniform"),
    "simulation.engine": ("Simulation",),
    "simulation.faults": ("ErrorRate", "Outage", "SlowDown", "crash", "inject"),
    "simulation.workload": ("Workload", "request"),
    "telemetry": (
        "Count",
        "Event",
        "Flag",
        "Label",
        "Measurement",
        "Ratio",
        "Seconds",
        "catalogue",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AdaptiveThrottle",
    "Backend",
    "BackendError",
    "CircuitBreaker",
    "CircuitOpen",
    "ConnectionManager",
    "Count",
    "CountWindow",
    "ErrorRate",
    "Event",
    "FixedWindow",
    "Flag",
    "Hedge",
    "Label",
    "Measurement",
    "Outage",
    "RateLimited",
    "RateLimiter",
    "Ratio",
    "Recording",
    "Rejected",
    "ResourceManager",
    "Retry",
    "RetryQuota",
    "Seconds",
    "ServiceError",
    "Simulation",
    "SimulationFailed",
    "SlidingWindow",
    "SlowDown",
    "Supervisor",
    "ThrottleTokens",
    "Throttled",
    "TimeWindow",
    "TimedOut",
    "TokenBucket",
    "WindowBudget",
    "Workload",
    "additive_jitter",
    "catalogue",
    "constant",
    "constant_rate",
    "counts_per_interval",
    "crash",
    "custom_backoff",
    "decorrelated_backoff",
    "decorrelated_v2_backoff",
    "erlang",
    "exponential",
    "exponential_backoff",
    "factor_jitter",
    "fibonacci_backoff",
    "fixed_backoff",
    "inject",
    "lab",
    "linear_backoff",
    "lognormal",
    "piecewise",
    "poisson",
    "request",
    "timestamps",
    "uniform",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    if name == "lab":
        return import_module(f"{__name__}.lab")
    home = _HOME_OF.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
