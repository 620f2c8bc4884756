"""A race: several ways to do the same job, run in turn in this process, by their CPU time.

Each round runs every contender once, every other round in reverse order, so that a machine that
slows down or a heap that grows does not favour one of them. What counts is the median.
"""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")


@dataclass(frozen=True)
class Contender:
    """One way to do the job.

    Attributes:
        run: Does the job at a given size, and returns what came out; this is what is timed.
        facts: Makes of what came out what the contenders are to agree on; not timed.
    """

    run: Callable[[int], Any]
    facts: Callable[[Any], Any] = lambda result: result


def race(
    contenders: Mapping[str, Contender],
    *,
    rounds: int,
    size: int,
    agree: Callable[[dict[str, Any]], None],
) -> dict[str, float]:
    """Return the median CPU seconds of each contender.

    Args:
        contenders: The contenders by name.
        rounds: How often each runs, after a warm-up at a twentieth of the size.
        size: How large the job is.
        agree: Given the facts of each contender after every round; leaves the program when they
            are not the same.
    """
    for contender in contenders.values():
        contender.facts(contender.run(max(1, size // 20)))
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        facts = {}
        for name in list(contenders)[:: -1 if number % 2 else 1]:
            contender = contenders[name]
            took, result = timed(lambda run=contender.run: run(size))
            seconds[name].append(took)
            facts[name] = contender.facts(result)
            del result  # what one contender leaves behind must not burden the next
        agree(facts)
    return {name: statistics.median(times) for name, times in seconds.items()}


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """Call, and return the CPU seconds that it took, and what it returned."""
    gc.collect()
    began = time.process_time()
    result = call()
    return time.process_time() - began, result


def same(what: str, ours: Sequence[Any], theirs: Sequence[Any]) -> None:
    """Leave the program unless two sequences are equal, item by item.

    Raises:
        SystemExit: They are not; the message names the first difference.
    """
    for number, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        if mine != other:
            message = f"the models part: {what} {number} is {mine!r} here and {other!r} there"
            raise SystemExit(message)
    if len(ours) != len(theirs):
        message = f"the models part: {len(ours)} times {what} here and {len(theirs)} there"
        raise SystemExit(message)
