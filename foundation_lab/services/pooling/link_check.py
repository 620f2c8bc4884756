"""The check of a link before it is lent: whether it is due, how long it takes, what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import random

    from foundation_lab.services.pooling.link import Link
    from foundation_lab.simulation.distributions import Distribution


class LinkCheck(msgspec.Struct, frozen=True):
    """How links are checked.

    Attributes:
        seconds: What the time is drawn from that an answer takes.
        timeout: After how many seconds without an answer a link is taken for dead; it has to be
            given when links may be silent.
        bypass: A link that was used within so many seconds is taken for alive; without it each
            one is checked that was lent before.
    """

    seconds: Distribution
    timeout: float
    bypass: float | None

    def due(self, link: Link, now: float) -> bool:
        """Return whether a link is checked before it is lent.

        Source: HikariCP, ``HikariPool.getConnection`` (more than `bypass` since its last use);
        SQLAlchemy, ``_ConnectionFairy._checkout`` (everything but a fresh one).
        """
        if self.bypass is None:
            return not link.fresh
        return now - link.used > self.bypass

    def takes(self, link: Link, stream: random.Random) -> float:
        """Return how many seconds a check takes: until the answer, or until the timeout."""
        seconds = self.timeout if link.dead and link.silent else self.seconds.sample(stream)
        return min(seconds, self.timeout)

    def passed(self, link: Link, took: float) -> bool:
        """Return whether a link that was checked for so long is alive; at the timeout it is not."""
        return not link.dead and took < self.timeout
