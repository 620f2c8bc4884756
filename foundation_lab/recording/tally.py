"""The tally: numbers about events that are counted and then dropped.

It is kept for each event name and service. What it holds grows with how many different names,
services, labels and magnitudes there are, each up to a limit, and not with how many events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from foundation_lab.recording.moments import Moments, add_moments
from foundation_lab.recording.sketch import Sketches

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from foundation_lab.recording.sketch import Sketch

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

OTHER: Final = "(other)"
"""Stands for all services beyond `MOST_SERVICES`, and for all values beyond `MOST_VALUES`."""

MOST_SERVICES: Final = 10_000
"""How many services of an event are told apart, in order of their appearance."""

MOST_VALUES: Final = 32
"""How many values of a label are told apart for each event and service, in order of appearance."""

FLAGS: Final = ("false", "true")
"""The values of a flag, which is counted like a label."""

_FIELDS: Final = 16
"""A series is the number of a group, with that of a field in the 16 bits below it."""


class Texts(NamedTuple):
    """Texts as codes.

    Attributes:
        codes: The code of each text; -1 for none.
        texts: The text of each code.
    """

    codes: Ints
    texts: Sequence[str]


class Batch(NamedTuple):
    """Events of one name, in order of sequence.

    Attributes:
        event: The name.
        deterministic: Whether they count for a digest; wall-clock data do not.
        times: When each happened, in virtual seconds.
        services: The service of each; ``None`` when the event has no field for it.
        numbers: The values of each measurement as floats; NaN where there is none.
        units: The unit of each measurement.
        labels: The values of each label.
    """

    event: str
    deterministic: bool
    times: Floats
    services: Texts | None
    numbers: dict[str, Floats]
    units: dict[str, str]
    labels: dict[str, Texts]


class Group:
    """The events of one name and service.

    Attributes:
        service: The service; ``None`` for events without one.
        number: The group's number in its tally.
        count: How many events there are.
        first: When the first happened, in virtual seconds.
        last: When the last happened.
    """

    __slots__ = ("count", "first", "last", "number", "service")

    def __init__(self, service: str | None, number: int, time: float) -> None:
        self.service = service
        self.number = number
        self.count = 0
        self.first = self.last = time


class Kind:
    """The events of one name.

    Attributes:
        deterministic: Whether they count for a digest.
        groups: The events by service.
        fields: A number for each field that is looked at.
        units: The unit of each measurement.
    """

    def __init__(self, *, deterministic: bool) -> None:
        self.deterministic = deterministic
        self.groups: dict[str | None, Group] = {}
        self.fields: dict[str, int] = {}
        self.units: dict[str, str] = {}


class Tally:
    """What is counted of events, whatever the batches in which they come.

    Attributes:
        kinds: The events by name.
    """

    def __init__(self) -> None:
        self.kinds: dict[str, Kind] = {}
        self._groups = 0
        self._moments: dict[int, Moments] = {}
        self._sketches = Sketches()
        self._labels: dict[int, dict[str, int]] = {}

    def add(self, batches: Sequence[Batch]) -> None:
        """Count events."""
        series, values = [], []
        for batch in batches:
            kind = self.kinds.get(batch.event)
            if kind is None:
                kind = self.kinds[batch.event] = Kind(deterministic=batch.deterministic)
            groups = self._count(kind, batch)
            kind.units |= batch.units
            for field, numbers in batch.numbers.items():
                series.append(groups + _number(kind, field))
                values.append(numbers)
            for field, texts in batch.labels.items():
                self._count_labels(groups + _number(kind, field), texts)
        if series:
            self._measure(np.concatenate(series), np.concatenate(values))

    def measured(self, kind: Kind, group: Group, field: str) -> tuple[Moments, Sketch]:
        """Return moments and sketch of a measurement as they are now."""
        series = group.number + kind.fields[field]
        moments = self._moments.get(series, Moments())
        return moments.merged(Moments()), self._sketches.of(series)

    def labels(self, kind: Kind, group: Group) -> Iterator[tuple[str, str, int]]:
        """Yield each label, its value, and how often it occurred."""
        for field, number in kind.fields.items():
            for value, count in self._labels.get(group.number + number, {}).items():
                yield field, value, count

    @property
    def bytes(self) -> int:
        """The memory of the sketches, in bytes, which is most of it."""
        return self._sketches.bytes

    # -- private -------------------------------------------------------------------------------

    def _count(self, kind: Kind, batch: Batch) -> Ints:
        """Count the events by service, and return the number of each one's group."""
        times, services = batch.times, batch.services
        if services is None or (services.codes == services.codes[0]).all():
            service = None if services is None else _text(services, services.codes[0])
            group = self._group(kind, service, float(times[0]))
            group.count += len(times)
            group.last = max(group.last, float(times[-1]))
            return np.full(len(times), group.number)
        codes, firsts, places, counts = np.unique(
            services.codes, return_index=True, return_inverse=True, return_counts=True
        )
        lasts = np.empty(len(codes))
        lasts[places] = times  # the last of each comes last, and stays
        numbers = np.empty(len(codes), dtype=np.int64)
        for place in np.argsort(firsts).tolist():
            service = _text(services, codes[place])
            group = self._group(kind, service, float(times[firsts[place]]))
            group.count += int(counts[place])
            group.last = max(group.last, float(lasts[place]))
            numbers[place] = group.number
        return numbers[places]

    def _group(self, kind: Kind, service: str | None, time: float) -> Group:
        group = kind.groups.get(service)
        if group is None and len(kind.groups) >= MOST_SERVICES:
            service = OTHER
            group = kind.groups.get(service)
        if group is None:
            group = kind.groups[service] = Group(service, self._groups << _FIELDS, time)
            self._groups += 1
        return group

    def _count_labels(self, series: Ints, texts: Texts) -> None:
        present = texts.codes >= 0
        if not present.all():
            series, texts = series[present], Texts(texts.codes[present], texts.texts)
        pairs, firsts, counts = np.unique(
            series * len(texts.texts) + texts.codes, return_index=True, return_counts=True
        )
        for place in np.argsort(firsts).tolist():
            number, code = divmod(int(pairs[place]), len(texts.texts))
            known = self._labels.setdefault(number, {})
            value = texts.texts[code]
            if value not in known and len(known) >= MOST_VALUES:
                value = OTHER
            known[value] = known.get(value, 0) + int(counts[place])

    def _measure(self, series: Ints, values: Floats) -> None:
        present = ~np.isnan(values)
        if not present.all():
            series, values = series[present], values[present]
        add_moments(self._moments, series, values)
        self._sketches.add(series, values)


def _number(kind: Kind, field: str) -> int:
    return kind.fields.setdefault(field, len(kind.fields))


def _text(texts: Texts, code: Any) -> str | None:
    return None if code < 0 else texts.texts[code]
