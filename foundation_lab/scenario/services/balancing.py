"""How a load balancer picks hosts, in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from foundation_lab import services as made
from foundation_lab.scenario.section import Positive, Section, Whole
from foundation_lab.services.balancing.algorithms import as_algorithm

if TYPE_CHECKING:
    from foundation_lab.services.balancing.algorithm import Algorithm


class PeakEwmaSpec(Section):
    """The host that is expected to answer first, by what it took lately."""

    kind: Literal["peak_ewma"]
    decay_time: Positive = 10.0
    """Seconds after which what was measured counts for about a third."""

    def build(self) -> Algorithm:
        """Return the algorithm."""
        return made.PeakEwma(self.decay_time)


class ConsistentHashSpec(Section):
    """The same key goes to the same host; few keys move when a host comes or goes."""

    kind: Literal["consistent_hash"]
    hashes: Whole = 40
    """How many points each host has on the ring."""
    bound: Annotated[float, Field(gt=1, allow_inf_nan=False)] | None = None
    """How many times the mean of all requests a host may have at most; no limit without it."""

    def build(self) -> Algorithm:
        """Return the algorithm."""
        return made.ConsistentHash(self.hashes, self.bound)


class MaglevSpec(Section):
    """The same key goes to the same host, by a table that all hosts have equal parts of."""

    kind: Literal["maglev"]
    table_size: Annotated[int, Field(ge=2, le=10_000_019)] = 65537
    """How many places the table has: a prime, much larger than the number of hosts."""

    @field_validator("table_size")
    @classmethod
    def _is_prime(cls, size: int) -> int:
        made.Maglev(size)  # refuses in words
        return size

    def build(self) -> Algorithm:
        """Return the algorithm."""
        return made.Maglev(self.table_size)


AnyAlgorithm = (
    Literal[
        "round_robin",
        "random",
        "weighted",
        "least_loaded",
        "power_of_two",
        "peak_ewma",
        "consistent_hash",
        "maglev",
    ]
    | Annotated[PeakEwmaSpec | ConsistentHashSpec | MaglevSpec, Field(discriminator="kind")]
)
"""The name of an algorithm, or one with options."""


def algorithm_of(spec: AnyAlgorithm) -> Algorithm:
    """Return a new algorithm."""
    return as_algorithm(spec) if isinstance(spec, str) else spec.build()


def name_of(spec: AnyAlgorithm) -> str:
    """Return the name of an algorithm."""
    return spec if isinstance(spec, str) else spec.kind
