"""The algorithms of load balancing by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from foundation_lab.errors import UnknownName
from foundation_lab.services.balancing.algorithm import (
    Algorithm,
    LeastLoaded,
    PowerOfTwo,
    RandomPick,
    RoundRobin,
    SmoothWeighted,
)
from foundation_lab.services.balancing.consistent_hash import ConsistentHash
from foundation_lab.services.balancing.maglev import Maglev
from foundation_lab.services.balancing.peak_ewma import PeakEwma

if TYPE_CHECKING:
    from collections.abc import Callable

ALGORITHMS: Final[dict[str, Callable[[], Algorithm]]] = {
    cls.name: cls
    for cls in (
        RandomPick,
        RoundRobin,
        SmoothWeighted,
        LeastLoaded,
        PowerOfTwo,
        PeakEwma,
        ConsistentHash,
        Maglev,
    )
}


def as_algorithm(algorithm: str | Algorithm) -> Algorithm:
    """Return an algorithm, given as it is or by its name.

    Raises:
        UnknownName: There is none of that name.
        TypeError: It is neither.
    """
    if isinstance(algorithm, Algorithm):
        return algorithm
    if not isinstance(algorithm, str):
        message = f"algorithm={algorithm!r}; give one of {', '.join(ALGORITHMS)}, or an Algorithm"
        raise TypeError(message)
    if algorithm not in ALGORITHMS:
        raise UnknownName.among("algorithm", algorithm, ALGORITHMS)
    return ALGORITHMS[algorithm]()
