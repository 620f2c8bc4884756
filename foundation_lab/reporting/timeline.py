"""The time axis of charts: virtual time in one readable unit, or the wall clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from foundation_lab.reporting.spans import horizon
from foundation_lab.reporting.units import nice_width, unit_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foundation_lab.recording.recording import Recording

MOST_WINDOWS = 1_500
"""How many windows a chart can have."""


class Timeline:
    """Where the instants of a recording lie on a chart's time axis.

    Args:
        recording: The recording.
        wall_clock: Whether the axis shows the wall clock instead of virtual time.

    Raises:
        ValueError: The wall clock is wanted, and the recording does not say what virtual 0 is.
    """

    def __init__(self, recording: Recording, *, wall_clock: bool = False) -> None:
        self.begin, self.end = horizon(recording)
        self.unit = unit_of(max(abs(self.begin), abs(self.end)))
        self._start = _instant(recording.facts.start) if wall_clock else None

    @property
    def span(self) -> float:
        """How long the recording is, in seconds; 1 for one that lasts no time."""
        return self.end - self.begin if self.end > self.begin else 1.0

    @property
    def title(self) -> str:
        """What the axis is called, with its unit."""
        if self._start is None:
            return f"virtual time ({self.unit.symbol})"
        return "wall clock (UTC)" if self._start.tzinfo else "wall clock"

    def at(self, seconds: Iterable[float]) -> Any:
        """Return the places of virtual times on the axis, as an array."""
        times = np.asarray(seconds, dtype=np.float64)
        if self._start is None:
            return times / self.unit.seconds
        start = self._start.astimezone(UTC) if self._start.tzinfo else self._start
        microseconds = np.round(times * 1e6).astype("timedelta64[us]")
        return np.datetime64(start.replace(tzinfo=None), "us") + microseconds

    def length(self, seconds: Iterable[float]) -> Any:
        """Return the lengths of durations on the axis, as an array."""
        durations = np.asarray(seconds, dtype=np.float64)
        return durations / self.unit.seconds if self._start is None else durations * 1e3

    def window(self, width: float | None) -> float:
        """Return the width of windows in seconds: `width`, or a nice one that makes 48 to 120.

        Raises:
            ValueError: `width` is not above 0, or makes more than 1 500 windows.
        """
        if width is None:
            return nice_width(self.span)
        if not width > 0 or self.span / width > MOST_WINDOWS:
            least = nice_width(self.span, MOST_WINDOWS)
            raise ValueError(
                f"width={width!r} does not make 1 to {MOST_WINDOWS} windows of {self.span:g} s; "
                f"give at least {least:g}"
            )
        return width


def _instant(start: str | None) -> datetime:
    if start is None:
        raise ValueError(
            "wall_clock=True needs a recording that says what virtual 0 is; "
            "give Simulation(start=...), or leave wall_clock out"
        )
    return datetime.fromisoformat(start)
