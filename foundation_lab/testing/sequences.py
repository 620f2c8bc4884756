"""Sequences: several events must come, in order or in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from foundation_lab.testing.blocks import Expectation
from foundation_lab.testing.failure import (
    circumstances,
    compose,
    earlier,
    near_misses,
    why_it_ended,
)
from foundation_lab.testing.history import past_records
from foundation_lab.testing.spelling import describe_record
from foundation_lab.testing.steps import Search

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.record import Record
    from foundation_lab.testing.clock import Ending
    from foundation_lab.testing.marks import Mark
    from foundation_lab.testing.steps import Rules, SequenceStep


class SequenceExpectation(Expectation):
    """Several events must come; made by `assert_sequence`.

    Attributes:
        records: What was found, in the order of the steps.
    """

    def __init__(
        self,
        sim: Simulation,
        steps: Sequence[SequenceStep],
        within: float,
        rules: Rules,
        *,
        since: Mark | int | None = None,
        block: Callable[[], object] | None = None,
    ) -> None:
        wanted = [step.wanted for step in steps]
        super().__init__(sim, "assert_sequence", wanted, within, since=since, block=block)
        self.listens_to_all = rules.causal  # a chain of causes leads through events of any name
        self.order = rules.order
        self._steps = steps
        self._rules = rules
        self._search = Search(steps, rules, float(sim.now))

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._search = Search(self._steps, self._rules, float(self._sim.now))
        return super().__enter__()

    def _see(self, record: Record) -> None:
        search = self._search
        if search.settled:
            return
        search.take(record)
        self.records = search.furthest.records
        self.bound = search.furthest.bound
        if search.found is not None:
            self.records, self.bound = search.found.records, search.found.bound
        if search.settled:
            self._settle(record)

    def _verdict(self, ending: Ending) -> str | None:
        search = self._search
        if search.found is not None:
            return None
        place = search.missing()[0]
        total, step = len(self._steps), self._steps[place]
        if search.intruder is not None:
            return compose(
                f"the order was broken at step {place + 1} of {total}, {step}",
                [f"instead came {describe_record(search.intruder)}"],
                [search.why] if search.why else [],
                self._progress(),
                circumstances(self._sim),
            )
        early = self._came_too_early(place)
        if early is None:
            headline = f"step {place + 1} of {total}, {step}, did not come {self._span}"
        else:
            headline = (
                f"step {place + 1} of {total}, {step}, came before step {place}, not after it"
            )
        return compose(
            headline,
            why_it_ended(self._sim, ending),
            [] if early is None else [f"it was {describe_record(early)}"],
            self._progress(),
            self._near(place),
            circumstances(self._sim),
        )

    def _near(self, place: int) -> list[str]:
        beginning = self._search.furthest
        last = beginning.last if self.order != "none" else None
        since = self.since if last is None else last.sequence + 1
        wanted = self._steps[place].wanted
        lines = near_misses(
            self._sim,
            wanted,
            since,
            bound=beginning.bound,
            but=beginning.records,
            when="in this time" if last is None else f"after #{last.sequence}",
            objection=lambda record: self._search.objection(beginning, place, record),
        ) or ["each event of this name was taken by another step"]
        if last is None:
            lines += earlier(self._sim, wanted, self.since, "the block")
        return lines

    def _came_too_early(self, place: int) -> Record | None:
        """Return the missing step, when it did come, but before the one that it should follow."""
        last = self._search.furthest.last
        if self.order == "none" or last is None or self._sim.keep != "events":
            return None
        step, taken = self._steps[place], self._search.furthest.records
        too_early = [
            record
            for record in past_records(
                self._sim.recording,
                step.wanted.matches_name,
                since=self.since,
                before=last.sequence,
            )
            if record.sequence not in {each.sequence for each in taken}
            and not step.wanted.difference(record, self._search.furthest.bound)
        ]
        return too_early[-1] if too_early else None

    def _progress(self) -> list[str]:
        taken = self._search.furthest.taken
        return [
            "so far:",
            *(
                f"  {number}. missing: {step}"
                if record is None
                else f"  {number}. {describe_record(record)}"
                for number, (step, record) in enumerate(zip(self._steps, taken, strict=True), 1)
            ),
        ]
