"""A row of results: what was measured, how it compares, and whether it meets its bar."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Row:
    """One result.

    Attributes:
        what: What was measured.
        unit: In which unit.
        ours: The value here; ``None`` when this version cannot do it.
        theirs: The value of what it is compared with.
        beside: What that is.
        at_least: The bar for the ratio theirs / ours: how many times less it takes here.
        at_most: The bar for the value here.
        note: What else is to be known.
    """

    what: str
    unit: str
    ours: float | None
    theirs: float | None = None
    beside: str = ""
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times less it takes here."""
        if self.ours is None or self.theirs is None or self.ours <= 0:
            return None
        return self.theirs / self.ours

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; ``None`` when there is no bar, or nothing to hold against it."""
        if self.at_least is not None:
            return None if self.ratio is None else self.ratio >= self.at_least
        if self.at_most is None or self.ours is None:
            return None
        return self.ours <= self.at_most

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as texts, in the order of `HEADINGS`."""
        bar = ""
        if self.at_least is not None:
            bar = f"≥ {number(self.at_least)}×"
        elif self.at_most is not None:
            bar = f"≤ {quantity(self.at_most, self.unit)}"
        theirs = quantity(self.theirs, self.unit)
        return (
            self.what,
            quantity(self.ours, self.unit),
            f"{theirs} ({self.beside})" if theirs and self.beside else theirs,
            "" if self.ratio is None else f"{number(self.ratio)}×",
            bar,
            self._verdict if bar else "",
            self.note,
        )

    @property
    def _verdict(self) -> str:
        return {True: "met", False: "not met", None: "not measured"}[self.met]


HEADINGS = ("what", "ours", "theirs", "ratio", "bar", "met", "note")


def number(value: float) -> str:
    """Return a number as a reader wants it: three digits that count, or all of a large one."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def quantity(value: float | None, unit: str) -> str:
    """Return a number with its unit; an empty text for ``None``."""
    return "" if value is None else f"{number(value)} {unit}".rstrip()


def as_lines(rows: list[Row]) -> list[str]:
    """Return rows as lines for a terminal, in columns."""
    table = [HEADINGS, *(row.cells for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in table
    ]


def as_markdown(rows: list[Row]) -> list[str]:
    """Return rows as the lines of a Markdown table."""
    table = [HEADINGS, ("---",) * len(HEADINGS), *(row.cells for row in rows)]
    return ["| " + " | ".join(cells) + " |" for cells in table]
