"""Faults in a scenario file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from foundation_lab.scenario.section import Name, NotNegative, Positive, Section, Share


class FaultSpec(Section):
    """What all faults say."""

    service: Name
    """The backend that it hits."""
    start: NotNegative
    """When it begins, in seconds."""
    duration: Positive | None = None
    """How long it lasts, in seconds; for ever without it."""


class OutageSpec(FaultSpec):
    """The backend refuses everything, and drops what it was working on."""

    kind: Literal["outage"]


class SlowDownSpec(FaultSpec):
    """The backend takes longer."""

    kind: Literal["slow_down"]
    factor: Positive
    """How many times as long."""


class ErrorRateSpec(FaultSpec):
    """Requests fail by chance."""

    kind: Literal["error_rate"]
    rate: Share
    """The chance of each request."""


class CrashSpec(Section):
    """A service is killed; its supervisor may restart it."""

    kind: Literal["crash"]
    service: Name
    """Any service."""
    at: NotNegative
    """When, in seconds."""


AnyFault = Annotated[
    OutageSpec | SlowDownSpec | ErrorRateSpec | CrashSpec, Field(discriminator="kind")
]
