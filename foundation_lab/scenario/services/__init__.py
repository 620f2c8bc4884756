"""Services in a scenario file: what each kind may say, and how it is built."""

from typing import Annotated, get_args

from pydantic import Field

from foundation_lab.scenario.services.adaptive_limiter import AdaptiveLimiterSpec
from foundation_lab.scenario.services.autoscaler import AutoscalerSpec
from foundation_lab.scenario.services.backend import BackendSpec
from foundation_lab.scenario.services.broker import BrokerSpec
from foundation_lab.scenario.services.bulkhead import BulkheadSpec
from foundation_lab.scenario.services.cache import CacheSpec
from foundation_lab.scenario.services.circuit_breaker import CircuitBreakerSpec
from foundation_lab.scenario.services.client_rate_limiter import ClientRateLimiterSpec
from foundation_lab.scenario.services.connection_manager import ConnectionManagerSpec
from foundation_lab.scenario.services.consumer import ConsumerSpec
from foundation_lab.scenario.services.event_loop import EventLoopSpec
from foundation_lab.scenario.services.fallback import FallbackSpec
from foundation_lab.scenario.services.health_monitor import HealthMonitorSpec
from foundation_lab.scenario.services.hedge import HedgeSpec
from foundation_lab.scenario.services.load_balancer import LoadBalancerSpec
from foundation_lab.scenario.services.load_shedder import LoadShedderSpec
from foundation_lab.scenario.services.network_link import NetworkLinkSpec
from foundation_lab.scenario.services.processor_sharing import ProcessorSharingSpec
from foundation_lab.scenario.services.queue import QueueSpec
from foundation_lab.scenario.services.rate_limiter import RateLimiterSpec
from foundation_lab.scenario.services.replica_set import ReplicaSetSpec
from foundation_lab.scenario.services.resource_manager import ResourceManagerSpec
from foundation_lab.scenario.services.retry import RetrySpec
from foundation_lab.scenario.services.service import ServiceSection
from foundation_lab.scenario.services.supervisor import SupervisorSpec
from foundation_lab.scenario.services.timeout import TimeoutSpec

ServiceSpec = Annotated[
    BackendSpec
    | ProcessorSharingSpec
    | EventLoopSpec
    | CircuitBreakerSpec
    | RetrySpec
    | HedgeSpec
    | TimeoutSpec
    | FallbackSpec
    | BulkheadSpec
    | LoadShedderSpec
    | AdaptiveLimiterSpec
    | CacheSpec
    | ConnectionManagerSpec
    | ResourceManagerSpec
    | RateLimiterSpec
    | ClientRateLimiterSpec
    | NetworkLinkSpec
    | LoadBalancerSpec
    | ReplicaSetSpec
    | AutoscalerSpec
    | QueueSpec
    | ConsumerSpec
    | BrokerSpec
    | SupervisorSpec
    | HealthMonitorSpec,
    Field(discriminator="kind"),
]

KINDS: dict[str, type[ServiceSection]] = {
    spec.tag(): spec for spec in get_args(get_args(ServiceSpec)[0])
}
"""What each `kind` stands for."""
