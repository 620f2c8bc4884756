"""Strategies for Hypothesis: schedules, so that it looks for the order that breaks a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.errors import MissingExtra
from foundation_lab.simulation.exploring.schedule import Chosen

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def lab_schedules(*, max_choices: int = 100, most: int = 7) -> SearchStrategy[Chosen]:
    """Return a strategy for schedules, for ``Exploration(schedule=...)``.

    A schedule says for each choice in turn who goes first; 0 is first in, first out, and what a
    failure shrinks towards. So the example that is left deviates only where it matters.

    Args:
        max_choices: How many choices are made at most; after them it is first in, first out.
        most: The largest place that is chosen.

    Raises:
        MissingExtra: Hypothesis is not installed.
    """
    try:
        from hypothesis import strategies as st  # noqa: PLC0415  (an extra)
    except ImportError:
        raise MissingExtra.of("hypothesis", "hypothesis") from None
    return st.lists(st.integers(0, most), max_size=max_choices).map(Chosen)
