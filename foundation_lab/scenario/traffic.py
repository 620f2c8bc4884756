"""Traffic from files: CSV or Parquet tables of timestamps, or of counts per interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from foundation_lab.errors import InvalidFile, nearest
from foundation_lab.scenario.workload_specs import CountArrivals, FileArrivals, TimestampArrivals

if TYPE_CHECKING:
    from pathlib import Path


def read_arrivals(spec: FileArrivals, path: Path) -> CountArrivals | TimestampArrivals:
    """Return the arrivals in a table, as the part of a scenario that holds them itself.

    The first row's time is virtual 0. Times are seconds, or date-times in any ISO 8601 spelling.

    Raises:
        InvalidFile: The file cannot be read, a column is missing, or a value makes no sense; the
            message names the file, the column, the row and the remedy.
    """
    frame = _read(path)
    seconds = _seconds(path, _column(path, frame, spec.time_column, "time_column"), spec.time_column)
    seconds = (seconds - seconds[0]) * spec.time_scale
    if spec.holds == "timestamps":
        return TimestampArrivals(kind="timestamps", seconds=seconds.sort().to_list())
    counts = _counts(path, _column(path, frame, spec.count_column, "count_column"), spec.count_column)
    if not seconds.is_sorted():
        row = int((seconds.diff() < 0).arg_true()[0]) + 2
        message = f"{path}: row {row}: the times in {spec.time_column!r} go back; sort the rows"
        raise InvalidFile(message)
    return CountArrivals(
        kind="counts",
        counts=(counts * spec.count_scale).to_list(),
        interval=_interval(path, spec, seconds),
        starts=seconds.to_list(),
    )


def _read(path: Path) -> pl.DataFrame:
    readers = {".csv": pl.read_csv, ".parquet": pl.read_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        message = f"{path}: {path.suffix or 'no ending'} is not read; give a .csv or .parquet file"
        raise InvalidFile(message)
    if not path.is_file():
        message = f"{path}: no such file; check the path in 'file'"
        raise InvalidFile(message)
    try:
        frame = reader(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        message = f"{path}: not a readable table ({str(error).splitlines()[0]})"
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
        row = int(column.is_null().arg_true()[0]) + 1
        message = f"{path}: row {row}: no value in column {name!r}; fill it or leave the row out"
        raise InvalidFile(message)
    return column


def _seconds(path: Path, column: pl.Series, name: str) -> pl.Series:
    if column.dtype == pl.String:
        try:
            column = column.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
        except pl.exceptions.PolarsError:
            column = column.str.to_datetime(time_unit="us", strict=False)
        if column.null_count():
            row = int(column.is_null().arg_true()[0]) + 1
            message = (
                f"{path}: row {row}: the value in {name!r} is no date-time; write it as "
                "2026-01-31 12:00:00, or give seconds as numbers"
            )
            raise InvalidFile(message)
    if column.dtype.is_temporal():
        return column.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6
    return _numbers(path, column, name)


def _counts(path: Path, column: pl.Series, name: str) -> pl.Series:
    counts = _numbers(path, column, name)
    if (counts < 0).any():
        row = int((counts < 0).arg_true()[0]) + 1
        message = f"{path}: row {row}: {counts[row - 1]:g} in {name!r}; counts are 0 or more"
        raise InvalidFile(message)
    return counts


def _numbers(path: Path, column: pl.Series, name: str) -> pl.Series:
    if not column.dtype.is_numeric():
        message = f"{path}: column {name!r} holds {column.dtype}, where numbers are needed"
        raise InvalidFile(message)
    numbers = column.cast(pl.Float64)
    if not numbers.is_finite().all():
        row = int((~numbers.is_finite()).arg_true()[0]) + 1
        message = f"{path}: row {row}: {numbers[row - 1]} in {name!r}; numbers must be finite"
        raise InvalidFile(message)
    return numbers


def _interval(path: Path, spec: FileArrivals, seconds: pl.Series) -> float:
    if spec.interval is not None:
        return spec.interval * spec.time_scale
    gaps = seconds.diff().drop_nulls()
    gaps = gaps.filter(gaps > 0)
    if gaps.is_empty():
        message = f"{path}: one row does not tell how long an interval is; set interval"
        raise InvalidFile(message)
    usual = gaps.median()
    if not isinstance(usual, float):
        raise TypeError
    return usual
