"""Services: instrumented generators that compose with ``yield from``."""

from foundation_lab.services import async_operation, breaker_presets, pool_presets
from foundation_lab.services.adaptive_limiter import AdaptiveLimiter
from foundation_lab.services.autoscaler import Autoscaler
from foundation_lab.services.backend import Backend
from foundation_lab.services.balancing.consistent_hash import ConsistentHash
from foundation_lab.services.balancing.maglev import Maglev
from foundation_lab.services.balancing.peak_ewma import PeakEwma
from foundation_lab.services.breaking.break_duration import Opening, retry_after_or
from foundation_lab.services.breaking.counting import Consecutive, CountWindow, TimeWindow
from foundation_lab.services.breaking.state import State
from foundation_lab.services.broker import Broker
from foundation_lab.services.bulkhead import Bulkhead
from foundation_lab.services.cache import Cache
from foundation_lab.services.circuit_breaker import CircuitBreaker
from foundation_lab.services.client_rate_limiter import ClientRateLimiter
from foundation_lab.services.connection_manager import ConnectionManager
from foundation_lab.services.consumer import Consumer
from foundation_lab.services.event_loop import EventLoop
from foundation_lab.services.fallback import Fallback
from foundation_lab.services.health import HealthCheck
from foundation_lab.services.health_monitor import HealthMonitor
from foundation_lab.services.hedge import Hedge
from foundation_lab.services.limiting.client_rate import (
    ClientRate,
    CubicRate,
    FillingBucket,
    RateMeter,
)
from foundation_lab.services.limiting.concurrency_limits import (
    AIMDLimit,
    Gradient2Limit,
    VegasLimit,
)
from foundation_lab.services.limiting.cycle_limit import CycleLimit
from foundation_lab.services.limiting.leaky_bucket import LeakyBucket
from foundation_lab.services.limiting.limits import FixedWindow, SlidingWindow, TokenBucket
from foundation_lab.services.limiting.sliding_counter import SlidingCounter
from foundation_lab.services.limiting.windowed_limit import WindowedLimit
from foundation_lab.services.load_balancer import LoadBalancer
from foundation_lab.services.load_shedder import LoadShedder
from foundation_lab.services.message_queue import Queue
from foundation_lab.services.messaging.message import Delivery, Message
from foundation_lab.services.messaging.redrive import Redrive
from foundation_lab.services.network_link import NetworkLink
from foundation_lab.services.outlier_detector import OutlierDetector
from foundation_lab.services.policy import Pipeline, pipeline
from foundation_lab.services.pooling.connection import Connection
from foundation_lab.services.processor_sharing import ProcessorSharing
from foundation_lab.services.rate_limiter import RateLimiter
from foundation_lab.services.replica_set import ReplicaSet
from foundation_lab.services.resource_manager import ResourceManager
from foundation_lab.services.retry import Retry
from foundation_lab.services.retrying.adaptive_throttle import AdaptiveThrottle
from foundation_lab.services.retrying.backoff import (
    custom_backoff,
    decorrelated_backoff,
    decorrelated_v2_backoff,
    exponential_backoff,
    fibonacci_backoff,
    fixed_backoff,
    linear_backoff,
)
from foundation_lab.services.retrying.jitter import additive_jitter, factor_jitter
from foundation_lab.services.retrying.retry_budget import (
    RetryQuota,
    ThrottleTokens,
    WindowBudget,
)
from foundation_lab.services.scaling.desired_replicas import desired_replicas
from foundation_lab.services.scaling.scaling_rules import ScalingPolicy, ScalingRules
from foundation_lab.services.service import Health, Service
from foundation_lab.services.serving.loop_step import Cpu, Io
from foundation_lab.services.serving.warm_up import WarmUp
from foundation_lab.services.supervision.child import Child, ChildInfo
from foundation_lab.services.supervisor import Supervisor
from foundation_lab.services.timeout import Timeout
from foundation_lab.simulation.outcomes import outcome_of

__all__ = [
    "AIMDLimit",
    "AdaptiveLimiter",
    "AdaptiveThrottle",
    "Autoscaler",
    "Backend",
    "Broker",
    "Bulkhead",
    "Cache",
    "Child",
    "ChildInfo",
    "CircuitBreaker",
    "ClientRate",
    "ClientRateLimiter",
    "Connection",
    "ConnectionManager",
    "Consecutive",
    "ConsistentHash",
    "Consumer",
    "CountWindow",
    "Cpu",
    "CubicRate",
    "CycleLimit",
    "Delivery",
    "EventLoop",
    "Fallback",
    "FillingBucket",
    "FixedWindow",
    "Gradient2Limit",
    "Health",
    "HealthCheck",
    "HealthMonitor",
    "Hedge",
    "Io",
    "LeakyBucket",
    "LoadBalancer",
    "LoadShedder",
    "Maglev",
    "Message",
    "NetworkLink",
    "Opening",
    "OutlierDetector",
    "PeakEwma",
    "Pipeline",
    "ProcessorSharing",
    "Queue",
    "RateLimiter",
    "RateMeter",
    "Redrive",
    "ReplicaSet",
    "ResourceManager",
    "Retry",
    "RetryQuota",
    "ScalingPolicy",
    "ScalingRules",
    "Service",
    "SlidingCounter",
    "SlidingWindow",
    "State",
    "Supervisor",
    "ThrottleTokens",
    "TimeWindow",
    "Timeout",
    "TokenBucket",
    "VegasLimit",
    "WarmUp",
    "WindowBudget",
    "WindowedLimit",
    "additive_jitter",
    "async_operation",
    "breaker_presets",
    "custom_backoff",
    "decorrelated_backoff",
    "decorrelated_v2_backoff",
    "desired_replicas",
    "exponential_backoff",
    "factor_jitter",
    "fibonacci_backoff",
    "fixed_backoff",
    "linear_backoff",
    "outcome_of",
    "pipeline",
    "pool_presets",
    "retry_after_or",
]
