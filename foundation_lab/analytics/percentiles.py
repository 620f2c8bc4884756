"""Percentiles of a column, for each group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from foundation_lab.analytics.arguments import group_columns, require_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence


def percentiles(
    frame: pl.DataFrame,
    column: str = "duration",
    by: str | Sequence[str] = (),
    q: Sequence[float] = (0.5, 0.9, 0.95, 0.99),
) -> pl.DataFrame:
    """Summarise a column by its percentiles.

    A quantile that falls between two values is interpolated linearly between them: with n sorted
    values it lies at position (n - 1) q counted from 0. That is definition 7 of Hyndman and Fan,
    "Sample Quantiles in Statistical Packages", The American Statistician 50 (1996), and numpy's
    default. Null and NaN are left out.

    Args:
        frame: Rows to summarise, in any order.
        column: The numeric column to summarise.
        by: One or more columns to group by; with none, the whole frame is one group.
        q: Quantiles between 0 and 1.

    Returns:
        One row per group, in order of first appearance: the columns of `by`, `count` (values that
        are neither null nor NaN), `mean`, `min`, `max`, then one column per quantile, named `p50`,
        `p99`, `p99_9`. All but `count` are Float64 in the unit of `column`, and null where a group
        has no value.

    Raises:
        ValueError: A column is unknown or not numeric, `q` is empty, repeats itself or leaves 0 to
            1, or a column of `by` has the name of a result column.

    Example:
        >>> import polars as pl
        >>> calls = pl.DataFrame({"service": ["db"] * 5, "duration": [1.0, 2.0, 3.0, 4.0, 5.0]})
        >>> percentiles(calls, by="service", q=(0.5, 0.9)).row(0)
        ('db', 5, 3.0, 1.0, 5.0, 3.0, 4.6)
    """
    require_numbers(frame, "column", column)
    values = present(column)
    summary = [
        values.len().cast(pl.Int64).alias("count"),
        values.mean().alias("mean"),
        values.min().alias("min"),
        values.max().alias("max"),
        *quantiles(column, q),
    ]
    groups = group_columns(frame, by, reserved=[each.meta.output_name() for each in summary])
    if not groups:
        return frame.select(summary)
    return frame.group_by(groups, maintain_order=True).agg(summary)


def quantiles(column: str, q: Sequence[float]) -> list[pl.Expr]:
    """Return one expression per quantile of the column, named as `percentiles` names them.

    Raises:
        ValueError: `q` is empty, repeats itself or leaves 0 to 1.
    """
    if not q:
        raise ValueError(f"q={q!r} is empty; give at least one quantile such as 0.5")
    for each in q:
        if not 0 <= each <= 1:
            raise ValueError(f"q={each!r} is outside 0 to 1; write the 99th percentile as 0.99")
    names = [_name(each) for each in q]
    if len(set(names)) < len(names):
        raise ValueError(f"q={tuple(q)!r} asks for one quantile twice; give each one once")
    values = present(column)
    return [
        values.quantile(each, interpolation="linear").alias(name)
        for each, name in zip(q, names, strict=True)
    ]


def present(column: str) -> pl.Expr:
    """Return an expression: the column as Float64, without null and NaN."""
    return pl.col(column).cast(pl.Float64).drop_nulls().drop_nans()


def _name(quantile: float) -> str:
    return f"p{quantile * 100:.10g}".replace(".", "_")
