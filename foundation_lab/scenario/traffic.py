"""Tables of traffic and of samples: CSV or Parquet files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from foundation_lab.errors import InvalidFile, nearest
from foundation_lab.scenario.section import ROUNDING

if TYPE_CHECKING:
    from pathlib import Path


class Counts(NamedTuple):
    """How many requests there were in each interval; the first one begins at 0.

    Attributes:
        counts: How many.
        interval: The length of an interval in seconds.
        starts: Where each begins, in seconds.
    """

    counts: list[float]
    interval: float
    starts: list[float]


def read_counts(
    path: Path,
    *,
    time_column: str,
    count_column: str,
    interval: float | None,
    count_scale: float,
    time_scale: float,
) -> Counts:
    """Return the counts in a table.

    Times are seconds, or date-times in any ISO 8601 spelling; one without a zone is taken as UTC.
    Rows that are missing between two counts are intervals of silence.

    Args:
        path: The file.
        time_column: The column of times.
        count_column: The column of counts.
        interval: The length of an interval in the seconds of the file; the most frequent distance
            of two rows when ``None``.
        count_scale: Every count is multiplied by this.
        time_scale: Every time is multiplied by this.

    Raises:
        InvalidFile: The file cannot be read, a column is missing, or a value makes no sense; the
            message names the file, the row (from 1, below the headings), the column and the remedy.
    """
    frame = _read(path)
    times = _seconds(path, _column(path, frame, time_column, "time_column"))
    counts = _from_0(path, _column(path, frame, count_column, "count_column"))
    return Counts(
        (counts * count_scale).to_list(),
        _interval(path, interval, times) * time_scale,
        ((times - times[0]) * time_scale).to_list(),
    )


def read_numbers(path: Path, name: str, option: str, scale: float | None = None) -> list[float]:
    """Return a column of numbers from 0, in the order of the file.

    Args:
        path: The file.
        name: The column.
        option: The key of the scenario that names it.
        scale: Every number is multiplied by this.

    Raises:
        InvalidFile: As for `read_counts`.
    """
    numbers = _from_0(path, _column(path, _read(path), name, option), "durations")
    return (numbers if scale is None else numbers * scale).to_list()


def read_times(path: Path, name: str, option: str, scale: float = 1.0) -> list[float]:
    """Return a column of times, in order and in seconds after the first one.

    Args:
        path: The file.
        name: The column.
        option: The key of the scenario that names it.
        scale: Every time is multiplied by this.

    Raises:
        InvalidFile: As for `read_counts`.
    """
    times = _seconds(path, _column(path, _read(path), name, option))
    return ((times.sort() - times.min()) * scale).to_list()


def read_trace(path: Path, times: str, keys: str | None) -> list[tuple[float, str | None]]:
    """Return the requests of a trace: seconds after the first one, and the key.

    Args:
        path: The file.
        times: The column of times.
        keys: The column of keys, if there is one.

    Raises:
        InvalidFile: As for `read_counts`.
    """
    frame = _read(path)
    found = _seconds(path, _column(path, frame, times, "time_column"))
    seconds = (found - found.min()).to_list()
    if keys is None:
        return [(second, None) for second in seconds]
    asked = _column(path, frame, keys, "key_column")
    return list(zip(seconds, map(str, asked.to_list()), strict=True))


def _read(path: Path) -> pl.DataFrame:
    try:
        match path.suffix.lower():
            case ".csv":
                frame = pl.read_csv(
                    path, infer_schema_length=None, glob=False
                )  # a late 0.5 is fine
            case ".parquet":
                frame = pl.read_parquet(path, glob=False)
            case ending:
                message = (
                    f"{path}: {ending or 'no ending'} is not read; give a .csv or .parquet file"
                )
                raise InvalidFile(message)
    except (pl.exceptions.PolarsError, OSError) as error:
        message = f"{path}: not a readable table ({str(error).splitlines()[0]}); write it anew"
        raise InvalidFile(message) from error
    if frame.is_empty():
        message = f"{path}: the table has no rows; give one arrival or interval at least"
        raise InvalidFile(message)
    return frame


def _column(path: Path, frame: pl.DataFrame, name: str, option: str) -> pl.Series:
    if name not in frame.columns:
        near = nearest(name, frame.columns)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(frame.columns)}"
        message = f"{path}: there is no column {name!r}; {hint} (set {option})"
        raise InvalidFile(message)
    column = frame[name]
    if column.null_count():
        row = _first(column.is_null())
        message = f"{path}: row {row}: no value in {name!r}; fill it in or leave the row out"
        raise InvalidFile(message)
    return column


def _seconds(path: Path, column: pl.Series) -> pl.Series:
    if column.dtype == pl.String:
        instants = [_instant(path, row, column.name, text) for row, text in enumerate(column, 1)]
        return pl.Series(column.name, instants)
    if column.dtype in (pl.Date, pl.Datetime):
        return column.dt.epoch("us").cast(pl.Float64) / 1e6
    return _numbers(path, column)


def _instant(path: Path, row: int, name: str, text: str) -> float:
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        message = (
            f"{path}: row {row}: {text!r} in {name!r} is no date-time; write it as "
            "2026-01-31 12:00:00, or give seconds as numbers"
        )
        raise InvalidFile(message) from None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


def _from_0(path: Path, column: pl.Series, what: str = "counts") -> pl.Series:
    numbers = _numbers(path, column)
    if (numbers < 0).any():
        row = _first(numbers < 0)
        value = f"{numbers[row - 1]:g} in {column.name!r}"
        message = f"{path}: row {row}: {value}; {what} are 0 or more"
        raise InvalidFile(message)
    return numbers


def _numbers(path: Path, column: pl.Series) -> pl.Series:
    if not (column.dtype.is_numeric() or column.dtype == pl.String):
        message = f"{path}: {column.name!r} holds {column.dtype}, where numbers are needed"
        raise InvalidFile(message)
    numbers = column.cast(pl.Float64, strict=False)
    if numbers.null_count():
        row = _first(numbers.is_null())
        message = f"{path}: row {row}: {column[row - 1]!r} in {column.name!r} is no number"
        raise InvalidFile(message)
    if not numbers.is_finite().all():
        row = _first(~numbers.is_finite())
        message = f"{path}: row {row}: {numbers[row - 1]} in {column.name!r}; give a finite number"
        raise InvalidFile(message)
    return numbers


def _interval(path: Path, given: float | None, times: pl.Series) -> float:
    """Return the length of an interval in the seconds of the file; no two intervals overlap."""
    distances = times.diff().drop_nulls().round(6)
    if (distances < 0).any():
        row = _first(distances < 0) + 1
        message = f"{path}: row {row}: the time in {times.name!r} goes back; sort the rows"
        raise InvalidFile(message)
    usual = distances.filter(distances > 0).mode().sort()
    if given is None and usual.is_empty():
        message = f"{path}: the times do not tell how long an interval is; set interval"
        raise InvalidFile(message)
    interval = float(usual[0]) if given is None else given
    overlaps = distances < interval * (1 - ROUNDING)
    if overlaps.any():
        row = _first(overlaps) + 1
        message = (
            f"{path}: row {row}: begins {distances[row - 2]:g} s after the row before, whose "
            f"interval is {interval:g} s long; leave the row out, or set interval"
        )
        raise InvalidFile(message)
    return interval


def _first(wrong: pl.Series) -> int:
    """Return the number of the first row that is marked, from 1."""
    return int(wrong.arg_true()[0]) + 1
