"""Summaries: what is known of the events of each name and service, and how it is written as JSON.

```
{"format_version": 1, "digest": …, "facts": {…}, "versions": {…}, "events": {
    "foundation.retry.backoff": {"deterministic": true, "units": {"delay": "s", …}, "services": [
        {"service": "db", "count": 3, "first": 0.5, "last": 7.0,
         "measurements": {"delay": {"moments": […], "sketch": [[places, …], [counts, …]]}, …},
         "labels": {"strategy": {"exponential": 3}}}]}}}
```

The moments are count, least, largest, and the exact sums of the values and of their squares as
`Moments` holds them: ``3p1126`` is 3 with 1126 binary zeros, that is 3.0.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from foundation_lab.errors import InvalidRecording
from foundation_lab.recording.moments import Moments
from foundation_lab.recording.schema import Facts  # noqa: TC001  (read at run time, too)
from foundation_lab.recording.sketch import Sketch

if TYPE_CHECKING:
    from foundation_lab.recording.tally import Group, Kind, Tally

FORMAT_VERSION: Final = 1
"""Raised whenever a file of today could be misread by yesterday's code."""

_MOST_ZEROS: Final = 5000
"""More binary zeros at its end than the exact sum of any number of squares has."""


class Measured(msgspec.Struct, frozen=True):
    """The values of one measurement."""

    moments: Moments
    sketch: Sketch


class ServiceSummary(msgspec.Struct, frozen=True):
    """The events of one name and service.

    Attributes:
        service: The service; ``None`` for events without one.
        count: How many events there are.
        first: When the first happened, in virtual seconds.
        last: When the last happened.
        measurements: The values of each measurement by field name.
        labels: For each label, how often each value occurred.
    """

    service: str | None
    count: int
    first: float
    last: float
    measurements: dict[str, Measured]
    labels: dict[str, dict[str, int]]


class EventSummary(msgspec.Struct, frozen=True):
    """The events of one name.

    Attributes:
        deterministic: Whether they count for the digest; wall-clock data do not.
        units: The unit of each measurement by field name.
        services: The events by service, those without one first.
    """

    deterministic: bool
    units: dict[str, str]
    services: list[ServiceSummary]

    @property
    def count(self) -> int:
        """How many events there are."""
        return sum(each.count for each in self.services)


class Summaries(msgspec.Struct, frozen=True):
    """The content of a file."""

    format_version: int
    digest: str
    facts: Facts
    versions: dict[str, str]
    events: dict[str, EventSummary]


def summarise(tally: Tally) -> dict[str, EventSummary]:
    """Return what a tally holds now, by event name, sorted; it does not change any more."""
    return {
        name: EventSummary(
            kind.deterministic,
            dict(sorted(kind.units.items())),
            [_service(tally, kind, kind.groups[service]) for service in _sorted(kind.groups)],
        )
        for name, kind in sorted(tally.kinds.items())
    }


def digest_of(events: dict[str, EventSummary]) -> str:
    """Return the SHA-256 digest of summaries in hex; wall-clock data are left out."""
    counted = {name: event for name, event in events.items() if event.deterministic}
    text = msgspec.json.encode(counted, enc_hook=_plain, order="sorted")
    return hashlib.sha256(text).hexdigest()


def write(summaries: Summaries, target: Path, *, force: bool) -> Path:
    """Write a file; see `Aggregates.save`."""
    if target.exists() and not (force and target.is_file()):
        message = f"{target} exists already; give another file, or force to replace one"
        raise FileExistsError(message)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{target.name[:60]}.", suffix=".partial", dir=target.parent
    ) as folder:
        aside = Path(folder, "new")
        aside.write_bytes(msgspec.json.encode(summaries, enc_hook=_plain) + b"\n")
        aside.replace(target)
    return target


def read(source: Path) -> Summaries:
    """Return what is in a file; see `Aggregates.load`."""
    try:
        text = source.read_bytes()
    except OSError as error:
        message = f"{source}: no aggregates can be read ({error}); give the file of Aggregates.save"
        raise InvalidRecording(message) from error
    try:
        version = msgspec.json.decode(text, type=_Version).format_version
        summaries = (
            msgspec.json.decode(text, type=Summaries, dec_hook=_from_plain)
            if version <= FORMAT_VERSION
            else None
        )
    except (ValueError, OverflowError) as error:  # msgspec's errors are such
        message = (
            f"{source}: not the aggregates of a run ({error}); was the file cut short, or is it "
            "another? Give what Aggregates.save wrote"
        )
        raise InvalidRecording(message) from error
    if summaries is None:
        message = (
            f"{source}: format_version is {version}, and this version of foundation-lab reads up "
            f"to {FORMAT_VERSION}; upgrade foundation-lab to read it"
        )
        raise InvalidRecording(message)
    found = digest_of(summaries.events)
    if found != summaries.digest:
        message = (
            f"{source}: the content has digest {found}, but the file says {summaries.digest}; it "
            "was changed after it was saved, so save it again from its run"
        )
        raise InvalidRecording(message)
    return summaries


class _Version(msgspec.Struct):
    format_version: int


def _service(tally: Tally, kind: Kind, group: Group) -> ServiceSummary:
    labels: dict[str, dict[str, int]] = {}
    for field, value, count in tally.labels(kind, group):
        labels.setdefault(field, {})[value] = count
    return ServiceSummary(
        group.service,
        group.count,
        group.first,
        group.last,
        {field: Measured(*tally.measured(kind, group, field)) for field in sorted(kind.units)},
        labels,
    )


def _sorted(services: dict[str | None, Any]) -> list[str | None]:
    return sorted(services, key=lambda service: (service is not None, service or ""))


def _plain(value: Any) -> Any:
    """Return moments or a sketch as plain data."""
    if isinstance(value, Moments):
        ends = [each if abs(each) < float("inf") else str(each) for each in (value.low, value.high)]
        return [value.count, *ends, _text(value.total), _text(value.squares)]
    return [value.places.tolist(), value.counts.tolist()]


def _from_plain(kind: type, plain: Any) -> Any:
    """Return what `_plain` was given.

    Raises:
        ValidationError: The data are of another shape.
    """
    if kind is Moments:
        count, low, high, total, squares = msgspec.convert(plain, _PlainMoments)
        return Moments(count, float(low), float(high), _integer(total), _integer(squares))
    places, counts = msgspec.convert(plain, tuple[list[int], list[int]])
    if len(places) != len(counts):
        message = f"a sketch has {len(places)} places, but {len(counts)} counts"
        raise ValueError(message)
    return Sketch(np.array(places, dtype=np.int64), np.array(counts, dtype=np.int64))


_PlainMoments = tuple[int, float | str, float | str, str, str]


def _text(integer: int) -> str:
    """Return an integer as hexadecimal digits and the number of binary zeros after them."""
    zeros = max(0, (integer & -integer).bit_length() - 1)
    return f"{integer >> zeros:x}p{zeros}"


def _integer(text: str) -> int:
    digits, _, zeros = text.partition("p")
    if int(zeros) > _MOST_ZEROS:
        message = f"{text} is no exact sum"
        raise ValueError(message)
    return int(digits, 16) << int(zeros)
