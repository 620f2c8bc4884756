"""The connection manager: a pool of connections, lent to one owner each.

`size` connections are kept; up to `max_overflow` more are opened when all are out, and closed again
when they come back. Who finds none waits in line, first in first out, at most `checkout_timeout`.
A connection whose owner's process ends without giving it back is taken back at that instant.

With `opened_by="caller"` it works as SQLAlchemy's ``QueuePool`` does: a checkout that finds a place
and no idle connection opens one itself. With `opened_by="pool"` it works as HikariCP does: the pool
opens connections in the background, and a checkout waits until one comes free or is added.
docs/services/connection_manager.md says what is the same there and what differs.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from foundation_lab.errors import ConnectFailed, ConnectionLost
from foundation_lab.services.arguments import positive, positive_or_none, whole
from foundation_lab.services.pooling.connecting import Connecting
from foundation_lab.services.pooling.connection import Connection
from foundation_lab.services.pooling.connection_pool import ConnectionPool
from foundation_lab.services.pooling.link_check import LinkCheck
from foundation_lab.services.pooling.pool_terms import PoolTerms
from foundation_lab.simulation.distributions import as_distribution
from foundation_lab.simulation.invocation import invoke
from foundation_lab.simulation.process import Process
from foundation_lab.simulation.timer import Timer
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.services.pooling.link_stock import LinkStock
    from foundation_lab.services.pooling.pool_terms import OpenedBy, Order
    from foundation_lab.simulation.distributions import Distribution
    from foundation_lab.simulation.engine import Simulation


class ConnectionManager(ConnectionPool):
    """A pool of connections.

    ``ConnectionManager(sim, "db", **pool_presets.hikaricp())`` has the defaults of another library.

    Args:
        sim: The simulation.
        name: The pool's name, `pool_id` in its events.
        size: How many connections are kept.
        max_overflow: How many more may be opened for a time.
        checkout_timeout: Seconds to wait for a connection; for ever when it is ``None``. A
            connection that comes free at the very instant at which they are over is in time.
        health_interval: Seconds between two health checks; none without it.
        min_idle: How many idle connections the pool begins with and, when it opens them itself,
            tries to keep; by default `size`, or 0 where callers open them and that takes time.
        order: Whether the connection is lent first that came back first (``fifo``) or last.
        opened_by: Who opens connections: the ``caller`` who needs one, or the ``pool``.
        connect_time: What it takes to open one: seconds, or what they are drawn from.
        connect_failure: The chance that it fails; or a function that says so, called with the
            virtual time at which an attempt ends.
        validation: Whether a connection is checked before it is lent.
        validation_time: What a check takes: seconds, or what they are drawn from.
        validation_timeout: Seconds after which a check is given up, and the connection with it.
        alive_bypass: A connection that was used within so many seconds is not checked; without it
            each one is that was lent before.
        invalidate_all: Whether all connections are closed, each when it is wanted next, after one
            of them turned out to be dead.
        recycle: A connection that was begun to open longer ago than so many seconds is replaced
            when it is wanted.
        max_lifetime: Seconds after which a connection is closed, or once it comes back.
        lifetime_variance: The share by which that may be earlier, drawn for each connection.
        idle_timeout: A connection that was idle for longer than so many seconds is closed in the
            next round of the housekeeping, if more than `min_idle` are idle.
        housekeeping_period: Seconds between two rounds.
        keepalive_time: Seconds, up to a fifth less, after which an idle connection is checked.
        leak_threshold: Seconds after which a connection that is out is reported; it stays out.
    """

    def __init__(
        self,
        sim: Simulation,
        name: str,
        *,
        size: int,
        max_overflow: int = 0,
        checkout_timeout: float | None = 30.0,
        health_interval: float | None = None,
        min_idle: int | None = None,
        order: Order = "fifo",
        opened_by: OpenedBy = "caller",
        connect_time: float | Distribution = 0.0,
        connect_failure: float | Callable[[float], bool] = 0.0,
        validation: bool = False,
        validation_time: float | Distribution = 0.0,
        validation_timeout: float = 5.0,
        alive_bypass: float | None = None,
        invalidate_all: bool = False,
        recycle: float | None = None,
        max_lifetime: float | None = None,
        lifetime_variance: float = 0.0,
        idle_timeout: float | None = None,
        housekeeping_period: float = 30.0,
        keepalive_time: float | None = None,
        leak_threshold: float | None = None,
    ) -> None:
        if checkout_timeout is not None:
            positive("checkout_timeout", checkout_timeout, zero=True)
        if alive_bypass is not None:
            positive("alive_bypass", alive_bypass, zero=True)
        self.leak_threshold = positive_or_none("leak_threshold", leak_threshold)
        terms = PoolTerms(
            max_overflow=max_overflow,
            min_idle=min_idle,
            order=order,
            opened_by=opened_by,
            connecting=Connecting(sim, name, connect_time, connect_failure),
            check=LinkCheck(
                as_distribution(validation_time),
                positive("validation_timeout", validation_timeout),
                alive_bypass,
            ),
            validation=validation,
            invalidate_all=invalidate_all,
            recycle=recycle,
            max_lifetime=max_lifetime,
            lifetime_variance=lifetime_variance,
            idle_timeout=idle_timeout,
            housekeeping_period=housekeeping_period,
            keepalive_time=keepalive_time,
        )
        super().__init__(
            sim,
            name,
            size=whole("size", size),
            checkout_timeout=checkout_timeout,
            terms=terms,
            health_interval=health_interval,
        )
        self._is_acquired = sim.telemetry.emitting(events.connection.ConnectionAcquired)
        self._is_released = sim.telemetry.emitting(events.connection.ConnectionReleased)

    # -- lending -------------------------------------------------------------------------------

    def checkout(self) -> Generator[Any, Any, Connection]:
        """Wait for a connection and lend it to the running process (``yield from``).

        Returns:
            The connection; give it back with ``connection.release()`` or by ``with``.

        Raises:
            CheckoutTimeout: None came free in time.
            ConnectFailed: The caller could not open one, or a fault made it fail.
            ServiceDown: The pool is down or drains, or went down meanwhile.
        """
        connection = yield from self._checkout()
        connection.watch_owner()
        return connection

    def call(self, fn: Callable[[], Any]) -> Generator[Any, Any, Any]:
        """Call `fn` while holding a connection (``yield from``).

        Returns:
            What `fn` came to.

        Raises:
            CheckoutTimeout: No connection came free in time.
            ConnectFailed: The caller could not open one, or a fault made it fail.
            ConnectionLost: The connection was dead or died, or the pool went down meanwhile.
            ServiceDown: The pool is down or drains.
        """
        connection = yield from self._checkout()
        link = connection.link
        try:
            if link.dead:
                self._refuse(connection)
            result = yield from invoke(fn)
            if connection.lost or link.dead:
                raise self._lost(connection)
            return result
        finally:
            self.release(connection)

    def use(self, connection: Connection, fn: Callable[[], Any]) -> Generator[Any, Any, Any]:
        """Call `fn`, which uses a connection that is out (``yield from``); see `Connection.use`."""
        if connection.link.dead and not connection.lost:
            self._refuse(connection)
        if not connection.lost:
            result = yield from invoke(fn)
        if connection.lost or connection.link.dead:
            raise self._lost(connection)
        return result

    def release(self, connection: Connection) -> None:
        """Take a connection back; the first in line gets it.

        A connection of a pool that went down meanwhile is gone already; that is no error.

        Raises:
            RuntimeError: It was given back before.
        """
        if connection.lost:
            connection.released = True
            return
        if connection.released:
            message = f"connection {connection.connection_id!r} was given back twice"
            raise RuntimeError(message)
        connection.released = True
        if connection.watching:
            connection.stop_watching()
        leak = self._out.pop(connection)
        if leak is not None:
            leak.cancel()
        stock, link, now = self._stock, connection.link, self.sim.now
        if stock.careful or link.ending is not None or len(stock.idle) >= stock.keeps:
            self._put(stock, connection)
            return
        link.used = now
        stock.idle.append(link)
        stock.slots.release()
        self._is_released(self.name, connection.name, now - connection.since)

    def reclaim(self, connection: Connection) -> None:
        """Take a connection back whose owner ended without giving it back."""
        if not (connection.released or connection.lost):
            self._failed(ConnectionLost("its owner ended without giving it back"))
            self.release(connection)

    # -- private -------------------------------------------------------------------------------

    def _checkout(self) -> Generator[Any, Any, Connection]:
        if self.impairments.active:
            yield from self._struck()
        sim, stock = self.sim, self._stock
        owner = sim._active_proc
        if owner.__class__ is not Process:
            owner = sim.running_process(f"a checkout from pool {self.name!r}")
        if not self.up or stock.draining:
            down = self._down()
            self._failed(down)
            raise down
        asked = now = sim.now
        slots = stock.slots
        turn = slots.claim()
        if turn is None and stock.hasty and stock.idle:
            link = stock.pick()
        else:
            link = yield from self._search.obtain(turn, owner)
            now = sim.now
        connection = Connection(self, owner, slots, now, link.name, link=link)
        leak = None
        if self.leak_threshold is not None:
            tell = partial(self._leaks, connection)
            leak = Timer(sim, now + self.leak_threshold, tell, last=True)
        self._out[connection] = leak
        self._is_acquired(self.name, link.name, now - asked)
        return connection

    def _struck(self) -> Generator[Any, Any, None]:
        """Be late, or fail to connect, as faults will."""
        yield from self.impairments.arrive()
        if self.up and self.impairments.draws_error():
            error = ConnectFailed(f"pool {self.name!r} could not connect")
            self._failed(error)
            raise error

    def _refuse(self, connection: Connection) -> None:
        """Have the use of a dead connection fail."""
        if connection.link.ending != "invalid":
            connection.link.ending = "invalid"
            self._stock.invalidate_all()
            self._failed(self._lost(connection))
        raise self._lost(connection)

    def _lost(self, connection: Connection) -> ConnectionLost:
        if connection.lost:
            return ConnectionLost(f"pool {self.name!r} went down during the call")
        return ConnectionLost(f"connection {connection.name!r} of pool {self.name!r} is dead")

    def _leaks(self, connection: Connection) -> None:
        owner, out_for = connection.owner.name, self.sim.now - connection.since
        event = events.connection.LeakDetected(self.name, connection.name, owner, out_for)
        self._emit(event)

    def _put(self, stock: LinkStock, connection: Connection) -> None:
        """Take a connection back that may have to be closed."""
        link = connection.link
        link.used = self.sim.now
        reason = stock.put(link)
        self._is_released(self.name, link.name, self.sim.now - connection.since)
        if reason is not None:
            stock.tell_evicted(link, reason)
        self._see_whether_empty()
