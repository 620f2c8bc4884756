"""Traffic from files: CSV or Parquet tables of timestamps, or of counts per interval."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from foundation_lab.errors import InvalidFile, nearest
from foundation_lab.scenario.workload_specs import (
    ROUNDING,
    CountArrivals,
    FileArrivals,
    TimestampArrivals,
)

if TYPE_CHECKING:
    from pathlib import Path


def read_arrivals(spec: FileArrivals, path: Path) -> CountArrivals | TimestampArrivals:
    """Return the arrivals in a table, as the part of a scenario that holds them itself.

    The earliest time is virtual 0. Times are seconds, or date-times in any ISO 8601 spelling; one
    without a zone is taken as UTC. Rows that are missing between two counts are intervals of
    silence.

    Raises:
        InvalidFile: The file cannot be read, a column is missing, or a value makes no sense; the
            message names the file, the row (from 1, below the headings), the column and the remedy.
    """
    frame = _read(path)
    times = _seconds(path, _column(path, frame, spec.time_column, "time_column"))
    if spec.holds == "timestamps":
        arrivals = (times.sort() - times.min()) * spec.time_scale
        return TimestampArrivals(kind="timestamps", seconds=arrivals.to_list())
    counts = _counts(path, _column(path, frame, spec.count_column, "count_column"))
    interval = _interval(path, spec, times)
    return CountArrivals(
        kind="counts",
        counts=(counts * spec.count_scale).to_list(),
        interval=interval * spec.time_scale,
        starts=((times - times[0]) * spec.time_scale).to_list(),
    )


def _read(path: Path) -> pl.DataFrame:
    try:
        match path.suffix.lower():
            case ".csv":
                frame = pl.read_csv(path, infer_schema_length=None)  # a late 0.5 is no surprise
            case ".parquet":
                frame = pl.read_parquet(path)
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


def _counts(path: Path, column: pl.Series) -> pl.Series:
    counts = _numbers(path, column)
    if (counts < 0).any():
        row = _first(counts < 0)
        message = f"{path}: row {row}: {counts[row - 1]:g} in {column.name!r}; counts are 0 or more"
        raise InvalidFile(message)
    return counts


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


def _interval(path: Path, spec: FileArrivals, times: pl.Series) -> float:
    """Return the length of an interval in the seconds of the file; no two intervals overlap."""
    distances = times.diff().drop_nulls().round(6)
    if (distances < 0).any():
        row = _first(distances < 0) + 1
        message = f"{path}: row {row}: the time in {times.name!r} goes back; sort the rows"
        raise InvalidFile(message)
    usual = distances.filter(distances > 0).mode().sort()
    if spec.interval is None and usual.is_empty():
        message = f"{path}: the times do not tell how long an interval is; set interval"
        raise InvalidFile(message)
    interval = float(usual[0]) if spec.interval is None else spec.interval
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
