"""A connection pool in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, model_validator

from foundation_lab import services as made
from foundation_lab.scenario.duration_specs import Duration, distribution
from foundation_lab.scenario.section import NotNegative, Positive, Share, Whole, WholeOrZero
from foundation_lab.scenario.services.presets import POOLS, filled_in
from foundation_lab.scenario.services.service import ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


def _size_or_preset(schema: dict[str, Any]) -> None:
    """Let the schema for editors ask for a size only where no preset gives it."""
    schema["required"] = [key for key in schema["required"] if key != "size"]
    schema["anyOf"] = [{"required": ["size"]}, {"required": ["preset"]}]


class ConnectionManagerSpec(ServiceSection):
    """A pool of connections."""

    model_config = ConfigDict(json_schema_extra=_size_or_preset)

    stand: ClassVar[Stand] = Stand.AROUND

    kind: Literal["connection_manager"]
    preset: Literal["hikaricp", "sqlalchemy_queue_pool"] | None = None
    """A library whose defaults hold for every key that is not given."""
    size: Whole
    """How many connections are kept."""
    max_overflow: WholeOrZero = 0
    """How many more may be opened for a time."""
    checkout_timeout: NotNegative | None = 30.0
    """Seconds to wait for a connection; for ever when it is null."""
    min_idle: WholeOrZero | None = None
    """How many idle connections it begins with and, when it opens them itself, tries to keep."""
    order: Literal["fifo", "lifo"] = "fifo"
    """Whether the connection is lent first that came back first, or last."""
    opened_by: Literal["caller", "pool"] = "caller"
    """Who opens connections: the caller who needs one, or the pool in the background."""
    connect_time: Duration = 0.0
    """Seconds that opening one takes: a number, or a distribution."""
    connect_failure: Share = 0.0
    """The chance that it fails."""
    validation: bool = False
    """Whether a connection is checked before it is lent."""
    validation_time: Duration = 0.0
    """Seconds that a check takes: a number, or a distribution."""
    validation_timeout: Positive = 5.0
    """Seconds after which a check is given up, and the connection with it."""
    alive_bypass: NotNegative | None = None
    """A connection that was used within so many seconds is not checked."""
    invalidate_all: bool = False
    """Whether all connections are replaced after one of them turned out to be dead."""
    recycle: Positive | None = None
    """Seconds after which a connection is replaced when it is wanted; never without it."""
    max_lifetime: Positive | None = None
    """Seconds after which a connection is closed, or once it comes back; never without it."""
    lifetime_variance: Share = 0.0
    """The share by which that may be earlier."""
    idle_timeout: Positive | None = None
    """Seconds after which an idle connection is closed; never without it."""
    housekeeping_period: Positive = 30.0
    """Seconds between two looks at idle connections."""
    keepalive_time: Positive | None = None
    """Seconds after which an idle connection is checked; never without it."""
    leak_threshold: Positive | None = None
    """Seconds after which a connection that is out is reported; never without it."""
    health_interval: Positive | None = None
    """Seconds between two health checks; none without it."""

    @model_validator(mode="before")
    @classmethod
    def _preset_fills_in(cls, data: Any) -> Any:
        return filled_in(data, POOLS, {})

    @model_validator(mode="after")
    def _terms_go_together(self) -> Self:
        if self.opened_by == "pool" and self.max_overflow:
            message = "a pool that opens connections itself has no max_overflow; give a larger size"
            raise ValueError(message)
        free = self.connect_time == 0 and self.connect_failure == 0
        if self.opened_by == "caller" and self.min_idle and not free:
            message = (
                f"min_idle ({self.min_idle}): nobody opens connections ahead of callers; "
                "leave it out, or write opened_by: pool"
            )
            raise ValueError(message)
        return self

    def build(
        self, sim: Simulation, name: str, services: Mapping[str, Service]
    ) -> made.ConnectionManager:
        """Return the service."""
        same = self.model_dump(exclude={"kind", "preset", "connect_time", "validation_time"})
        return made.ConnectionManager(
            sim,
            name,
            connect_time=distribution(self.connect_time),
            validation_time=distribution(self.validation_time),
            **same,
        )
