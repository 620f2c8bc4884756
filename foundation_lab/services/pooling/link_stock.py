"""The stock of a pool: its open links, idle or lent, and the places of those who want one.

A stock lasts for one incarnation of its pool. Where the callers open their connections themselves,
there is a place for each connection that may be open. Where the pool opens them, there is one for
each that is open: who waits for a place waits for a connection to come free or to be added.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from typing import TYPE_CHECKING

from foundation_lab.services.pooling.connection_adder import ConnectionAdder
from foundation_lab.services.pooling.housekeeping import HouseKeeper, idle_for_too_long
from foundation_lab.services.pooling.link import Link
from foundation_lab.services.pooling.link_ageing import LinkAgeing
from foundation_lab.simulation.slots import Slots
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from foundation_lab.services.pooling.pool_terms import PoolTerms
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.process import Process


class LinkStock:
    """The links of a pool.

    Attributes:
        careful: Whether somebody has to look when a link is taken or comes back.
        hasty: Whether any idle link will do, so that whoever has a place may `pick` it.

    Args:
        sim: The simulation.
        pool: The pool's name.
        size: How many links are kept.
        terms: What the pool keeps to.
        new_name: Returns a name for a link.
        holders: Returns the processes that hold links.
    """

    def __init__(
        self,
        sim: Simulation,
        pool: str,
        size: int,
        terms: PoolTerms,
        *,
        new_name: Callable[[], str],
        holders: Callable[[], Iterable[Process]],
    ) -> None:
        self.size = size
        self.terms = terms
        self.background = terms.background
        self.min_idle = terms.idle_at_least(size)
        self.draining = False
        self.closed = False
        self.invalid_before = sim.now
        self.opening = 0  # by callers
        self.checking = 0  # for a sign of life
        self.links: dict[str, Link] = {}
        self.idle: deque[Link] = deque()
        self.keeps = size
        self.slots = Slots(sim, max(1, self.limit), f"a connection of pool {pool!r}", holders)
        self.checks = sim.stream(f"connection_manager.{pool}.validation_time")
        self._sim = sim
        self._pool = pool
        self._new_name = new_name
        self._emit = sim.telemetry.emit
        self._keeper = HouseKeeper(sim, terms.housekeeping_period, self._work_is_due, self._clean)
        self._adder = ConnectionAdder(
            sim,
            terms.connecting,
            longest=size,
            needed=self._one_more,
            opened=self._add,
            failed=lambda took: self.tell_failed("pool", took),
        )
        self._ageing = LinkAgeing(sim, pool, self) if LinkAgeing.wanted(terms) else None
        self.pick = self.idle.popleft if terms.order == "fifo" else self.idle.pop
        self.careful = self.background or terms.idle_timeout is not None
        self.hasty = not (self.careful or terms.looks_at_links)
        if self.background:
            self.slots.resize(0)
            self._fill()
        else:
            self.slots.resize(self.limit)  # 0 while a fault takes all
            for _ in range(self.min_idle):
                self.idle.append(self.new(sim.now))

    # -- what is there -------------------------------------------------------------------------

    @property
    def limit(self) -> int:
        """How many links may be open."""
        return self.size + self.terms.max_overflow

    @property
    def connecting(self) -> int:
        """How many links are being opened."""
        return self.opening + self._adder.connecting

    @property
    def failing(self) -> bool:
        """Whether the last attempt of the adder failed."""
        return self._adder.failing

    @property
    def crowded(self) -> bool:
        """Whether there are more links than there should be, since it was made smaller."""
        if self.background:
            return len(self.links) > self.size
        return self.slots.used > self.slots.capacity

    @property
    def spare(self) -> int:
        """How many idle links nobody was promised."""
        return self.slots.free if self.background else len(self.idle)

    # -- links come and go ---------------------------------------------------------------------

    def new(self, began: float) -> Link:
        """Return a link that is open now; whoever calls this has a place for it."""
        now = self._sim.now
        link = Link(self._new_name(), began, now, now)
        self.links[link.name] = link
        if self._ageing is not None:
            self._ageing.begin(link)
        return link

    def tell_opened(self, link: Link) -> None:
        """Emit that a link was opened."""
        took = link.born - link.started
        self._emit(events.connection.Opened(self._pool, link.name, took))

    def tell_failed(self, opened_by: str, took: float) -> None:
        """Emit that a link could not be opened."""
        self._emit(events.connection.ConnectFailed(self._pool, opened_by, took))

    def tell_evicted(self, link: Link, reason: str) -> None:
        """Emit that a link was closed."""
        age = self._sim.now - link.born
        self._emit(events.connection.Evicted(self._pool, link.name, reason, age))

    def take(self) -> Link | None:
        """Take an idle link out, if there is one; the caller has a place."""
        if not self.idle:
            return None
        link = self.pick()
        if self.careful:
            self._keeper.look()
        return link

    def put(self, link: Link) -> str | None:
        """Take a link back, or close it; its place is free afterwards.

        Returns:
            Why it was closed, if it was; the caller tells it with `tell_evicted`.
        """
        if self.closed:
            self.slots.release()
            return None
        reason = self._unwanted(link)
        if reason is not None:
            self.drop(link)
            return reason
        insort(self.idle, link, key=_last_use)
        self.slots.release()
        self._keeper.look()
        return None

    def drop(self, link: Link) -> None:
        """Close a link that is out, and give its place back; the caller tells it."""
        self.discard(link)
        if self.background:
            self.slots.resize(self.slots.capacity - 1)
        self.slots.release()
        self._refill()

    def discard(self, link: Link) -> None:
        """Close a link that is out, and keep its place; the caller tells it."""
        del self.links[link.name]
        link.close()

    def evict(self, link: Link, reason: str) -> None:
        """Close an idle link that nobody was promised."""
        self.idle.remove(link)
        self.discard(link)
        if self.background:
            self.slots.resize(self.slots.capacity - 1)
        self._refill()
        self.tell_evicted(link, reason)

    def invalidate_all(self) -> None:
        """Have all links closed that were begun to open before now, each when it is wanted next."""
        if self.terms.invalidate_all:
            self.invalid_before = self._sim.now

    def ask(self) -> None:
        """Have one more link added for somebody who waits, unless it is on the list already."""
        if self.background and self.slots.waiting > self._adder.queued:
            self._adder.request()

    # -- the whole -----------------------------------------------------------------------------

    def resize(self, size: int) -> None:
        """Keep another number of links; those that are lent beyond it are closed on return."""
        self.size = self._adder.longest = size
        self.min_idle = self.terms.idle_at_least(size)
        self.keeps = 0 if self.draining else size
        victims = []
        if self.background:
            while self.crowded and self.slots.free > 0:
                victims.append(self._remove_oldest())
                self.slots.resize(self.slots.capacity - 1)
            if len(self.links) + self._adder.connecting > size:
                self._adder.stop()
            self._fill()
            self._adder.request(self.slots.waiting)
        else:
            while self.idle and (
                self.slots.used + len(self.idle) > self.limit or len(self.idle) > size
            ):
                victims.append(self._remove_oldest())
            self.slots.resize(self.limit)
        self.careful, self.hasty = True, False
        for link in victims:
            self.tell_evicted(link, "resized")
        self._keeper.look()

    def drain(self) -> None:
        """Keep no link any more: close the idle ones now, the others as they come back."""
        self.draining = self.careful = True
        self.hasty = False
        self.keeps = 0
        self._adder.stop()
        self._keeper.stop()
        idle = list(self.idle)
        for _ in idle:
            self._remove_oldest()
        if self.background:
            self.slots.resize(self.slots.capacity - len(idle))
        for link in idle:
            self.tell_evicted(link, "drained")

    def shut(self) -> None:
        """Forget everything: the pool is down."""
        self.closed = True
        self._adder.stop()
        self._keeper.stop()
        for link in self.links.values():
            link.close()
        self.links.clear()
        self.idle.clear()

    def violations(self, active: int, busy: int) -> list[str]:
        """Return every law that does not hold, in words.

        Args:
            active: How many links are lent.
            busy: How many callers open a link or check one.
        """
        broken = self.slots.violations()
        if self.closed:
            return broken
        idle, used = len(self.idle), self.slots.used
        reach = len(self.links) + self.connecting
        if reach > self.limit and not self.crowded:
            broken.append(
                f"{len(self.links)} open + {self.connecting} connecting exceed {self.limit}"
            )
        if self.crowded and self.spare > 0:
            broken.append(f"{self.spare} are idle although there are too many")
        taken = active + busy + self.checking
        if taken > used:
            broken.append(f"{active} active, {busy} busy, {self.checking} checked in {used} places")
        if self.slots.waiting and idle > used - taken:
            broken.append(f"{self.slots.waiting} wait while {idle} are idle")
        if not 0 <= len(self.links) - idle - active <= used - active:
            broken.append(f"{len(self.links)} open, but {active} active and {idle} idle")
        if idle > self.size:
            broken.append(f"{idle} idle, of which {self.size} are kept")
        return broken

    # -- private -------------------------------------------------------------------------------

    def _unwanted(self, link: Link) -> str | None:
        if self.draining:
            return "drained"
        if link.ending is not None:
            return link.ending
        if self.crowded:
            return "resized"
        return "overflow" if len(self.idle) >= self.keeps else None

    def _remove_oldest(self) -> Link:
        link = self.idle.popleft()
        self.discard(link)
        return link

    def _refill(self) -> None:
        if not self.draining:
            self._fill()
            self._keeper.look()

    # -- opening in the background -------------------------------------------------------------

    def _fill(self) -> None:
        if self.background and not self.closed and len(self.links) < self.size:
            self._adder.request(max(0, self.min_idle - self.spare))

    def _one_more(self) -> bool:
        spare = self.spare
        wanted = spare < self.min_idle or self.slots.waiting > spare
        return len(self.links) < self.size and wanted

    def _add(self, began: float) -> None:
        link = self.new(began)
        self.idle.append(link)
        self.slots.resize(self.slots.capacity + 1)
        self._keeper.look()
        self.tell_opened(link)

    # -- housekeeping --------------------------------------------------------------------------

    def _work_is_due(self) -> bool:
        if self.draining or self.closed:
            return False
        if self.terms.idle_timeout is not None and self.min_idle < self.size:
            return len(self.idle) > self.min_idle or self._lacks()
        return self._lacks()

    def _lacks(self) -> bool:
        return self.background and len(self.links) < self.size and self.spare < self.min_idle

    def _clean(self) -> None:
        timeout, now = self.terms.idle_timeout, self._sim.now
        if timeout is not None and self.min_idle < self.size:
            number = self.spare - self.min_idle
            for link in idle_for_too_long(self.idle, number, now, timeout):
                if link in self.idle and self.spare > self.min_idle:  # a handler may act
                    self.evict(link, "idle_timeout")
        self._fill()


def _last_use(link: Link) -> float:
    return link.used
