"""An adaptive limiter in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from foundation_lab import services as made
from foundation_lab.scenario.section import NotNegative
from foundation_lab.scenario.services.concurrency_limits import AnyConcurrencyLimit, VegasSpec
from foundation_lab.scenario.services.error_names import Errors, error_types
from foundation_lab.scenario.services.service import ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class AdaptiveLimiterSpec(ServiceSection):
    """Limits how many calls are in flight, by what it learns from them."""

    stand: ClassVar[Stand] = Stand.AROUND

    kind: Literal["adaptive_limiter"]
    limit: AnyConcurrencyLimit = VegasSpec(kind="vegas")
    """What it learns, and how."""
    max_wait: NotNegative | None = 0.0
    """Seconds that a call waits for a place at most; null lets it wait for as long as it takes."""
    drop_on: Errors | None = None
    """Which errors are drops; timeouts and rejections without it."""

    def build(
        self, sim: Simulation, name: str, services: Mapping[str, Service]
    ) -> made.AdaptiveLimiter:
        """Return the service."""
        options: dict[str, Any] = {}
        if self.drop_on is not None:
            options["drop_on"] = error_types(self.drop_on)
        return made.AdaptiveLimiter(sim, name, self.limit.build, max_wait=self.max_wait, **options)
