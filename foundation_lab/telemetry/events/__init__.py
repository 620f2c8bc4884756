"""The event taxonomy: one module for each family of emitters, one class for each event name.

Importing this package fills the catalogue with every event that the package can emit.
"""

from foundation_lab.telemetry.events import (
    agent,
    alert,
    async_operation,
    backend,
    bulkhead,
    cache,
    circuit_breaker,
    connection,
    coordination,
    fallback,
    fault,
    hedge,
    outlier_detector,
    rate_limiter,
    request,
    resource,
    retry,
    service,
    signal,
    supervisor,
    telemetry,
    timeout,
)

__all__ = [
    "agent",
    "alert",
    "async_operation",
    "backend",
    "bulkhead",
    "cache",
    "circuit_breaker",
    "connection",
    "coordination",
    "fallback",
    "fault",
    "hedge",
    "outlier_detector",
    "rate_limiter",
    "request",
    "resource",
    "retry",
    "service",
    "signal",
    "supervisor",
    "telemetry",
    "timeout",
]
