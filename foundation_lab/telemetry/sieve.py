"""Which events somebody listens to, told from their fields before an object is made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from foundation_lab.telemetry.event import fields_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from foundation_lab.telemetry.event import Event
    from foundation_lab.telemetry.handlers import Attached

Sieve = Callable[[Sequence[Any]], Any]
"""Says of the fields of an event whether somebody listens to it."""

_PLAIN = (str, int, float, type(None))
"""What can be compared without running code of the user's."""


def sieve_of(cls: type[Event], route: Iterable[Attached]) -> Sieve | None:
    """Return what says whether a handler wants an event with these fields.

    ``None`` when some handler wants all of them, or has to see an event to know.
    """
    places = {field.name: place for place, field in enumerate(fields_of(cls))}
    tests: list[Sieve] = []
    for attached in route:
        if not attached.wanted or not all(
            isinstance(value, _PLAIN) for value in attached.wanted.values()
        ):
            return None
        if attached.wanted.keys() <= places.keys():  # else it wants none of these
            tests.append(_comparison([places[name] for name in attached.wanted], attached.wanted))
    return tests[0] if len(tests) == 1 else lambda fields: any(test(fields) for test in tests)


def _comparison(places: list[int], wanted: Mapping[str, Any]) -> Sieve:
    """Return what says whether the fields at these places have the wanted values."""
    values, pick = tuple(wanted.values()), itemgetter(*places)
    if len(values) == 1:
        (place,), (value,) = places, values
        return lambda fields: fields[place] == value
    return lambda fields: pick(fields) == values
