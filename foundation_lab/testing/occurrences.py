"""Occurrences: an event must come, or must not come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.testing.blocks import Expectation
from foundation_lab.testing.failure import (
    circumstances,
    compose,
    earlier,
    near_misses,
    why_it_ended,
)
from foundation_lab.testing.spelling import describe_record

if TYPE_CHECKING:
    from foundation_lab.telemetry.record import Record
    from foundation_lab.testing.clock import Ending
    from foundation_lab.testing.wanted import Wanted


class EventExpectation(Expectation):
    """One of several events, or the only one, must come; made by `assert_event`, `assert_any`."""

    def _see(self, record: Record) -> None:
        for wanted in self._wanted:
            bound = wanted.match(record, self.bound if self._decisive is not None else {})
            if bound is not None:
                self.bound = bound
                self.records.append(record)
                self._settle(record)
                return

    def _verdict(self, ending: Ending) -> str | None:
        if self._decisive is not None:
            return None
        none_of = "none of" if len(self._wanted) > 1 else "no"
        return compose(
            f"{none_of} {', '.join(map(str, self._wanted))} {self._span}",
            why_it_ended(self._sim, ending),
            *(self._search(wanted) for wanted in self._wanted),
            circumstances(self._sim),
        )

    def _search(self, wanted: Wanted) -> list[str]:
        return [
            *near_misses(self._sim, wanted, self.since),
            *earlier(self._sim, wanted, self.since, "the block"),
        ]


class Refutation(Expectation):
    """An event must not come; made by `refute_event`."""

    def _see(self, record: Record) -> None:
        if self._wanted[0].matches(record):
            self.records.append(record)
            self._settle(record)

    @property
    def _guards(self) -> bool:
        return True

    def _verdict(self, ending: Ending) -> str | None:
        if self._decisive is not None:
            return compose(
                f"{self._wanted[0]} happened, although it must not, {self._span}",
                [f"it was {describe_record(self._decisive)}"],
                circumstances(self._sim),
            )
        if ending.kind in ("stopped", "livelock", "wall"):
            return compose(
                f"{self._wanted[0]} did not happen, but its time is not over: it still may",
                why_it_ended(self._sim, ending),
                circumstances(self._sim),
            )
        return None
