"""A link: what is really open between a pool and a server; a `Connection` is the loan of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from foundation_lab.simulation.timer import Timer

SPREAD_FROM: Final = 10.0
"""Seconds above which lifetimes are spread; as in HikariCP's ``createPoolEntry``."""


class Link(msgspec.Struct, eq=False):
    """A connection that is open, lent or not.

    Attributes:
        name: Its id, unique in its pool for all time.
        started: The virtual time at which somebody began to open it.
        born: The virtual time at which it was open.
        used: The virtual time at which it last came back; before that, `born`.
        fresh: Whether nobody has had it yet.
        dead: Whether it was lost on the way; nobody notices before the link is used or checked.
        silent: Whether a dead link does not answer at all, so that a check of it times out.
        ending: Why it is to be closed as soon as it is not out, if it is.
        lifetime: The timer of its retirement.
        heartbeat: The timer of the next sign of life.
    """

    name: str
    started: float
    born: float
    used: float
    fresh: bool = True
    dead: bool = False
    silent: bool = False
    ending: str | None = None
    lifetime: Timer | None = None
    heartbeat: Timer | None = None

    def close(self) -> None:
        """Forget its timers."""
        for timer in (self.lifetime, self.heartbeat):
            if timer is not None:
                timer.cancel()


def retire_at(born: float, lifetime: float, variance: float, draw: float) -> float:
    """Return when a link is retired that was open at `born`, in virtual seconds.

    It lives for `lifetime` seconds at most, and by up to a share of `variance` less, so that what
    was opened together is not closed together. Lifetimes up to 10 s are not spread.

    Source: HikariCP 7, ``HikariPool.createPoolEntry``: the variance is a quarter of the lifetime
    (its ``lifeTimeVarianceFactor`` is 4; it was a fortieth before release 6.1).

    Args:
        born: When it was open.
        lifetime: How long it lives at most, in seconds.
        variance: The share of its lifetime that it may be retired earlier, 0 to 1.
        draw: A number from 0 up to 1, evenly drawn.

    >>> retire_at(born=100.0, lifetime=1800.0, variance=0.25, draw=0.5)
    1675.0
    >>> retire_at(born=100.0, lifetime=10.0, variance=0.25, draw=0.5)
    110.0
    """
    spread = lifetime * variance * draw if lifetime > SPREAD_FROM else 0.0
    return born + lifetime - spread


def outdated(link: Link, now: float, recycle: float | None, invalid_before: float) -> str | None:
    """Return why a link must not be lent as it is, if there is a reason.

    ``max_lifetime`` and the like when it is marked, ``invalid`` when it is older than what turned
    out to be dead, ``recycled`` when more than `recycle` seconds passed since it was begun to open.

    Source: SQLAlchemy 2, ``_ConnectionRecord.get_connection``, whose comparisons are strict.

    >>> link = Link("db-1", started=0.0, born=1.0, used=1.0)
    >>> outdated(link, now=60.0, recycle=60.0, invalid_before=0.0)
    >>> outdated(link, now=60.5, recycle=60.0, invalid_before=0.0)
    'recycled'
    """
    if link.ending is not None:
        return link.ending
    if link.started < invalid_before:
        return "invalid"
    if recycle is not None and now - link.started > recycle:
        return "recycled"
    return None
