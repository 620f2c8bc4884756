"""The ageing of links: each is retired after its lifetime, and gives a sign of life now and then.

Source: HikariCP 7, ``HikariPool.MaxLifetimeTask`` and ``HikariPool.KeepaliveTask``.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from foundation_lab.services.pooling.link import Link, retire_at

if TYPE_CHECKING:
    from foundation_lab.services.pooling.link_stock import LinkStock
    from foundation_lab.services.pooling.pool_terms import PoolTerms
    from foundation_lab.simulation.engine import Simulation

KEEPALIVE_VARIANCE: Final = 0.2
"""The share by which the time between two signs of life is shortened at most."""


class LinkAgeing:
    """The timers of links.

    Args:
        sim: The simulation.
        pool: The pool's name, for the streams.
        stock: Where the links are.
    """

    def __init__(self, sim: Simulation, pool: str, stock: LinkStock) -> None:
        self._sim = sim
        self._stock = stock
        self._terms = stock.terms
        self._lifetimes = sim.stream(f"connection_manager.{pool}.lifetime")
        self._intervals = sim.stream(f"connection_manager.{pool}.keepalive")

    @staticmethod
    def wanted(terms: PoolTerms) -> bool:
        """Return whether links age at all."""
        return terms.max_lifetime is not None or terms.keepalive_time is not None

    def begin(self, link: Link) -> None:
        """Set the timers of a link that was just opened."""
        terms = self._terms
        if terms.max_lifetime is not None:
            draw = self._lifetimes.random()
            end = retire_at(link.born, terms.max_lifetime, terms.lifetime_variance, draw)
            link.lifetime = self._sim.call_at(end, partial(self._retire, link))
        if terms.keepalive_time is not None:
            shorter = KEEPALIVE_VARIANCE * self._intervals.random()
            self._beat_later(link, terms.keepalive_time * (1 - shorter))

    # -- private -------------------------------------------------------------------------------

    def _retire(self, link: Link) -> None:
        """Close a link if it is idle; otherwise it is closed when it comes back."""
        stock = self._stock
        link.ending = "max_lifetime"
        if stock.spare > 0 and link in stock.idle:
            stock.evict(link, "max_lifetime")

    def _beat_later(self, link: Link, interval: float) -> None:
        link.heartbeat = self._sim.call_in(interval, partial(self._beat, link, interval))

    def _beat(self, link: Link, interval: float) -> None:
        """Check a link if it is idle; nobody gets it meanwhile."""
        stock = self._stock
        if link not in stock.idle or not stock.slots.try_acquire():
            self._beat_later(link, interval)
            return
        stock.idle.remove(link)
        stock.checking += 1
        took = self._terms.check.takes(link, stock.checks)
        link.heartbeat = self._sim.call_in(took, partial(self._heard, link, took, interval))

    def _heard(self, link: Link, took: float, interval: float) -> None:
        stock = self._stock
        stock.checking -= 1
        if not self._terms.check.passed(link, took):
            link.ending = "invalid"
        self._beat_later(link, interval)
        reason = stock.put(link)
        if reason is not None:
            stock.ask()
            stock.tell_evicted(link, reason)
