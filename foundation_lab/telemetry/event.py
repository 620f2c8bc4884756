"""What an event is: a frozen class with a dotted name and typed, marked fields.

One class stands for one event name. Its docstring's first line is its description, and every field
is either a *measurement* (a number with a unit) or *metadata* (a label):

```python
class OrderPlaced(Event, frozen=True):
    \"\"\"A customer's order was taken.\"\"\"

    event_name: ClassVar[str] = "shop.order.placed"

    service_id: Label
    amount: Annotated[float, Measurement("EUR")]
```

The catalogue is derived from these classes: defining one is registering it.
"""

from __future__ import annotations

from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_args, get_origin, get_type_hints

import msgspec

from foundation_lab.errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Measurement(msgspec.Struct, frozen=True):
    """Marks a field as a number with a unit (UCUM style: ``s``, ``1``, ``By``)."""

    unit: str


class Metadata(msgspec.Struct, frozen=True):
    """Marks a field as a label."""


Seconds = Annotated[float, Measurement("s")]
Count = Annotated[int, Measurement("1")]
Ratio = Annotated[float, Measurement("1")]
Label = Annotated[str, Metadata()]
Flag = Annotated[bool, Metadata()]
Labels = Annotated[tuple[str, ...], Metadata()]
Details = Annotated[dict[str, Any], Metadata()]
OptionalSeconds = Annotated[float | None, Measurement("s")]
OptionalLabel = Annotated[str | None, Metadata()]

SUBJECT_FIELDS = (
    "service_id",
    "service",
    "pool_id",
    "resource",
    "agent_id",
    "client",
    "rule",
    "operation",
    "signal",
)
"""The fields that name the emitter, in order of preference; the first present one fills the
``service`` column of the recording."""

RESERVED_FIELDS = ("sequence", "time", "event", "node", "process", "correlation_id", "cause")
"""The columns that the bus fills; no event may have a field of such a name."""

NAMESPACE = "foundation"
"""The first segment of every event name of this package. It may be left out when naming one."""

TEST_NAMESPACE = "foundation.test"
"""Names below are free for tests, like those of any user; all others here belong to the package."""


class Field(msgspec.Struct, frozen=True):
    """One field of an event class.

    Attributes:
        name: The public name: the column, the match key (``from``, not ``from_``).
        attribute: The Python attribute.
        type: The plain Python type, without its mark and without ``None``.
        optional: Whether ``None`` is allowed.
        unit: The unit of a measurement; ``None`` for metadata.
    """

    name: str
    attribute: str
    type: Any
    optional: bool
    unit: str | None

    @property
    def kind(self) -> str:
        """``measurement`` or ``metadata``."""
        return "metadata" if self.unit is None else "measurement"

    @property
    def type_name(self) -> str:
        """The type as a reader would write it: ``str``, ``float | None``, ``tuple[str, ...]``."""
        plain = str(self.type) if get_origin(self.type) else self.type.__name__
        return f"{plain} | None" if self.optional else plain


class Event(msgspec.Struct, frozen=True, gc=False):
    """The base class of every event; subclasses set `event_name` and declare marked fields.

    Instances state facts only. The bus stamps them with sequence, time, node, process,
    correlation id and cause; see `foundation_lab.telemetry.record.Record`.
    """

    event_name: ClassVar[str] = ""
    deterministic: ClassVar[bool] = True

    def __init_subclass__(cls, **options: Any) -> None:
        """Register the class in the catalogue."""
        super().__init_subclass__(**options)
        catalogue.register(cls)


class Catalogue:
    """All event classes by name. Read it as a mapping; it fills itself when classes are defined."""

    def __init__(self) -> None:
        self._classes: dict[str, type[Event]] = {}

    def register(self, cls: type[Event]) -> None:
        """Add an event class.

        A class of the same module and name replaces its predecessor (a notebook cell run again).

        Raises:
            ValueError: `cls` has no dotted `event_name`, or another class has it already.
        """
        name = cls.event_name
        if not is_dotted(name):
            message = (
                f"{cls.__qualname__}.event_name is {name!r}; an event class needs a dotted name "
                "of lower-case words such as 'shop.order.placed'"
            )
            raise ValueError(message)
        known = self._classes.get(name)
        if known is not None and (known.__module__, known.__qualname__) != (
            cls.__module__,
            cls.__qualname__,
        ):
            message = (
                f"the event name {name!r} of {cls.__module__}.{cls.__qualname__} is taken by "
                f"{known.__module__}.{known.__qualname__}; choose another"
            )
            raise ValueError(message)
        self._classes[name] = cls

    def __getitem__(self, name: str) -> type[Event]:
        """Return the class of an event name; ``foundation.`` may be left out.

        Raises:
            UnknownName: No class has this name; the message lists the nearest names.
        """
        found = self.get(name)
        if found is None:
            raise UnknownName.among("event", name, self._classes)
        return found

    def get(self, name: str) -> type[Event] | None:
        """Return the class of an event name, or ``None``; ``foundation.`` may be left out."""
        return self._classes.get(name) or self._classes.get(f"{NAMESPACE}.{name}")

    def __contains__(self, name: object) -> bool:
        """Return whether an event of this name is known."""
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        """Return the known names, sorted."""
        return iter(sorted(self._classes))

    def __len__(self) -> int:
        """Return how many events are known."""
        return len(self._classes)

    def classes(self) -> list[type[Event]]:
        """Return all event classes, sorted by event name."""
        return [self._classes[name] for name in self]


catalogue = Catalogue()


@cache
def fields_of(cls: type[Event]) -> tuple[Field, ...]:
    """Return the fields of an event class in order of declaration.

    Raises:
        TypeError: A field is not marked as measurement or metadata.
        ValueError: A field has the name of a column that the bus fills.
    """
    hints = get_type_hints(cls, include_extras=True)
    return tuple(
        _field(cls, info.name, info.encode_name, hints[info.name])
        for info in msgspec.structs.fields(cls)
    )


@cache
def subject_of(cls: type[Event]) -> str | None:
    """Return the attribute of an event class that names its emitter, if it has one."""
    attributes = {field.attribute for field in fields_of(cls)}
    return next((name for name in SUBJECT_FIELDS if name in attributes), None)


def describe(cls: type[Event]) -> str:
    """Return the one-line description of an event class."""
    return (cls.__doc__ or "").strip().split("\n", 1)[0]


def field_values(event: Event) -> dict[str, Any]:
    """Return the fields of an event by their public names."""
    return {name: get(event) for name, get in _getters(type(event))}


def check_field_name(event_name: str, field: str) -> None:
    """Refuse a field whose name is one of the columns that the bus fills.

    Raises:
        ValueError: The name is reserved.
    """
    if field in RESERVED_FIELDS:
        message = (
            f"{event_name} has a field {field!r}, which the bus fills itself; rename the field"
        )
        raise ValueError(message)


def is_dotted(name: str) -> bool:
    """Return whether `name` has two or more words joined by dots."""
    words = name.split(".")
    return len(words) > 1 and all(w and w.replace("_", "a").isalnum() for w in words)


@cache
def _getters(cls: type[Event]) -> tuple[tuple[str, Callable[[Event], Any]], ...]:
    return tuple((field.name, attrgetter(field.attribute)) for field in fields_of(cls))


def _field(cls: type[Event], attribute: str, name: str, hint: Any) -> Field:
    check_field_name(cls.event_name, name)
    marks = [m for m in getattr(hint, "__metadata__", ()) if isinstance(m, Measurement | Metadata)]
    if len(marks) != 1:
        message = (
            f"field {attribute!r} of {cls.__qualname__} is not marked; annotate it with one of "
            "Seconds, Count, Ratio, Label, Flag, Labels, Details or Annotated[..., Measurement()]"
        )
        raise TypeError(message)
    declared = get_args(hint)[0]
    parts = get_args(declared) if get_origin(declared) is not tuple else ()
    optional = type(None) in parts
    plain = next(p for p in parts if p is not type(None)) if optional else declared
    mark = marks[0]
    return Field(
        name=name,
        attribute=attribute,
        type=plain,
        optional=optional,
        unit=mark.unit if isinstance(mark, Measurement) else None,
    )
