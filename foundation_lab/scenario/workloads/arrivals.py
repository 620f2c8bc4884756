"""Arrivals in a scenario file: when requests, or users, come."""

from typing import Annotated

from pydantic import Field

from foundation_lab.scenario.workloads.bursts import (
    BootstrapArrivals,
    OnOffArrivals,
    SwitchingArrivals,
)
from foundation_lab.scenario.workloads.rates import (
    DiurnalArrivals,
    RampArrivals,
    SinusoidalArrivals,
    SpikeArrivals,
    StaircaseArrivals,
)
from foundation_lab.scenario.workloads.recorded import (
    CountArrivals,
    FileArrivals,
    TimestampArrivals,
)
from foundation_lab.scenario.workloads.steady import (
    ConstantArrivals,
    PiecewiseArrivals,
    PoissonArrivals,
)

AnyArrivals = Annotated[
    PoissonArrivals
    | ConstantArrivals
    | PiecewiseArrivals
    | RampArrivals
    | StaircaseArrivals
    | SpikeArrivals
    | SinusoidalArrivals
    | DiurnalArrivals
    | OnOffArrivals
    | SwitchingArrivals
    | BootstrapArrivals
    | TimestampArrivals
    | CountArrivals
    | FileArrivals,
    Field(discriminator="kind"),
]
