"""When a fault is on, in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from foundation_lab.alerting.filters import STAMP_FIELDS
from foundation_lab.errors import UnknownName
from foundation_lab.scenario.duration_specs import PositiveDuration
from foundation_lab.scenario.problems import refuse
from foundation_lab.scenario.section import NotNegative, Positive, Section, Whole
from foundation_lab.simulation import faults
from foundation_lab.telemetry.event import catalogue, fields_of
from foundation_lab.telemetry.pattern import matcher

if TYPE_CHECKING:
    from foundation_lab.telemetry.event import Event


class WhenSection(Section):
    """The base of everything under `when`; its keys are the fields of what it stands for."""

    stands_for: ClassVar[type[faults.When]]

    def build(self) -> faults.When:
        """Return the schedule."""
        return self.stands_for(**built(self, self.stands_for.__struct_fields__))


class OnceSpec(WhenSection):
    """Once, for a while or for ever."""

    stands_for: ClassVar[type[faults.When]] = faults.Once

    kind: Literal["once"]
    at: NotNegative
    """When it begins, in seconds."""
    duration: PositiveDuration | None = None
    """How long it lasts: seconds, or a distribution; for ever without it."""


class WindowSpec(WhenSection):
    """Once, for a while."""

    stands_for: ClassVar[type[faults.When]] = faults.Window

    kind: Literal["window"]
    start: NotNegative
    """When it begins, in seconds."""
    duration: PositiveDuration
    """How long it lasts: seconds, or a distribution."""


class PeriodicSpec(WhenSection):
    """At regular instants."""

    stands_for: ClassVar[type[faults.When]] = faults.Periodic

    kind: Literal["periodic"]
    every: Positive
    """Seconds from one beginning to the next."""
    first: NotNegative | None = None
    """When it begins for the first time, in seconds; after one period without it."""
    duration: PositiveDuration | None = None
    """How long each lasts: seconds, or a distribution; for ever without it."""
    times: Whole | None = None
    """How often at most; no limit without it."""
    until: Positive | None = None
    """None begins at this second or later; no limit without it."""


class PoissonSpec(WhenSection):
    """At random instants, whether or not an earlier one is still on."""

    stands_for: ClassVar[type[faults.When]] = faults.Poisson

    kind: Literal["poisson"]
    rate: Positive
    """How many a second."""
    start: NotNegative = 0.0
    """From when on, in seconds."""
    duration: PositiveDuration | None = None
    """How long each lasts: seconds, or a distribution; for ever without it."""
    times: Whole | None = None
    """How often at most; no limit without it."""
    until: Positive | None = None
    """None begins at this second or later; no limit without it."""


class OnEventSpec(WhenSection):
    """After an event."""

    stands_for: ClassVar[type[faults.When]] = faults.OnEvent

    kind: Literal["on_event"]
    event: str
    """The event: a name or a pattern."""
    where: dict[str, str | bool | int | float | None] = Field(default_factory=dict)
    """The values that fields of the event must have."""
    delay: NotNegative = 0.0
    """Seconds from the event to the fault."""
    duration: PositiveDuration | None = None
    """How long it lasts: seconds, or a distribution; for ever without it."""
    times: Whole | None = 1
    """How often at most; null for no limit."""

    @field_validator("event")
    @classmethod
    def _can_happen(cls, event: str) -> str:
        _classes(event)
        return event

    @field_validator("where")
    @classmethod
    def _can_be_met(cls, where: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "event" in info.data:
            event = info.data["event"]
            known = [each.name for found in _classes(event) for each in fields_of(found)]
            wrong = [field for field in where if field not in known]
            refuse(((field,), _no_field(event, field, known)) for field in wrong)
        return where

    def follows_itself(self, echoes: tuple[str, ...]) -> bool:
        """Return whether a fault that leads to these events may lead to itself for ever."""
        if self.times is not None or self.delay > 0:
            return False
        names = (found.event_name for event in echoes for found in _classes(event))
        return any(map(matcher(self.event), names))


AnyWhen = Annotated[
    OnceSpec | WindowSpec | PeriodicSpec | PoissonSpec | OnEventSpec,
    Field(discriminator="kind"),
]


def built(section: Section, names: tuple[str, ...]) -> dict[str, Any]:
    """Return those keys of a section that are given, as what its distributions stand for."""
    given: dict[str, Any] = {name: getattr(section, name, None) for name in names}
    return {
        name: value.build() if hasattr(value, "build") else value
        for name, value in given.items()
        if value is not None or (name == "times" and isinstance(section, OnEventSpec))
    }


def _classes(event: str) -> list[type[Event]]:
    """Return the events that a pattern can match in a scenario.

    Raises:
        UnknownName: There are none; the message lists the nearest names.
    """
    matches = matcher(event)
    found = [cls for cls in catalogue.classes() if matches(cls.event_name)]
    if not found:
        raise UnknownName.among("event", event, catalogue)
    return found


def _no_field(event: str, field: str, known: list[str]) -> str:
    if field in STAMP_FIELDS:
        return f"{field!r} is no field of the event itself; give one that it has"
    return str(UnknownName.among(f"field of {event}", field, known))
