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
        BulkheadFull,
        CircuitOpen,
        RateLimited,
        Rejected,
        ServiceError,
        SimulationFailed,
        Throttled,
        TimedOut,
    )
    from foundation_lab.recording.aggregates import Aggregates
    from foundation_lab.recording.recording import Recording
    from foundation_lab.services import (
        AdaptiveThrottle,
        Backend,
        Bulkhead,
        Cache,
        CircuitBreaker,
        ConnectionManager,
        CountWindow,
        CycleLimit,
        Fallback,
        FixedWindow,
        Hedge,
        LeakyBucket,
        OutlierDetector,
        RateLimiter,
        ResourceManager,
        Retry,
        RetryQuota,
        SlidingCounter,
        SlidingWindow,
        Supervisor,
        ThrottleTokens,
        Timeout,
        TimeWindow,
        TokenBucket,
        WindowBudget,
        additive_jitter,
        breaker_presets,
        custom_backoff,
        decorrelated_backoff,
        decorrelated_v2_backoff,
        exponential_backoff,
        factor_jitter,
        fibonacci_backoff,
        fixed_backoff,
        linear_backoff,
        pipeline,
        retry_after_or,
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
    from foundation_lab.simulation.executor import Inline, Workers
    from foundation_lab.simulation.faults import ErrorRate, Outage, SlowDown, crash, inject
    from foundation_lab.simulation.loop_factory import LoopFactory
    from foundation_lab.simulation.resources import (
        Container,
        FilterStore,
        PreemptiveResource,
        PriorityResource,
        PriorityStore,
        Resource,
        Store,
    )
    from foundation_lab.simulation.slots import Slots
    from foundation_lab.simulation.virtual_threads import virtual_threads
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
        "BulkheadFull",
        "CircuitOpen",
        "RateLimited",
        "Rejected",
        "ServiceError",
        "SimulationFailed",
        "Throttled",
        "TimedOut",
    ),
    "recording.aggregates": ("Aggregates",),
    "recording.recording": ("Recording",),
    "services": (
        "AdaptiveThrottle",
        "Backend",
        "Bulkhead",
        "Cache",
        "CircuitBreaker",
        "ConnectionManager",
        "CountWindow",
        "CycleLimit",
        "Fallback",
        "FixedWindow",
        "OutlierDetector",
        "LeakyBucket",
        "RateLimiter",
        "ResourceManager",
        "Retry",
        "SlidingCounter",
        "Hedge",
        "RateLimiter",
        "ResourceManager",
        "Retry",
        "RetryQuota",
        "SlidingWindow",
        "Supervisor",
        "ThrottleTokens",
        "TimeWindow",
        "Timeout",
        "TokenBucket",
        "breaker_presets",
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
        "retry_after_or",
        "pipeline",
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
    "simulation.executor": ("Inline", "Workers"),
    "simulation.faults": ("ErrorRate", "Outage", "SlowDown", "crash", "inject"),
    "simulation.resources": (
        "Container",
        "FilterStore",
        "PreemptiveResource",
        "PriorityResource",
        "PriorityStore",
        "Resource",
        "Store",
    ),
    "simulation.loop_factory": ("LoopFactory",),
    "simulation.slots": ("Slots",),
    "simulation.virtual_threads": ("virtual_threads",),
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
    "Aggregates",
    "Backend",
    "BackendError",
    "Bulkhead",
    "BulkheadFull",
    "Cache",
    "CircuitBreaker",
    "CircuitOpen",
    "ConnectionManager",
    "Container",
    "Count",
    "CountWindow",
    "CycleLimit",
    "ErrorRate",
    "Event",
    "Fallback",
    "FilterStore",
    "FixedWindow",
    "Flag",
    "Hedge",
    "Inline",
    "Label",
    "LeakyBucket",
    "LoopFactory",
    "Measurement",
    "Outage",
    "OutlierDetector",
    "PreemptiveResource",
    "PriorityResource",
    "PriorityStore",
    "RateLimited",
    "RateLimiter",
    "Ratio",
    "Recording",
    "Rejected",
    "Resource",
    "ResourceManager",
    "Retry",
    "RetryQuota",
    "Seconds",
    "ServiceError",
    "Simulation",
    "SimulationFailed",
    "SlidingCounter",
    "SlidingWindow",
    "Slots",
    "SlowDown",
    "Store",
    "Supervisor",
    "ThrottleTokens",
    "Throttled",
    "TimeWindow",
    "TimedOut",
    "Timeout",
    "TokenBucket",
    "WindowBudget",
    "Workers",
    "Workload",
    "additive_jitter",
    "breaker_presets",
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
    "pipeline",
    "poisson",
    "request",
    "retry_after_or",
    "timestamps",
    "uniform",
    "virtual_threads",
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
