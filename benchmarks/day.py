"""A day of arrivals: what one arrival costs when the rate changes over the day.

The curve has 24 rows, one an hour, between a quiet night and a busy evening; the rate holds for the
hour (`step`) or changes steadily (`linear`). First the arrival times alone are drawn, then a whole
day passes in a simulation where a process waits for each arrival. Beside it stands the loop that
one writes by hand: thinning with a table and `bisect`, in plain Python and with SimPy's timeouts.
The draws need not be the same, so each hour's arrivals are held against what the curve expects.

    python benchmarks/day.py [ROUNDS] [ARRIVALS]
"""

from __future__ import annotations

import random
from bisect import bisect_right
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import program
import simpy
from race import Contender, race
from row import Row

from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.traffic.arrivals import piecewise

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    Table = list[tuple[float, float]]
    Shape = Literal["step", "linear"]

SEED = 7
HOUR, DAY = 3600.0, 86_400.0
CURVE = (12, 8, 6, 5, 5, 8, 16, 34, 52, 60, 64, 68, 72, 70, 66, 64, 66, 74, 88, 96, 90, 66, 40, 20)
"""How busy each hour is, in relation to the others."""

TIME_BAR = 2.0


def table(arrivals: int) -> Table:
    """Return the rates of a day with so many arrivals, a row an hour."""
    share = arrivals / (HOUR * sum(CURVE))
    return [(HOUR * hour, weight * share) for hour, weight in enumerate(CURVE)]


# -- by hand -----------------------------------------------------------------------------------


class Curve:
    """A rate that changes over time, as a user would write it."""

    def __init__(self, rows: Table, shape: Shape) -> None:
        self.times = [time for time, _ in rows]
        self.rates = [rate for _, rate in rows]
        self.highest = max(self.rates)
        self.linear = shape == "linear"

    def __call__(self, time: float) -> float:
        """Return the rate at a time."""
        row = bisect_right(self.times, time) - 1
        if not self.linear or row + 1 == len(self.times):
            return self.rates[row]
        share = (time - self.times[row]) / (self.times[row + 1] - self.times[row])
        return self.rates[row] + share * (self.rates[row + 1] - self.rates[row])


def thinning(rate: Curve) -> Iterator[float]:
    """Yield the arrival times of a day."""
    stream = random.Random(SEED)  # noqa: S311  (repeatable)
    highest, time = rate.highest, 0.0
    while True:
        time += stream.expovariate(highest)
        if time >= DAY:
            return
        if stream.random() * highest < rate(time):
            yield time


def simpy_day(rows: Table, shape: Shape) -> list[float]:
    """Return the times at which a SimPy process saw arrivals."""
    env = simpy.Environment()
    seen: list[float] = []
    env.process(_simpy_arrivals(env, Curve(rows, shape), seen))
    env.run()
    return seen


def _simpy_arrivals(
    env: simpy.Environment, rate: Curve, seen: list[float]
) -> Generator[Any, Any, None]:
    for time in thinning(rate):
        yield env.timeout(time - env.now)
        seen.append(env.now)


# -- here --------------------------------------------------------------------------------------


def ours(rows: Table, shape: Shape) -> Iterator[float]:
    """Return the arrival times of a day."""
    stream = random.Random(SEED)  # noqa: S311  (repeatable)
    return piecewise(rows, between=shape, end=DAY).times(stream, 0.0)


def our_day(rows: Table, shape: Shape) -> list[float]:
    """Return the times at which a process of a simulation saw arrivals."""
    sim = Simulation(SEED)
    seen: list[float] = []
    sim.process(_our_arrivals(sim, rows, shape, seen))
    sim.run()
    return seen


def _our_arrivals(
    sim: Simulation, rows: Table, shape: Shape, seen: list[float]
) -> Generator[Any, Any, None]:
    times = piecewise(rows, between=shape, end=DAY).times(sim.stream("arrivals"), sim.now)
    for time in times:
        yield sim.at(time)
        seen.append(sim.now)


# -- measuring ---------------------------------------------------------------------------------


def measure(rounds: int, size: int) -> list[Row]:
    """Return the rows of both shapes, alone and in a simulation."""
    rows = []
    for shape in ("step", "linear"):
        alone = {
            "ours": Contender(partial(_times, shape)),
            "by hand": Contender(partial(_thinned, shape)),
        }
        whole = {
            "ours": Contender(partial(_our_day, shape)),
            "by hand": Contender(partial(_simpy_day, shape)),
        }
        rows.append(_row(f"draw an arrival, {shape}", alone, shape, rounds, size, bar=TIME_BAR))
        rows.append(_row(f"an arrival in a process, {shape}", whole, shape, rounds, size, bar=None))
    return rows


def _times(shape: Shape, arrivals: int) -> list[float]:
    return list(ours(table(arrivals), shape))


def _thinned(shape: Shape, arrivals: int) -> list[float]:
    return list(thinning(Curve(table(arrivals), shape)))


def _our_day(shape: Shape, arrivals: int) -> list[float]:
    return our_day(table(arrivals), shape)


def _simpy_day(shape: Shape, arrivals: int) -> list[float]:
    return simpy_day(table(arrivals), shape)


def _row(
    what: str,
    contenders: dict[str, Contender],
    shape: Shape,
    rounds: int,
    size: int,
    *,
    bar: float | None,
) -> Row:
    expected = _expected(table(size), shape)
    numbers: dict[str, int] = {}

    def agree(facts: dict[str, list[float]]) -> None:
        for name, times in facts.items():
            _check(f"{what}, {name}", times, expected)
            numbers[name] = len(times)

    seconds = race(contenders, rounds=rounds, size=size, agree=agree)
    each = {name: 1e6 * seconds[name] / max(1, numbers[name]) for name in contenders}
    return Row(
        what=what,
        unit="µs",
        ours=each["ours"],
        theirs=each["by hand"],
        beside="thinning by hand",
        at_most=bar,
        note=f"{numbers['ours']:,} arrivals, {len(CURVE)} rows",
    )


def _expected(rows: Table, shape: Shape) -> list[float]:
    """Return the expected number of arrivals in each hour."""
    rates = [rate for _, rate in rows]
    if shape == "step":
        return [HOUR * rate for rate in rates]
    return [HOUR * (a + b) / 2 for a, b in pairwise([*rates, rates[-1]])]


def _check(what: str, times: list[float], expected: list[float]) -> None:
    """Leave the program unless the times rise, and are as many in each hour as the curve says.

    Six standard deviations of a Poisson count are allowed.
    """
    if times != sorted(times) or (times and not 0 <= times[0] <= times[-1] < DAY):
        message = f"{what}: the arrivals do not rise, or leave the day"
        raise SystemExit(message)
    counts = [0] * len(expected)
    for time in times:
        counts[int(time // HOUR)] += 1
    for hour, (count, mean) in enumerate(zip(counts, expected, strict=True)):
        if abs(count - mean) > 6 * mean**0.5 + 6:
            message = f"{what}: {count} arrivals in hour {hour}, where {mean:.1f} are expected"
            raise SystemExit(message)


if __name__ == "__main__":
    program.run(__doc__, measure, rounds=5, size=200_000)
