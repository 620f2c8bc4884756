"""Replay of a trace: recorded requests, each at its time and with what was recorded of it."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from foundation_lab.simulation.ability import a_function
from foundation_lab.simulation.traffic.arrivals import Timestamps, timestamps
from foundation_lab.simulation.workload import Workload

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Iterator

    from foundation_lab.simulation.engine import Simulation


class Trace(msgspec.Struct, frozen=True):
    """Arrivals at the times of a trace, again and again.

    Attributes:
        seconds: When, in seconds after the start; rising.
        period: How many seconds after the start of a round the next one begins.
        rounds: How many rounds there are; ``None`` for ever.
    """

    seconds: tuple[float, ...]
    period: float
    rounds: int | None = 1

    def times(self, stream: random.Random, start: float) -> Iterator[float]:  # noqa: ARG002
        """Yield the times of the trace."""
        number = 0
        while self.rounds is None or number < self.rounds:
            begin = start + number * self.period
            yield from (begin + second for second in self.seconds)
            number += 1


class TraceReplay(Workload):
    """Sends recorded requests again: at their times, with what was recorded of each.

    Args:
        sim: The simulation.
        name: Who sends: `client` in the events.
        rows: The requests: mappings, tuples, or a frame that has ``iter_rows``; in any order of
            time. Rows of one time come in the order in which they are given.
        call: What a request does, given its row; returns a generator, a SimPy event, or a plain
            value.
        time: What holds the time of a row in seconds: a key, an index, or a function of the row.
        origin: The recorded time that stands for the start of the replay, in seconds; by default
            that of the first request, which is sent at once then.
        speed: How many times as fast the trace is replayed.
        repeat: How often it is replayed; ``None`` for ever.
        period: Recorded seconds from the start of one round to the next one's. By default a mean
            gap passes between the last request of a round and the first of the next.
        node: The simulated node that the requests run on.
        max_in_flight: As for `Workload`.

    Raises:
        ValueError: There is a workload of this name; there are no rows; a time is no number, or
            before the origin; or a number is out of range.
    """

    def __init__(
        self,
        sim: Simulation,
        name: str,
        rows: Iterable[Any],
        call: Callable[[Any], Any],
        *,
        time: str | int | Callable[[Any], float] = "time",
        origin: float | None = None,
        speed: float = 1.0,
        repeat: int | None = 1,
        period: float | None = None,
        node: str | None = None,
        max_in_flight: int | None = None,
    ) -> None:
        a_function("call", call, "give a function of a row")
        timed = sorted(((_time_of(row, time), row) for row in _rows(rows)), key=_first)
        begin = timed[0][0] if timed and origin is None else origin or 0.0
        seconds = [recorded - begin for recorded, _ in timed]
        if not seconds or seconds[0] < 0:
            what = f"the first is {-seconds[0]:g} s before origin={origin!r}" if seconds else "none"
            message = f"rows: {what}; give one row or more, from the origin on"
            raise ValueError(message)
        if not (math.isfinite(speed) and speed > 0):
            message = f"speed={speed!r}; give how many times as fast, more than 0"
            raise ValueError(message)
        if repeat is not None and (isinstance(repeat, bool) or repeat < 1):
            message = f"repeat={repeat!r}; give a whole number from 1, or None for ever"
            raise ValueError(message)
        length = 0.0 if repeat == 1 else _period(seconds, period)
        trace = Trace(tuple(second / speed for second in seconds), length / speed, repeat)
        self._rows = [row for _, row in timed]
        self._with_row = call
        self._next = 0
        super().__init__(
            sim, name, trace, partial(call, None), node=node, max_in_flight=max_in_flight
        )

    # -- private -------------------------------------------------------------------------------

    def _arrive(self) -> None:
        row = self._rows[self._next]
        self._next = (self._next + 1) % len(self._rows)
        self._start(partial(self._with_row, row))


def from_recording(
    rows: Iterable[Any], *, client: str | None = None, origin: float = 0.0
) -> Timestamps:
    """Return the arrivals of an earlier run, for any workload.

    Args:
        rows: Its ``request.started`` events: ``recording.frame("request.started")``, or mappings
            with `time` and `client`.
        client: Whose requests; those of all clients without it.
        origin: The time in the recording that stands for the start, in seconds.

    Raises:
        ValueError: A request is before the origin.
    """
    own = (row for row in _rows(rows) if client is None or row["client"] == client)
    return timestamps([row["time"] - origin for row in own])


def _rows(rows: Any) -> Iterable[Any]:
    return rows.iter_rows(named=True) if hasattr(rows, "iter_rows") else rows  # type: ignore[no-any-return]


def _first(pair: tuple[float, Any]) -> float:
    return pair[0]


def _time_of(row: Any, time: str | int | Callable[[Any], float]) -> float:
    try:
        found = time(row) if callable(time) else row[time]
    except (KeyError, IndexError) as missing:
        if callable(time):
            raise
        message = f"row {row!r} has no {time!r}; say with time= what holds the time of a row"
        raise ValueError(message) from missing
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        message = f"the time of row {row!r} is {found!r}; give seconds, as a finite number"
        raise ValueError(message)
    return float(found)


def _period(seconds: list[float], period: float | None) -> float:
    """Return the length of a round, in recorded seconds."""
    span, first = seconds[-1], seconds[0]
    if period is None and len(seconds) > 1 and span > first:
        return span + (span - first) / (len(seconds) - 1)
    if period is None or not (math.isfinite(period) and period >= span and period > 0):
        message = f"period={period!r}; a round takes {span:g} s or more, and more than 0"
        raise ValueError(message)
    return period
