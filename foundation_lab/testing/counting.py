"""Counts: an event must come so many times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.testing.blocks import Expectation
from foundation_lab.testing.configuration import current
from foundation_lab.testing.failure import (
    circumstances,
    compose,
    near_misses,
    why_it_ended,
)
from foundation_lab.testing.spelling import describe_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.record import Record
    from foundation_lab.testing.clock import Ending
    from foundation_lab.testing.marks import Mark
    from foundation_lab.testing.wanted import Wanted


class CountExpectation(Expectation):
    """An event must come so many times; made by `assert_count`.

    It is settled by the first event that is too many; without an upper limit, by the last that was
    missing.

    Attributes:
        least: How many at least.
        most: How many at most; ``None`` for no limit.
    """

    def __init__(
        self,
        sim: Simulation,
        wanted: Wanted,
        within: float,
        *,
        least: int,
        most: int | None,
        since: Mark | int | None = None,
        block: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(sim, "assert_count", [wanted], within, since=since, block=block)
        self.least = least
        self.most = most

    def __len__(self) -> int:
        """Return how many came."""
        return len(self.records)

    def __bool__(self) -> bool:
        """Be true, however many came."""
        return True

    @property
    def _guards(self) -> bool:
        return self.most is not None and len(self.records) >= self.least

    def _see(self, record: Record) -> None:
        if self._wanted[0].matches(record):
            self.records.append(record)
            count = len(self.records)
            if self.most is None:
                if count >= self.least:
                    self._settle(record)
            elif count > self.most:
                self._settle(record)

    def _verdict(self, ending: Ending) -> str | None:
        wanted, count = self._wanted[0], len(self.records)
        came_so_often = f"{wanted} came {'once' if count == 1 else f'{count} times'}"
        if count < self.least or (self.most is not None and count > self.most):
            headline = f"{came_so_often}, {self._bounds} expected {self._span}"
        elif self.most is not None and ending.kind in ("stopped", "livelock", "wall"):
            headline = f"{came_so_often}, but its time is not over: more may come"
        else:
            return None
        most = 100 if current().verbose else 5
        came = [f"  {describe_record(record)}" for record in self.records[-most:]]
        return compose(
            headline,
            why_it_ended(self._sim, ending),
            ["these came:" if count <= most else f"the last {most} of them:", *came]
            if came
            else [],
            near_misses(self._sim, wanted, self.since, but=self.records)
            if count < self.least
            else [],
            circumstances(self._sim),
        )

    @property
    def _bounds(self) -> str:
        if self.most is None:
            return f"at least {_were(self.least)}"
        if self.most == self.least:
            return f"exactly {_were(self.least)}"
        bounds = f"{self.least} to" if self.least else "at most"
        return f"{bounds} {_were(self.most)}"


def bounds(
    exactly: int | None, at_least: int | None, at_most: int | None
) -> tuple[int, int | None]:
    """Return how many there must be at least and at most, ``None`` for no limit.

    Raises:
        ValueError: The numbers say nothing, or contradict each other.
    """
    numbers = {"exactly": exactly, "at_least": at_least, "at_most": at_most}
    given = ", ".join(f"{name}={value!r}" for name, value in numbers.items() if value is not None)
    if exactly is not None:
        at_least = at_most = exactly if at_least is None and at_most is None else -1
    if (
        not given
        or not all(map(_is_whole, numbers.values()))
        or (at_most is None and not at_least)
        or (at_most is not None and at_most < (at_least or 0))
        or (at_least or 0) < 0
    ):
        message = (
            f"assert_count({given or '...'}) says nothing that could be checked; give exactly=n, "
            "at_least=n from 1, at_most=n, or both of these"
        )
        raise ValueError(message)
    return at_least or 0, at_most


def _is_whole(number: object) -> bool:
    return number is None or (isinstance(number, int) and not isinstance(number, bool))


def _were(count: int) -> str:
    return f"{count} {'was' if count == 1 else 'were'}"
