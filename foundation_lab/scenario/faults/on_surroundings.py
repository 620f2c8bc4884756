"""Faults of what surrounds services, in a scenario file: their clocks, and their load."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from foundation_lab.scenario.faults.fault import LastingSection, OnServices
from foundation_lab.scenario.section import Finite, Name, NotNegative
from foundation_lab.simulation import faults


class LoadStepSpec(LastingSection):
    """A workload sends more, or less."""

    fault: ClassVar[type[faults.Fault]] = faults.LoadStep
    echoes: ClassVar[tuple[str, ...]] = ("fault", "workload")

    kind: Literal["load_step"]
    workload: Name
    """The workload."""
    factor: NotNegative
    """How many times its usual load."""


class ClockSkewSpec(OnServices, LastingSection):
    """A clock is wrong: that of a node, or of services that have one of their own."""

    fault: ClassVar[type[faults.Fault]] = faults.ClockSkew

    kind: Literal["clock_skew"]
    offset: Finite = 0.0
    """By how many seconds it is fast; slow when negative."""
    drift: Annotated[float, Field(gt=-1, allow_inf_nan=False)] = 0.0
    """How many seconds it gains in each second; it loses when negative."""
