"""What an analysis demands of its arguments; a refusal names argument, value and remedy."""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence


def require_columns(frame: pl.DataFrame, argument: str, names: Iterable[str]) -> None:
    """Refuse names that are no column of the frame.

    Raises:
        ValueError: A column is missing; the message lists the nearest names.
    """
    for name in names:
        if name not in frame.columns:
            near = difflib.get_close_matches(name, frame.columns, n=3, cutoff=0.5)
            hint = f"did you mean {_listed(near)}" if near else f"it has {_listed(frame.columns)}"
            raise ValueError(f"{argument}={name!r} is not a column of the frame; {hint}")


def require_numbers(frame: pl.DataFrame, argument: str, name: str) -> None:
    """Refuse a column that is missing or that does not hold numbers; nulls alone will do.

    Raises:
        ValueError: The column is missing, or its type is not numeric.
    """
    require_columns(frame, argument, [name])
    dtype = frame.schema[name]
    if not (dtype.is_numeric() or dtype == pl.Null):
        raise ValueError(
            f"{argument}={name!r} holds {dtype}, not numbers; "
            f"choose a numeric column or cast it with pl.col({name!r}).cast(pl.Float64)"
        )


def require_free(frame: pl.DataFrame, names: Iterable[str]) -> None:
    """Refuse a frame that has a column where the result gets one of its own.

    Raises:
        ValueError: One of the names is taken.
    """
    for name in names:
        if name in frame.columns:
            raise ValueError(
                f"the frame has a column {name!r}, the name of a result column; "
                "rename it first with frame.rename"
            )


def require_time_order(frame: pl.DataFrame) -> None:
    """Refuse a frame without a usable `time` column, or one whose rows do not follow time.

    Raises:
        ValueError: `time` is missing, is not numeric, has nulls or NaN, or goes back.
    """
    require_numbers(frame, "time", "time")
    time = frame["time"]
    if time.null_count() > 0 or time.is_nan().any():
        raise ValueError("column 'time' holds null or NaN; drop those rows first")
    if not time.is_sorted():
        raise ValueError("column 'time' goes back; sort the frame first with frame.sort('time')")


def require_positive(argument: str, value: float) -> None:
    """Refuse anything but a finite number above 0.

    Raises:
        ValueError: The value is zero, negative, infinite or NaN.
    """
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{argument}={value!r} must be finite and above 0; give for example 10.0")


def require_not_negative(argument: str, value: float) -> None:
    """Refuse anything but a finite number of at least 0.

    Raises:
        ValueError: The value is negative, infinite or NaN.
    """
    if not (value >= 0 and math.isfinite(value)):
        raise ValueError(f"{argument}={value!r} must be finite and at least 0; give 0 or more")


def require_count(argument: str, value: int, least: int) -> None:
    """Refuse anything but a whole number of at least `least`.

    Raises:
        ValueError: The value is not an `int`, or it is below `least`.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{argument}={value!r} must be a whole number; give {least} or more")


def require_confidence(value: float) -> None:
    """Refuse a level of confidence outside the open interval from 0 to 1.

    Raises:
        ValueError: The value is not strictly between 0 and 1.
    """
    if not 0 < value < 1:
        raise ValueError(f"confidence={value!r} must lie between 0 and 1; give for example 0.95")


def group_columns(
    frame: pl.DataFrame, by: str | Sequence[str], reserved: Collection[str] = ()
) -> list[str]:
    """Return the columns to group by as a list, after checking that they exist and are free to use.

    Raises:
        ValueError: A column is missing, is named twice, or has the name of a result column.
    """
    names = [by] if isinstance(by, str) else list(by)
    require_columns(frame, "by", names)
    for name in names:
        if name in reserved:
            raise ValueError(
                f"by={name!r} has the name of a result column; rename it first with frame.rename"
            )
    if len(set(names)) < len(names):
        raise ValueError(f"by={names!r} names a column twice; name each one once")
    return names


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
