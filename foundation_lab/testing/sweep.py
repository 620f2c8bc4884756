"""Sweeps: the verdicts on many runs of one test, each with a seed of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.testing.failure import compose
from foundation_lab.testing.monitors import explained

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foundation_lab.testing.machines import Verdict

SHOWN = 3
"""How many runs a message shows of each property."""


class Sweep:
    """Gathers the verdicts on the runs of a sweep.

    Whoever sweeps adds the verdicts of each run, and checks at the end. A property that is violated
    in any run fails the sweep, and so does one made by `sometimes` that no run has hit.

    Args:
        name: What is swept: the test.
    """

    def __init__(self, name: str = "the sweep") -> None:
        self.name = name
        self._runs: dict[int, list[Verdict]] = {}

    def add(self, seed: int, verdicts: Iterable[Verdict]) -> None:
        """Add the verdicts on the run of a seed; more of the same seed are added to the former."""
        self._runs.setdefault(seed, []).extend(verdicts)

    @property
    def seeds(self) -> list[int]:
        """The seeds that were run, in that order."""
        return list(self._runs)

    def hits(self) -> dict[str, dict[int, int]]:
        """Return for each property, by seed, how often the run put it to the test."""
        found: dict[str, dict[int, int]] = {}
        for seed, verdicts in self._runs.items():
            for verdict in verdicts:
                of_seeds = found.setdefault(verdict.name, {})
                of_seeds[seed] = of_seeds.get(seed, 0) + verdict.hits
        return found

    def missed(self) -> list[str]:
        """Return the properties that some run must hit, and that none has."""
        wanted = {
            verdict.name: None
            for verdicts in self._runs.values()
            for verdict in verdicts
            if verdict.must_be_hit
        }
        hits = self.hits()
        return [name for name in wanted if not any(hits[name].values())]

    def violated(self) -> dict[str, dict[int, Verdict]]:
        """Return the violated properties, and the verdict of each seed that violates them."""
        found: dict[str, dict[int, Verdict]] = {}
        for seed, verdicts in self._runs.items():
            for verdict in verdicts:
                if not verdict.holds:
                    found.setdefault(verdict.name, {}).setdefault(seed, verdict)
        return found

    def lines(self) -> list[str]:
        """Return one line for each property: in how many runs it was put to the test."""
        total = len(self._runs)
        return [
            f"{name}: put to the test in {sum(map(bool, hits.values()))} of {total} runs"
            for name, hits in self.hits().items()
        ]

    def check(self) -> None:
        """Make sure that no run violates a property, and that each `sometimes` was hit in some.

        Raises:
            AssertionError: It is not so, or there was no run at all.
        """
        __tracebackhide__ = True
        missed, violated = self.missed(), self.violated()
        if self._runs and not missed and not violated:
            return
        total = len(self._runs)
        if not total:
            message = f"{self.name}: no run was made, so nothing was shown"
            raise AssertionError(message)
        message = compose(
            f"{self.name}: {len(violated)} properties violated, {len(missed)} never hit, "
            f"in {total} runs",
            *(_violations(runs, total) for runs in violated.values()),
            [f"{name}: not once in seeds {_some_of(self.seeds)}" for name in missed],
        )
        raise AssertionError(message)


def _violations(runs: dict[int, Verdict], total: int) -> list[str]:
    first = next(iter(runs.values()))
    return [
        *explained(first),
        f"  in {len(runs)} of {total} runs, seeds {_some_of(list(runs))}",
    ]


def _some_of(seeds: list[int]) -> str:
    shown = ", ".join(map(str, seeds[:SHOWN]))
    return f"{shown}, ... ({len(seeds)} in all)" if len(seeds) > SHOWN else shown
