"""A hedge in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from foundation_lab import services as made
from foundation_lab.scenario.section import NotNegative, Whole
from foundation_lab.scenario.services.error_names import Errors, error_types
from foundation_lab.scenario.services.retry_budget import OneBudget, budget_of
from foundation_lab.scenario.services.service import ServiceSection, Stand

if TYPE_CHECKING:
    from foundation_lab.scenario.services.service import Parts
    from foundation_lab.simulation.engine import Simulation


class HedgeSpec(ServiceSection):
    """Asks again while the first answer is still to come."""

    stand: ClassVar[Stand] = Stand.AROUND

    kind: Literal["hedge"]
    delay: NotNegative
    """Seconds without an answer after which another attempt is sent."""
    max_attempts: Whole = 2
    """How many attempts are sent for a call at most."""
    non_fatal: Errors | None = None
    """Which errors leave the call going; every failure does without it."""
    budget: OneBudget | None = None
    """What attempts after the first may cost, all calls together; by name, a shared one."""

    def build(self, sim: Simulation, name: str, services: Parts) -> made.Hedge:
        """Return the service."""
        options: dict[str, Any] = {}
        if self.non_fatal is not None:
            options["non_fatal"] = error_types(self.non_fatal)
        return made.Hedge(
            sim,
            name,
            delay=self.delay,
            max_attempts=self.max_attempts,
            budget=budget_of(self.budget, services.budgets),
            **options,
        )
