"""What requests ask for: a key each, drawn from the workload's own stream."""

from __future__ import annotations

from bisect import bisect
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from foundation_lab.scenario.section import NotNegative, Section

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

Many = Annotated[int, Field(ge=1, le=1_000_000)]


class UniformKeys(Section):
    """All keys are asked for equally often."""

    kind: Literal["uniform"]
    count: Many
    """How many keys there are."""

    def build(self, stream: random.Random) -> Callable[[], str]:
        """Return what draws a key."""
        return lambda: f"key-{int(stream.random() * self.count) + 1}"


class ZipfKeys(Section):
    """A few keys are asked for often: the k-th as often as 1 / k ** exponent says."""

    kind: Literal["zipf"]
    count: Many
    """How many keys there are."""
    exponent: NotNegative = 1.0
    """How unequal they are; 0 makes them equal."""

    def build(self, stream: random.Random) -> Callable[[], str]:
        """Return what draws a key."""
        sums = list(accumulate(k**-self.exponent for k in range(1, self.count + 1)))

        def draw() -> str:
            return f"key-{bisect(sums, stream.random() * sums[-1], hi=self.count - 1) + 1}"

        return draw


AnyKeys = Annotated[UniformKeys | ZipfKeys, Field(discriminator="kind")]
