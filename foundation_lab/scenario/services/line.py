"""Lines in a scenario file: whose turn it is, and who is sent away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from foundation_lab.scenario.section import NotNegative, Positive, Section, Whole, WholeOrZero
from foundation_lab.simulation.lines import line, shedding

if TYPE_CHECKING:
    from foundation_lab.simulation.lines.line import Line


class FifoSpec(Section):
    """First in, first out."""

    kind: Literal["fifo"]

    def build(self) -> Line:
        """Return the line."""
        return line.Fifo()


class LifoSpec(Section):
    """Last in, first out."""

    kind: Literal["lifo"]
    longest: Whole | None = None
    """How many may wait; the oldest is sent away for one more who comes. No limit without it."""

    def build(self) -> Line:
        """Return the line."""
        return line.Lifo(self.longest)


class AdaptiveLifoSpec(Section):
    """First in, first out while few wait; last in, first out while more than `threshold` do."""

    kind: Literal["adaptive_lifo"]
    threshold: WholeOrZero
    """How many may wait and still be served in the order of their arrival."""
    longest: Whole | None = None
    """How many may wait; the oldest is sent away for one more who comes. No limit without it."""

    def build(self) -> Line:
        """Return the line."""
        return line.AdaptiveLifo(self.threshold, self.longest)


class PrioritySpec(Section):
    """The smallest priority of a request first."""

    kind: Literal["priority"]

    def build(self) -> Line:
        """Return the line."""
        return line.Priority()


class EarliestDeadlineSpec(Section):
    """The earliest deadline of a request first; those without one come last."""

    kind: Literal["earliest_deadline"]

    def build(self) -> Line:
        """Return the line."""
        return line.EarliestDeadline()


class CoDelSpec(Section):
    """Controlled delay as in RFC 8289: sends some away while the line has stood for too long."""

    kind: Literal["codel"]
    target: Positive = 0.005
    """The delay in seconds that the line may have for good."""
    interval: Positive = 0.1
    """Seconds within which a burst should be gone."""
    keep: WholeOrZero = 1
    """Nobody is sent away while no more than so many wait behind them."""
    order: AnyLine = "fifo"
    """The line that says whose turn it is."""

    def build(self) -> Line:
        """Return the line."""
        order = line_of(self.order)
        return shedding.CoDel(self.target, self.interval, keep=self.keep, order=order)


class ControlledDelaySpec(Section):
    """Facebook's controlled delay: how long one may wait depends on how long the line stands."""

    kind: Literal["controlled_delay"]
    target: Positive = 0.005
    """Seconds that one may wait in a standing line."""
    interval: Positive = 0.1
    """Seconds that one may wait otherwise, and after which a line is a standing one."""
    order: AnyLine = "fifo"
    """The line that says whose turn it is."""

    def build(self) -> Line:
        """Return the line."""
        return shedding.ControlledDelay(self.target, self.interval, order=line_of(self.order))


class DeadlineAwareSpec(Section):
    """Sends away whose deadline has passed or cannot be met any more."""

    kind: Literal["deadline_aware"]
    needs: NotNegative = 0.0
    """Seconds that the work takes at least."""
    earliest_first: bool = False
    """Whether the earliest deadline comes first, in place of the first arrival."""
    order: AnyLine | None = None
    """The line that says whose turn it is; first in, first out without it."""

    @field_validator("order")
    @classmethod
    def _one_says_whose_turn_it_is(
        cls, order: AnyLine | None, info: ValidationInfo
    ) -> AnyLine | None:
        if order is not None and info.data.get("earliest_first"):
            message = "earliest_first says whose turn it is already; leave one of the two out"
            raise ValueError(message)
        return order

    def build(self) -> Line:
        """Return the line."""
        order = None if self.order is None else line_of(self.order)
        return shedding.DeadlineAware(self.needs, earliest_first=self.earliest_first, order=order)


AnyLine = (
    Literal[
        "fifo",
        "lifo",
        "priority",
        "earliest_deadline",
        "codel",
        "controlled_delay",
        "deadline_aware",
    ]
    | Annotated[
        FifoSpec
        | LifoSpec
        | AdaptiveLifoSpec
        | PrioritySpec
        | EarliestDeadlineSpec
        | CoDelSpec
        | ControlledDelaySpec
        | DeadlineAwareSpec,
        Field(discriminator="kind"),
    ]
)
"""A line, or the name of one as it is by default."""

for _spec in (CoDelSpec, ControlledDelaySpec, DeadlineAwareSpec):
    _spec.model_rebuild()

_BY_DEFAULT = {
    "fifo": line.Fifo,
    "lifo": line.Lifo,
    "priority": line.Priority,
    "earliest_deadline": line.EarliestDeadline,
    "codel": shedding.CoDel,
    "controlled_delay": shedding.ControlledDelay,
    "deadline_aware": shedding.DeadlineAware,
}


def line_of(spec: AnyLine) -> Line:
    """Return a new line; each service has one of its own."""
    return _BY_DEFAULT[spec]() if isinstance(spec, str) else spec.build()
