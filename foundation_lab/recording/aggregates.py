"""Aggregates: how often every event happened, and how its measurements are distributed.

It is what is left of a run whose events are not kept. A run of a billion events leaves no more of
it than one of a million.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from foundation_lab.errors import UnknownName
from foundation_lab.recording import overview, summaries
from foundation_lab.recording.files import versions
from foundation_lab.recording.moments import Moments
from foundation_lab.recording.recount import recount
from foundation_lab.recording.sketch import Sketch
from foundation_lab.telemetry.event import catalogue, fields_of
from foundation_lab.telemetry.pattern import dotted, resolve

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording
    from foundation_lab.recording.schema import Facts
    from foundation_lab.recording.summaries import EventSummary, Measured, ServiceSummary
    from foundation_lab.recording.tally import Tally
    from foundation_lab.telemetry.pattern import EventName

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
"""The quantiles among the columns of `Aggregates.frame`."""


class Aggregates:
    """What is known of a run whose events were counted and dropped.

    The events of each name are counted by *service*: the value of the field that fills the column
    ``service`` of a recording; ``None`` where the event has no such field. For each there are

    - the number of events, and when the first and the last happened;
    - for every measurement (a field with a unit) the number of values, their sum, mean, standard
      deviation, least and largest value, all exact but for one rounding, and quantiles that are at
      most 0.8 % off;
    - for every label (a text or a flag) how often each value occurred.

    A run has the same aggregates, to the last digit, whether its events are kept or not, and
    however often it was asked for them on its way.

    Memory is bounded by how many event names and fields there are, not by how many events. Of each
    event the first 10 000 services are told apart, and of each label and service the first 32
    values; what comes later is counted as ``(other)``. A measurement of a service takes about a
    kilobyte, and 16 bytes for each magnitude, of which there are some hundred, and at most 4096
    (see `foundation_lab.recording.sketch`). NaN is no value, and integers beyond 2**53 are rounded.

    Args:
        events: The summary of each event by name, sorted.
        facts: What is known about the run beside its events.
        versions: What the run was made with; what is installed by default.

    Example:
        >>> from foundation_lab import Simulation
        >>> sim = Simulation(seed=1, keep="aggregates")
        >>> for amount in (1.0, 2.0, 6.0):
        ...     _ = sim.telemetry.emit("shop.order.placed", {"amount": amount}, {"pays": "cash"})
        >>> sim.aggregates.counts
        {'shop.order.placed': 3}
        >>> sim.aggregates.frame().select("field", "sum", "mean", "min", "p50", "max").row(0)
        ('amount', 9.0, 3.0, 1.0, 2.0, 6.0)
        >>> sim.aggregates.labels().row(0)
        ('shop.order.placed', None, 'pays', 'cash', 3)
    """

    def __init__(
        self,
        events: dict[str, EventSummary],
        facts: Facts,
        versions: dict[str, str] | None = None,
    ) -> None:
        self.facts = facts
        self._events = events
        self._versions = versions
        self._digest: str | None = None

    @classmethod
    def of(cls, recording: Recording) -> Aggregates:
        """Return the aggregates of a recording: the same as if its events had not been kept."""
        events = summaries.summarise(recount(recording))
        return cls(events, recording.facts, recording.versions)

    @classmethod
    def counted(cls, tally: Tally, facts: Facts) -> Aggregates:
        """Return what a tally holds now; what it counts later does not change it."""
        return cls(summaries.summarise(tally), facts)

    # -- frames --------------------------------------------------------------------------------

    def frame(self) -> pl.DataFrame:
        """Return the measurements: one row for each event, service and field, in this order.

        Returns:
            event, service, field, unit, count (of values), nulls (events without a value), and in
            the unit of the field sum, mean, std, min, p50, p90, p95, p99, p999 and max. `std` is
            that of a sample (divided by n - 1), null with fewer than two values; the others are
            null without any, but for a sum of 0.
        """
        rows = [
            (name, each.service, field, event.units[field], *_numbers(each, measured))
            for name, event in self._events.items()
            for each in event.services
            for field, measured in each.measurements.items()
        ]
        return pl.DataFrame(rows, schema=_FRAME, orient="row")

    def occurrences(self) -> pl.DataFrame:
        """Return how often every event happened: one row for each event and service.

        Returns:
            event, service, count, first and last (when it did so, in virtual seconds).
        """
        rows = [
            (name, each.service, each.count, each.first, each.last)
            for name, event in self._events.items()
            for each in event.services
        ]
        return pl.DataFrame(rows, schema=_OCCURRENCES, orient="row")

    def labels(self) -> pl.DataFrame:
        """Return how often the labels had each value, the most frequent first.

        Returns:
            event, service, field, value and count. Flags are ``true`` or ``false``; nulls are not
            counted; values beyond the first 32 of an event, service and field are ``(other)``.
        """
        rows = [
            (name, each.service, field, value, count)
            for name, event in self._events.items()
            for each in event.services
            for field, counts in sorted(each.labels.items())
            for value, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        ]
        return pl.DataFrame(rows, schema=_LABELS, orient="row")

    def quantile(
        self, event: EventName, field: str, q: float, service: str | None = None
    ) -> float | None:
        """Return a quantile of a measurement, at most 0.8 % off.

        Args:
            event: The event's class or name.
            field: The measurement.
            q: From 0 to 1: the value at position (n - 1) q of the n sorted values, interpolated
                between two of them as `foundation_lab.analytics.percentiles` does it. 0 is the
                least and 1 the largest value.
            service: Of which service; of all together by default.

        Returns:
            The quantile, in the unit of the field; ``None`` when there is no value.

        Raises:
            UnknownName: There is no such event, measurement or service; the nearest are listed.
            ValueError: `q` is not from 0 to 1.
        """
        if not 0 <= q <= 1:
            message = f"q={q!r} is outside 0 to 1; write the 99th percentile as 0.99"
            raise ValueError(message)
        found = self._measured(event, field, service)
        moments = Moments()
        for each in found:
            moments = moments.merged(each.moments)
        return _quantile(Sketch.merged(each.sketch for each in found), moments, q)

    # -- facts ---------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return how many events there were."""
        return sum(self.counts.values())

    @property
    def counts(self) -> dict[str, int]:
        """How often each event happened, by name, sorted by name."""
        return {name: event.count for name, event in self._events.items()}

    @property
    def versions(self) -> dict[str, str]:
        """The versions of Python and of the packages that the run was made with."""
        return versions() if self._versions is None else self._versions

    @property
    def digest(self) -> str:
        """A SHA-256 digest of the aggregates: equal runs have equal digests.

        It is not the digest of the run's recording. Events that carry wall-clock data are no part
        of it.
        """
        if self._digest is None:
            self._digest = summaries.digest_of(self._events)
        return self._digest

    # -- files ---------------------------------------------------------------------------------

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the aggregates to a JSON file, aside first, so that it is there whole or not.

        Args:
            path: Where to.
            force: Replace an existing file.

        Returns:
            The path.

        Raises:
            FileExistsError: The file exists and `force` is not given, or it is a folder.
        """
        version = summaries.FORMAT_VERSION
        content = summaries.Summaries(version, self.digest, self.facts, self.versions, self._events)
        return summaries.write(content, Path(path), force=force)

    @staticmethod
    def load(path: str | Path) -> Aggregates:
        """Return the aggregates in a file that `save` wrote.

        Raises:
            InvalidRecording: Missing, cut short, changed, or written by a newer version.
        """
        content = summaries.read(Path(path))
        return Aggregates(content.events, content.facts, content.versions)

    # -- display -------------------------------------------------------------------------------

    def __repr__(self) -> str:
        """Return one line: name, seed, events, span of time, status."""
        return overview.line("Aggregates", self.facts, len(self))

    def _repr_html_(self) -> str:
        rows = ((name, (event.count, len(event.services))) for name, event in self._events.items())
        return overview.page("Aggregates", self.facts, len(self), ("count", "services"), rows)

    # -- private -------------------------------------------------------------------------------

    def _measured(self, event: EventName, field: str, service: str | None) -> list[Measured]:
        """Return the values of a measurement, of one service or of each."""
        text = dotted(event)
        name = text if text in self._events else resolve(text)
        found = self._events.get(name)
        if found is None:
            cls = catalogue.get(name)
            if cls is None:
                raise UnknownName.among("event", name, [*catalogue, *self._events])
            units = [each.name for each in fields_of(cls) if each.unit is not None]
        else:
            units = list(found.units)
        if field not in units:
            raise UnknownName.among(f"measurement of {name}", field, units)
        services = {} if found is None else {each.service: each for each in found.services}
        if service is None:
            return [each.measurements[field] for each in services.values()]
        if service not in services:
            raise UnknownName.among(f"service of {name}", service, filter(None, services))
        return [services[service].measurements[field]]


_TEXT, _COUNT, _NUMBER = pl.String(), pl.Int64(), pl.Float64()
_GROUP = {"event": _TEXT, "service": _TEXT}
_OCCURRENCES = _GROUP | {"count": _COUNT, "first": _NUMBER, "last": _NUMBER}
_LABELS = _GROUP | {"field": _TEXT, "value": _TEXT, "count": _COUNT}
_FRAME = (
    _GROUP
    | {"field": _TEXT, "unit": _TEXT, "count": _COUNT, "nulls": _COUNT}
    | dict.fromkeys(("sum", "mean", "std", "min", *QUANTILES, "max"), _NUMBER)
)


def _numbers(service: ServiceSummary, measured: Measured) -> tuple[float | None, ...]:
    moments, sketch = measured.moments, measured.sketch
    return (
        moments.count,
        service.count - moments.count,
        moments.sum,
        moments.mean,
        moments.std,
        moments.low if moments.count else None,
        *(_quantile(sketch, moments, q) for q in QUANTILES.values()),
        moments.high if moments.count else None,
    )


def _quantile(sketch: Sketch, moments: Moments, q: float) -> float | None:
    """Return a quantile of rounded numbers, no less than the least and no more than the largest."""
    if not moments.count:
        return None
    if q in (0, 1):
        return moments.high if q else moments.low
    return min(max(sketch.quantile(q), moments.low), moments.high)
