"""Faults in a scenario file: what is wrong, when it is, and whom it hits."""

from typing import Annotated, get_args

from pydantic import Field

from foundation_lab.scenario.faults.fault import FaultSection
from foundation_lab.scenario.faults.on_requests import (
    ConnectionResetSpec,
    ErrorRateSpec,
    HangSpec,
    LatencySpec,
    LostRequestSpec,
    LostResponseSpec,
    PartitionSpec,
)
from foundation_lab.scenario.faults.on_services import (
    CacheFlushSpec,
    CapacityLossSpec,
    CpuStressSpec,
    CrashSpec,
    OutageSpec,
    PauseSpec,
    QueueRedriveSpec,
    RollingDeploySpec,
    SlowDownSpec,
    SlowNodeSpec,
)
from foundation_lab.scenario.faults.on_surroundings import ClockSkewSpec, LoadStepSpec

AnyFault = Annotated[
    LatencySpec
    | ErrorRateSpec
    | HangSpec
    | ConnectionResetSpec
    | LostRequestSpec
    | LostResponseSpec
    | PartitionSpec
    | OutageSpec
    | PauseSpec
    | SlowDownSpec
    | SlowNodeSpec
    | CpuStressSpec
    | CapacityLossSpec
    | CrashSpec
    | RollingDeploySpec
    | CacheFlushSpec
    | QueueRedriveSpec
    | LoadStepSpec
    | ClockSkewSpec,
    Field(discriminator="kind"),
]

KINDS: dict[str, type[FaultSection]] = {
    spec.tag(): spec for spec in get_args(get_args(AnyFault)[0])
}
"""What each `kind` stands for."""
