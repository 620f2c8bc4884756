"""A tally: how often each emitter emitted each event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording
    from foundation_lab.telemetry.event import Event


class Tally:
    """How often each emitter emitted each event, counted from a recording's spine."""

    def __init__(self, recording: Recording) -> None:
        spine = recording.lazy().filter(pl.col("service").is_not_null())
        counted = (
            spine.group_by("service", "event")
            .agg(pl.len(), pl.col("sequence").min().alias("first"))
            .sort("first")
            .collect()
        )
        self._counts: dict[str, dict[str, int]] = {}
        for service, event, count, _ in counted.iter_rows():
            self._counts.setdefault(service, {})[event] = count

    def count(self, subject: str, *events: type[Event]) -> int:
        """Return how many of these events an emitter emitted."""
        counts = self._counts.get(subject, {})
        return sum(counts.get(event.event_name, 0) for event in events)

    def events(self, subject: str) -> dict[str, int]:
        """Return how often an emitter emitted each event, by event name, sorted by name."""
        return dict(sorted(self._counts.get(subject, {}).items()))

    def subjects(self, family: str) -> list[str]:
        """Return the emitters of the events ``foundation.<family>.*``, the earliest first."""
        prefix = f"foundation.{family}."
        return [
            subject
            for subject, counts in self._counts.items()
            if any(event.startswith(prefix) for event in counts)
        ]
