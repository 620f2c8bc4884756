"""An autoscaler in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from foundation_lab import services as made
from foundation_lab.scenario.section import Name, NotNegative, Positive, Section, Whole
from foundation_lab.scenario.services.processor_sharing import ProcessorSharingSpec
from foundation_lab.scenario.services.replica_set import ReplicaSetSpec
from foundation_lab.scenario.services.service import Place, ServiceSection, Stand
from foundation_lab.services.scaling.scaling_rules import SCALE_DOWN, SCALE_UP

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class ScalingPolicySpec(Section):
    """How many replicas may come or go in some time."""

    value: Whole
    """How many, or how many percent of those that there were."""
    unit: Literal["replicas", "percent"]
    """What the value counts."""
    period: Positive = 15.0
    """Seconds."""


class ScalingRulesSpec(Section):
    """How fast the number of replicas may change in one direction."""

    policies: Annotated[list[ScalingPolicySpec], Field(min_length=1)]
    """The one that allows the most counts."""
    stabilisation: NotNegative = 0.0
    """Seconds for which the recommendations of the past hold it back."""

    def build(self) -> made.ScalingRules:
        """Return the rules."""
        policies = [made.ScalingPolicy(p.value, p.unit, p.period) for p in self.policies]
        return made.ScalingRules(tuple(policies), self.stabilisation)


class AutoscalerSpec(ServiceSection):
    """Changes the number of replicas so that a metric stays near its target: Kubernetes' HPA."""

    stand: ClassVar[Stand] = Stand.BESIDE

    kind: Literal["autoscaler"]
    replicas: Name
    """The replica set."""
    target: Positive
    """What the metric should be: 0.5 stands for half of the places."""
    metric: Literal["utilisation", "queue_length"] = "utilisation"
    """The share of places taken, or how many wait at a replica."""
    minimum: Whole = 1
    """The fewest replicas."""
    maximum: Whole = 10
    """The most."""
    sync_period: Positive = 15.0
    """Seconds between two decisions."""
    samples: Whole = 15
    """How often the metric is looked at in between; their mean counts."""
    tolerance: NotNegative = 0.1
    """By how much of the target the metric may be off."""
    scale_up: ScalingRulesSpec | None = None
    """How fast there may be more; as Kubernetes has it without it."""
    scale_down: ScalingRulesSpec | None = None
    """How fast there may be fewer; as Kubernetes has it without it."""

    @model_validator(mode="after")
    def _most_is_not_below_the_fewest(self) -> Self:
        if self.maximum < self.minimum:
            message = f"maximum ({self.maximum}) is below minimum ({self.minimum}); exchange them"
            raise ValueError(message)
        return self

    def parts(self) -> Iterator[tuple[Place, str]]:
        """Yield the replica set."""
        yield ("replicas",), self.replicas

    def unfit(self, part: str, spec: ServiceSection) -> str | None:
        """Refuse what has no replicas."""
        if isinstance(spec, ReplicaSetSpec):
            backend = spec.backend
            if isinstance(backend, ProcessorSharingSpec) and backend.concurrency is None:
                message = f"the backends of {part!r} have neither places nor a line to go by"
                return f"{message}; give them a concurrency"
            return None
        return f"an autoscaler scales a replica_set, and {part!r} is a {spec.tag()}"

    def build(self, sim: Simulation, name: str, services: Mapping[str, Service]) -> made.Autoscaler:
        """Return the service."""
        replicas: Any = services[self.replicas]
        return made.Autoscaler(
            sim,
            name,
            replicas,
            target=self.target,
            metric=self.metric,
            minimum=self.minimum,
            maximum=self.maximum,
            sync_period=self.sync_period,
            samples=self.samples,
            tolerance=self.tolerance,
            scale_up=SCALE_UP if self.scale_up is None else self.scale_up.build(),
            scale_down=SCALE_DOWN if self.scale_down is None else self.scale_down.build(),
        )
