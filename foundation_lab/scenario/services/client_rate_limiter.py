"""A client's own rate limiter in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from foundation_lab import services as made
from foundation_lab.scenario.section import Positive, PositiveShare
from foundation_lab.scenario.services.error_names import Errors, error_types
from foundation_lab.scenario.services.service import ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class ClientRateLimiterSpec(ServiceSection):
    """Lets attempts wait for tokens whose rate it learns from refusals: AWS' adaptive mode."""

    stand: ClassVar[Stand] = Stand.AROUND

    kind: Literal["client_rate_limiter"]
    refused_on: Errors | None = None
    """Which errors say that an attempt was one too many; rejections by others without it."""
    scale: Positive = 0.4
    """How steeply the rate comes back."""
    beta: Annotated[float, Field(gt=0, lt=1)] = 0.7
    """What is left of the rate after a refusal."""
    smoothing: PositiveShare = 0.8
    """The share that the newest measurement has in the measured rate."""
    bucket: Positive = 0.5
    """Seconds that a measurement takes."""
    least: Positive = 0.5
    """The lowest rate, in attempts a second."""

    def build(
        self, sim: Simulation, name: str, services: Mapping[str, Service]
    ) -> made.ClientRateLimiter:
        """Return the service."""
        options: dict[str, Any] = {}
        if self.refused_on is not None:
            options["refused_on"] = error_types(self.refused_on)
        return made.ClientRateLimiter(sim, name, rate=self._rate, **options)

    def _rate(self, now: float) -> made.ClientRate:
        return made.ClientRate(
            now,
            cubic=made.CubicRate(now, scale=self.scale, beta=self.beta),
            meter=made.RateMeter(now, smoothing=self.smoothing, bucket=self.bucket),
            bucket=made.FillingBucket(now, least=self.least),
        )
