"""Events given by name: those of the catalogue, and a user's own without a class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.errors import UnknownName
from foundation_lab.telemetry.event import Event, catalogue, check_field_name, fields_of
from foundation_lab.telemetry.pattern import EventName, resolve
from foundation_lab.telemetry.record import AdHoc

if TYPE_CHECKING:
    from collections.abc import Mapping


def named_event(
    name: EventName,
    measurements: Mapping[str, float] | None,
    metadata: Mapping[str, Any] | None,
) -> Event | AdHoc:
    """Return the event of a name, with its fields given as measurements and labels.

    Raises:
        UnknownName: The name or one of its fields does not exist.
        TypeError: A field of the class is missing, or a measurement is no number.
        ValueError: A field is both a measurement and a label, or its name is reserved.
    """
    full = resolve(name)
    numbers, labels = dict(measurements or {}), dict(metadata or {})
    cls = catalogue.get(full)
    for key in numbers.keys() & labels.keys():
        message = f"field {key!r} of {full} is both a measurement and a label; give it once"
        raise ValueError(message)
    if cls is None:
        for key in (*numbers, *labels):
            check_field_name(full, key)
        for key, number in numbers.items():
            if number is not None and not hasattr(number, "__float__"):
                message = (
                    f"measurement {key!r} of {full} is {number!r}; give a number, or a label: "
                    f"metadata={{{key!r}: ...}}"
                )
                raise TypeError(message)
        return AdHoc(full, numbers, labels)
    given = {**numbers, **labels}
    attributes = {field.name: field.attribute for field in fields_of(cls)}
    for key in given:
        if key not in attributes:
            raise UnknownName.among(f"field of {full}", key, attributes)
    try:
        return cls(**{attributes[key]: value for key, value in given.items()})
    except TypeError as error:  # a field is missing
        message = f"{full}: {error}; its fields are {', '.join(attributes)}"
        raise TypeError(message) from None
