"""The search for a link: what a checkout does that cannot simply take an idle one.

It waits in line, opens a link, has one checked and takes another. Whatever ends it gives back what
it holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.errors import CheckoutTimeout, ConnectFailed
from foundation_lab.services.pooling.link import outdated
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.services.pooling.connection_pool import ConnectionPool
    from foundation_lab.services.pooling.link import Link
    from foundation_lab.services.pooling.link_stock import LinkStock
    from foundation_lab.simulation.process import Process
    from foundation_lab.simulation.slots import Waiter


class LinkSearch:
    """How the checkouts of one incarnation of a pool come to a link.

    Attributes:
        busy: The processes that open a link, or wait for a check of one.
        failing: Whether the last attempt of a caller to open a link failed.

    Args:
        pool: The pool.
        stock: Its links.
    """

    def __init__(self, pool: ConnectionPool, stock: LinkStock) -> None:
        self.busy: dict[Process, None] = {}
        self.failing = False
        self._pool = pool
        self._stock = stock
        self._terms = pool.terms
        self._sim = pool.sim

    def obtain(self, turn: Waiter | None, owner: Process) -> Generator[Any, Any, Link]:
        """Come to a link that can be lent (``yield from``).

        Args:
            turn: The place in the line, or ``None`` when a place is held already.
            owner: The process that asks.

        Raises:
            CheckoutTimeout: None came free in time.
            ConnectFailed: It could not be opened.
            ServiceDown: The pool drains or went down.
        """
        pool, asked = self._pool, self._sim.now
        try:
            if turn is not None:
                yield from self._wait(turn, pool.checkout_timeout)
            link = yield from self._choose(owner, asked)
            self._require_open()
        except BaseException as error:  # its caller's deadline or interrupt, too
            if isinstance(error, CheckoutTimeout):
                waited = self._sim.now - asked
                pool._emit(events.connection.Timeout(pool.name, waited, pool.waiting))
            pool._failed(error)
            pool._see_whether_empty()
            raise
        link.fresh = False
        return link

    # -- private -------------------------------------------------------------------------------

    def _choose(self, owner: Process, asked: float) -> Generator[Any, Any, Link]:
        """Take links until one is good; a place is held, and given back with any exception."""
        stock = self._stock
        while True:
            link = stock.take()
            if link is None:
                return (yield from self._open(owner))
            reason = None
            if self._terms.looks_at_links:
                reason = yield from self._reason_against(link, owner)
            if reason is None:
                return link
            if not stock.background:
                stock.discard(link)
                stock.tell_evicted(link, reason)
                return (yield from self._open(owner))
            stock.drop(link)
            stock.tell_evicted(link, reason)
            yield from self._wait_again(asked)

    def _reason_against(self, link: Link, owner: Process) -> Generator[Any, Any, str | None]:
        """Return why a link must not be lent, after a check if one is due."""
        terms, stock, now = self._terms, self._stock, self._sim.now
        reason = outdated(link, now, terms.recycle, stock.invalid_before)
        due = terms.validation and terms.check.due(link, now)
        if reason is not None or not due:
            return reason
        took = terms.check.takes(link, stock.checks)
        if took > 0:
            try:
                yield from self._spend(owner, took)
            except BaseException:
                reason = stock.put(link)
                if reason is not None:
                    stock.tell_evicted(link, reason)
                raise
        if terms.check.passed(link, took):
            return None
        stock.invalidate_all()
        return "invalid"

    def _open(self, owner: Process) -> Generator[Any, Any, Link]:
        """Open a link in the caller's process."""
        stock, began = self._stock, self._sim.now
        if not self._terms.connecting.free:
            stock.opening += 1
            try:
                yield from self._connect(owner)
            except BaseException as error:
                stock.opening -= 1
                stock.slots.release()
                if isinstance(error, ConnectFailed):
                    stock.tell_failed("caller", self._sim.now - began)
                raise
            stock.opening -= 1
        link = stock.new(began)
        stock.tell_opened(link)
        return link

    def _connect(self, owner: Process) -> Generator[Any, Any, None]:
        connecting = self._terms.connecting
        yield from self._spend(owner, connecting.takes())
        self.failing = connecting.fails(self._sim.now)
        if self.failing:
            raise ConnectFailed(f"pool {self._pool.name!r} could not open a connection")

    def _spend(self, owner: Process, seconds: float) -> Generator[Any, Any, None]:
        """Wait with a place in hand."""
        self.busy[owner] = None
        try:
            yield seconds
        finally:
            del self.busy[owner]
        self._require_open()

    def _wait(self, turn: Waiter, timeout: float | None) -> Generator[Any, Any, None]:
        yield from self._stock.slots.wait(turn, timeout, self._overdue, self._lined_up)

    def _wait_again(self, asked: float) -> Generator[Any, Any, None]:
        """Line up anew, for what is left of the time."""
        stock, limit = self._stock, self._pool.checkout_timeout
        self._require_open()
        if stock.draining:
            raise self._pool._down()
        left = None if limit is None else asked + limit - self._sim.now
        if left is not None and left < 0:
            raise self._overdue()
        turn = stock.slots.claim()
        if turn is not None:
            yield from self._wait(turn, left)

    def _lined_up(self) -> None:
        pool = self._pool
        self._stock.ask()
        pool._emit(events.connection.Exhausted(pool.name, pool.active, pool.waiting))

    def _require_open(self) -> None:
        """Raise when the pool went down meanwhile, be it by a handler of what was told."""
        if self._stock.closed:
            raise self._pool._down()

    def _overdue(self) -> CheckoutTimeout:
        pool = self._pool
        return CheckoutTimeout(
            f"no connection of pool {pool.name!r} came free within {pool.checkout_timeout:g} s"
        )
