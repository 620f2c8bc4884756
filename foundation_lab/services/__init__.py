"""Services: instrumented generators that compose with ``yield from``."""

from foundation_lab.services import async_operation, breaker_presets
from foundation_lab.services.adaptive_throttle import AdaptiveThrottle
from foundation_lab.services.backend import Backend
from foundation_lab.services.backoff import (
    custom_backoff,
    decorrelated_backoff,
    decorrelated_v2_backoff,
    exponential_backoff,
    fibonacci_backoff,
    fixed_backoff,
    linear_backoff,
)
from foundation_lab.services.break_duration import Opening, retry_after_or
from foundation_lab.services.breaker_state import State
from foundation_lab.services.bulkhead import Bulkhead
from foundation_lab.services.cache import Cache
from foundation_lab.services.circuit_breaker import CircuitBreaker
from foundation_lab.services.connection import Connection
from foundation_lab.services.connection_manager import ConnectionManager
from foundation_lab.services.counting import Consecutive, CountWindow, TimeWindow
from foundation_lab.services.cycle_limit import CycleLimit
from foundation_lab.services.fallback import Fallback
from foundation_lab.services.hedge import Hedge
from foundation_lab.services.jitter import additive_jitter, factor_jitter
from foundation_lab.services.leaky_bucket import LeakyBucket
from foundation_lab.services.limits import FixedWindow, SlidingWindow, TokenBucket
from foundation_lab.services.network_link import NetworkLink
from foundation_lab.services.outlier_detector import OutlierDetector
from foundation_lab.services.policy import Pipeline, pipeline
from foundation_lab.services.rate_limiter import RateLimiter
from foundation_lab.services.resource_manager import ResourceManager
from foundation_lab.services.retry import Retry
from foundation_lab.services.retry_budget import (
    RetryQuota,
    ThrottleTokens,
    WindowBudget,
)
from foundation_lab.services.service import Health, Service
from foundation_lab.services.sliding_counter import SlidingCounter
from foundation_lab.services.supervisor import Supervisor
from foundation_lab.services.timeout import Timeout
from foundation_lab.simulation.invocation import outcome_of

__all__ = [
    "AdaptiveThrottle",
    "Backend",
    "Bulkhead",
    "Cache",
    "CircuitBreaker",
    "Connection",
    "ConnectionManager",
    "Consecutive",
    "CountWindow",
    "CycleLimit",
    "Fallback",
    "FixedWindow",
    "Health",
    "Hedge",
    "LeakyBucket",
    "NetworkLink",
    "Opening",
    "OutlierDetector",
    "Pipeline",
    "RateLimiter",
    "ResourceManager",
    "Retry",
    "RetryQuota",
    "Service",
    "SlidingCounter",
    "SlidingWindow",
    "State",
    "Supervisor",
    "ThrottleTokens",
    "TimeWindow",
    "Timeout",
    "TokenBucket",
    "WindowBudget",
    "additive_jitter",
    "async_operation",
    "breaker_presets",
    "custom_backoff",
    "decorrelated_backoff",
    "decorrelated_v2_backoff",
    "exponential_backoff",
    "factor_jitter",
    "fibonacci_backoff",
    "fixed_backoff",
    "linear_backoff",
    "outcome_of",
    "pipeline",
    "retry_after_or",
]
