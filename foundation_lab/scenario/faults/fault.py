"""What all faults in a scenario file say: when it is on, whom it hits, and how hard."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, get_args

from pydantic import Field, model_validator

from foundation_lab.scenario.faults.when import AnyWhen, OnEventSpec, built
from foundation_lab.scenario.problems import refuse
from foundation_lab.scenario.section import Name, NotNegative, Positive, Section
from foundation_lab.scenario.table_section import tables_in
from foundation_lab.simulation import faults

if TYPE_CHECKING:
    from collections.abc import Iterator

Place = tuple[str | int, ...]
"""The keys and numbers that lead to a value within a fault."""


class FaultSection(Section):
    """The base of everything under `faults`; its other keys are the fields of its fault."""

    fault: ClassVar[type[faults.Fault]]
    echoes: ClassVar[tuple[str, ...]] = ("fault",)
    """The events that it leads to at once."""

    when: AnyWhen | None = None
    """When it is on; or the short spelling beside it."""

    @classmethod
    def tag(cls) -> str:
        """Return the `kind` by which a file names it."""
        (tag,) = get_args(cls.model_fields["kind"].annotation)
        return str(tag)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if next(tables_in(self), None) is not None:  # they are read first
            return self
        made, time = self.build(), self.time()
        wrong = [*self.contradictions()]
        wrong += [((name,), f"{value!r}; {remedy}") for name, value, remedy in made.wrong()]
        if made.has_own_length and time.duration != inf:
            wrong.append((("when",), "it lasts as long as it takes; leave the duration out"))
        if isinstance(self.when, OnEventSpec) and self.when.follows_itself(self.echoes):
            message = "it would follow on itself for ever, at one instant; give a number"
            wrong.append((("when", "times"), f"{message}, or a delay"))
        refuse(wrong)
        return self

    def targets(self) -> Iterator[tuple[Place, str]]:
        """Yield the names of the services that it hits, each with its place."""
        yield from ()

    def contradictions(self) -> Iterator[tuple[Place, str]]:
        """Yield what does not fit together, each with its place."""
        yield from ()

    def build(self) -> faults.Fault:
        """Return what is wrong."""
        fields = self.fault.__struct_fields__
        own = tuple(name for name in fields if name not in ("service", "start", "duration"))
        return self.fault(**built(self, own))

    def time(self) -> faults.When:
        """Return when it is on."""
        raise NotImplementedError


class LastingSection(FaultSection):
    """A fault that lasts for some time."""

    start: NotNegative | None = None
    """When it begins, in seconds; or give `when`."""
    duration: Positive | None = None
    """How long it lasts, in seconds; for ever without it."""

    def time(self) -> faults.When:
        """Return when it is on."""
        if self.when is not None:
            _refuse_two_spellings(start=self.start, duration=self.duration)
            return self.when.build()
        if self.start is None:
            message = "it does not say when; add start (and duration), or when"
            raise ValueError(message)
        return faults.Once(at=self.start, duration=inf if self.duration is None else self.duration)


class InstantSection(FaultSection):
    """A fault of an instant, or one that knows itself how long it takes."""

    at: NotNegative | None = None
    """When, in seconds; or give `when`."""

    def time(self) -> faults.When:
        """Return when it happens."""
        if self.when is not None:
            _refuse_two_spellings(at=self.at)
            return self.when.build()
        if self.at is None:
            message = "it does not say when; add at, or when"
            raise ValueError(message)
        return faults.Once(at=self.at)


class OnServices(FaultSection):
    """A fault that hits services: one, several, or all on a node."""

    service: Name | None = None
    """The service that it hits."""
    services: Annotated[list[Name], Field(min_length=1)] | None = None
    """The services that it hits."""
    node: Name | None = None
    """The node whose services it hits, as far as they can have it."""

    @model_validator(mode="after")
    def _has_one_target(self) -> Self:
        given = [key for key in ("service", "services", "node") if getattr(self, key) is not None]
        if len(given) != 1:
            what = (
                f"{' and '.join(given)} are too many" if given else "it does not say whom it hits"
            )
            message = f"{what}; give service, services or node, one of them"
            raise ValueError(message)
        names = self.services or []
        refuse(
            (("services", number), f"{name!r} is there twice; leave it out")
            for number, name in enumerate(names)
            if name in names[:number]
        )
        return self

    def targets(self) -> Iterator[tuple[Place, str]]:
        """Yield the names of the services that it hits, each with its place."""
        if self.service is not None:
            yield ("service",), self.service
        for number, name in enumerate(self.services or ()):
            yield ("services", number), name


def _refuse_two_spellings(**short: Any) -> None:
    given = [key for key, value in short.items() if value is not None]
    if given:
        message = f"it says when by {given[0]} and by when; put all into when, or leave that out"
        raise ValueError(message)
