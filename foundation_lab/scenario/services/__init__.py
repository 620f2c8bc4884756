"""Services in a scenario file: what each kind may say, and how it is built."""

from typing import Annotated, get_args

from pydantic import Field

from foundation_lab.scenario.services.autoscaler import AutoscalerSpec
from foundation_lab.scenario.services.backend import BackendSpec
from foundation_lab.scenario.services.bulkhead import BulkheadSpec
from foundation_lab.scenario.services.cache import CacheSpec
from foundation_lab.scenario.services.circuit_breaker import CircuitBreakerSpec
from foundation_lab.scenario.services.connection_manager import ConnectionManagerSpec
from foundation_lab.scenario.services.fallback import FallbackSpec
from foundation_lab.scenario.services.hedge import HedgeSpec
from foundation_lab.scenario.services.load_balancer import LoadBalancerSpec
from foundation_lab.scenario.services.rate_limiter import RateLimiterSpec
from foundation_lab.scenario.services.replica_set import ReplicaSetSpec
from foundation_lab.scenario.services.retry import RetrySpec
from foundation_lab.scenario.services.service import ServiceSection
from foundation_lab.scenario.services.supervisor import SupervisorSpec
from foundation_lab.scenario.services.timeout import TimeoutSpec

ServiceSpec = Annotated[
    BackendSpec
    | CircuitBreakerSpec
    | RetrySpec
    | HedgeSpec
    | TimeoutSpec
    | FallbackSpec
    | BulkheadSpec
    | CacheSpec
    | ConnectionManagerSpec
    | RateLimiterSpec
    | LoadBalancerSpec
    | ReplicaSetSpec
    | AutoscalerSpec
    | SupervisorSpec,
    Field(discriminator="kind"),
]

KINDS: dict[str, type[ServiceSection]] = {
    spec.tag(): spec for spec in get_args(get_args(ServiceSpec)[0])
}
"""What each `kind` stands for."""
