"""A load balancer in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from foundation_lab import services as made
from foundation_lab.scenario.section import (
    Name,
    Positive,
    Section,
    Share,
    Whole,
)
from foundation_lab.scenario.services.balancing import AnyAlgorithm, algorithm_of, name_of
from foundation_lab.scenario.services.service import Place, ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class OutlierSpec(Section):
    """Which hosts are unlike the others, and leave the rotation for a while: Envoy's rules."""

    consecutive_failures: Whole = 5
    """How many failures in a row eject a host."""
    interval: Positive = 10.0
    """Seconds between two sweeps."""
    base_ejection_time: Positive = 30.0
    """Seconds that the first ejection lasts at least."""
    max_ejection_time: Positive = 300.0
    """The most seconds that an ejection lasts, but for the wait for a sweep."""
    max_ejected: Share = 0.1
    """The share of hosts that may be out of rotation; one always may."""
    stdev_factor: Positive = 1.9
    """How many standard deviations below the mean a success rate is too low."""
    minimum_hosts: Whole = 5
    """How many hosts with enough calls are needed to compare success rates."""
    request_volume: Whole = 100
    """How many calls in an interval are enough."""

    @model_validator(mode="after")
    def _most_is_not_below_the_base(self) -> Self:
        if self.max_ejection_time < self.base_ejection_time:
            message = (
                f"max_ejection_time ({self.max_ejection_time:g}) is below base_ejection_time "
                f"({self.base_ejection_time:g}); give at least as much"
            )
            raise ValueError(message)
        return self

    def build(self, sim: Simulation, name: str) -> made.OutlierDetector:
        """Return the detector; the balancer adds its hosts."""
        return made.OutlierDetector(sim, name, **self.model_dump())


FOR_HOSTS = ("priority", "deadline")
"""What a balancer tells its host of a request."""


class BalancingSection(ServiceSection):
    """How requests are spread over hosts; the base of what has several."""

    stand: ClassVar[Stand] = Stand.END
    takes: ClassVar[tuple[str, ...]] = ("key",)

    algorithm: AnyAlgorithm = "round_robin"
    """Which host a request goes to: a name, or a mapping with options."""
    slow_start: Positive | None = None
    """Seconds over which the weight of a host that is added or readmitted grows to all of it."""
    outliers: OutlierSpec | None = None
    """Ejects hosts by how their requests end; no host is without it."""
    panic_threshold: Share = 0.5
    """When a smaller share of the hosts than this is in rotation, all are picked."""
    health_check_interval: Positive | None = None
    """Seconds between two checks of each host; none without it."""
    unhealthy_threshold: Whole = 3
    """How many failed checks in a row eject a host."""
    healthy_threshold: Whole = 2
    """How many good ones in a row readmit it."""
    health_interval: Positive | None = None
    """Seconds between two health checks of the balancer itself; none without it."""

    @model_validator(mode="after")
    def _slow_start_needs_weights(self) -> Self:
        if self.slow_start is not None and not algorithm_of(self.algorithm).warms:
            name = name_of(self.algorithm)
            message = f"{name} knows no slow_start; leave it out, or choose weighted"
            raise ValueError(message)
        return self

    def balancer(
        self,
        sim: Simulation,
        name: str,
        hosts: Mapping[str, Any],
        weights: Mapping[str, float] | None = None,
    ) -> made.LoadBalancer:
        """Return the balancer."""
        return made.LoadBalancer(
            sim,
            name,
            hosts,
            algorithm=algorithm_of(self.algorithm),
            weights=weights,
            slow_start=self.slow_start,
            outliers=None if self.outliers is None else self.outliers.build(sim, name),
            panic_threshold=self.panic_threshold,
            health_check_interval=self.health_check_interval,
            unhealthy_threshold=self.unhealthy_threshold,
            healthy_threshold=self.healthy_threshold,
            health_interval=self.health_interval,
        )


class LoadBalancerSpec(BalancingSection):
    """Sends each request to one of several hosts."""

    kind: Literal["load_balancer"]
    hosts: Annotated[list[Name], Field(min_length=1)]
    """The names of the hosts: backends, or what else can be asked."""
    weights: dict[Name, Positive] = Field(default_factory=dict)
    """The weights of hosts; 1 for those that are not named."""

    @model_validator(mode="after")
    def _weights_have_hosts(self) -> Self:
        twice = next((host for host in self.hosts if self.hosts.count(host) > 1), None)
        if twice is not None:
            message = f"the host {twice!r} is there twice; give each of them once"
            raise ValueError(message)
        unknown = next((host for host in self.weights if host not in self.hosts), None)
        if unknown is not None:
            message = f"there is a weight of {unknown!r}, which is no host; there are: "
            raise ValueError(message + ", ".join(self.hosts))
        if self.weights and name_of(self.algorithm) == "round_robin":
            message = "round_robin knows no weights; leave them out, or choose weighted"
            raise ValueError(message)
        return self

    def parts(self) -> Iterator[tuple[Place, str]]:
        """Yield its hosts."""
        for number, host in enumerate(self.hosts):
            yield ("hosts", number), host

    def wants(self, specs: Mapping[str, ServiceSection]) -> tuple[str, ...]:
        """Return what picks a host, and what all of the hosts want to know."""
        shared = [set(specs[host].wants(specs)) for host in self.hosts]
        return ("key", *(fact for fact in FOR_HOSTS if all(fact in own for own in shared)))

    def unfit(self, part: str, spec: ServiceSection) -> str | None:
        """Refuse what cannot be asked."""
        if spec.stand is Stand.END:
            return None
        return f"a host is asked as a backend is, and {part!r} is a {spec.tag()}"

    def build(
        self, sim: Simulation, name: str, services: Mapping[str, Service]
    ) -> made.LoadBalancer:
        """Return the service."""
        hosts = {host: services[host] for host in self.hosts}
        return self.balancer(sim, name, hosts, self.weights or None)
