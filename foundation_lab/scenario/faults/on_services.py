"""Faults that are on whole services, in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from foundation_lab.scenario.faults.fault import InstantSection, LastingSection, OnServices
from foundation_lab.scenario.section import Name, Positive, PositiveShare, Whole, WholeOrZero
from foundation_lab.simulation import faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation_lab.scenario.faults.fault import Place


class OutageSpec(OnServices, LastingSection):
    """A service refuses everything, and drops what it was working on."""

    fault: ClassVar[type[faults.Fault]] = faults.Outage

    kind: Literal["outage"]


class PauseSpec(OnServices, LastingSection):
    """All work stands still, and goes on after it."""

    fault: ClassVar[type[faults.Fault]] = faults.Pause

    kind: Literal["pause"]


class SlowDownSpec(OnServices, LastingSection):
    """A service takes longer."""

    fault: ClassVar[type[faults.Fault]] = faults.SlowDown

    kind: Literal["slow_down"]
    factor: Positive
    """How many times as long."""


class SlowNodeSpec(OnServices, LastingSection):
    """A machine is slow: every service on it takes longer."""

    fault: ClassVar[type[faults.Fault]] = faults.SlowNode

    kind: Literal["slow_node"]
    factor: Positive
    """How many times as long."""


class CpuStressSpec(OnServices, LastingSection):
    """Something else takes a share of the processor, so that a service takes longer."""

    fault: ClassVar[type[faults.Fault]] = faults.CpuStress

    kind: Literal["cpu_stress"]
    share: Annotated[float, Field(ge=0, lt=1)]
    """The share that is taken: with 0.75 it takes four times as long."""


class CapacityLossSpec(OnServices, LastingSection):
    """A service has fewer places; those in use stay until they are given back."""

    fault: ClassVar[type[faults.Fault]] = faults.CapacityLoss

    kind: Literal["capacity_loss"]
    places: Whole | None = None
    """How many places are gone; or give `share`."""
    share: PositiveShare | None = None
    """Which share of the places is gone, rounded up; or give `places`."""


class CrashSpec(OnServices, InstantSection):
    """A service is killed; it comes back after some time, or when its supervisor restarts it."""

    fault: ClassVar[type[faults.Fault]] = faults.Crash

    kind: Literal["crash"]
    down_for: Positive | None = None
    """Seconds until it is restarted; without it this is left to a supervisor."""
    state: Literal["volatile", "durable"] = "volatile"
    """Whether what it knew, such as what a cache keeps, is lost or there again afterwards."""


class RollingDeploySpec(OnServices, InstantSection):
    """Services are restarted one after the other; or a replica set replaces its replicas."""

    fault: ClassVar[type[faults.Fault]] = faults.RollingDeploy

    kind: Literal["rolling_deploy"]
    down_for: Positive | None = None
    """Seconds that each service is down; for `services` only."""
    max_unavailable: WholeOrZero = 1
    """How many are down for it at the same time, at most; 0 for a replica set only."""

    def contradictions(self) -> Iterator[tuple[Place, str]]:
        """Yield what does not fit together, each with its place."""
        if self.node is not None:
            yield ("node",), "a deploy has an order; give services, or one replica set as service"
        elif (self.services is None) != (self.down_for is None):
            message = (
                "each of the services is down for some seconds; add them"
                if self.services
                else "a replica set replaces its replicas at its own pace; leave it out"
            )
            yield ("down_for",), message


class CacheFlushSpec(OnServices, InstantSection):
    """A cache loses all that it keeps."""

    fault: ClassVar[type[faults.Fault]] = faults.CacheFlush

    kind: Literal["cache_flush"]


class QueueRedriveSpec(OnServices, InstantSection):
    """A queue moves its dead letters back to the queues that they came from."""

    fault: ClassVar[type[faults.Fault]] = faults.QueueRedrive
    echoes: ClassVar[tuple[str, ...]] = ("fault", "queue")

    kind: Literal["queue_redrive"]
    rate: Positive | None = None
    """How many letters are moved a second, the first at once; all at once without it."""
    to: Name | None = None
    """The queue where all of them go; without it each goes where it came from."""
