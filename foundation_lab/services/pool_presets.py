"""Connection pools as other libraries come: the defaults of each, for `ConnectionManager`.

``ConnectionManager(sim, "db", **hikaricp())`` is a pool with HikariCP's defaults, and
``ConnectionManager(sim, "db", **(hikaricp() | {"connect_time": 0.05}))`` one that takes 50 ms to
open a connection; how long that takes is a matter of the database, and so is what a check takes.
"""

from __future__ import annotations

from typing import Any


def hikaricp(maximum_pool_size: int = 10, minimum_idle: int | None = None) -> dict[str, Any]:
    """Return the defaults of HikariCP 7.

    Ten connections, opened in the background; a checkout waits 30 s for one and has it checked if
    it was not used for more than 500 ms. A connection lives for 30 minutes, or up to a quarter
    less. One that was idle for more than 10 minutes is closed within 30 s, if there are more than
    `minimum_idle`. Idle connections are checked every two minutes, or up to a fifth less.

    Source: ``HikariConfig.java``, ``HikariPool.java`` and ``CHANGES`` of HikariCP 7. Releases
    before 6.1 spread lifetimes by a fortieth (``lifetime_variance`` 0.025), and those before 6.2.1
    send no sign of life (``keepalive_time`` ``None``). One difference: there a thread gets the
    connection again that it had last, if it can, and otherwise the first idle one in the order of
    opening; here, the one that came back last.

    Args:
        maximum_pool_size: How many connections there are at most.
        minimum_idle: How many idle ones it tries to keep; as many as there are at most by default.
    """
    return {
        "size": maximum_pool_size,
        "min_idle": minimum_idle,
        "opened_by": "pool",
        "order": "lifo",
        "checkout_timeout": 30.0,
        "validation": True,
        "validation_timeout": 5.0,
        "alive_bypass": 0.5,
        "max_lifetime": 1800.0,
        "lifetime_variance": 0.25,
        "idle_timeout": 600.0,
        "housekeeping_period": 30.0,
        "keepalive_time": 120.0,
    }


def sqlalchemy_queue_pool(
    pool_size: int = 5,
    max_overflow: int = 10,
    *,
    recycle: float | None = None,
    pre_ping: bool = False,
    use_lifo: bool = False,
) -> dict[str, Any]:
    """Return the defaults of SQLAlchemy's ``QueuePool``, version 2.

    It begins with no connection; callers open them, up to five that are kept and ten more that are
    closed when they come back. A checkout waits 30 s for one. Neither is anything checked nor
    recycled unless that is asked for; a connection that turns out to be dead makes the pool replace
    all that were opened before.

    Source: ``pool/impl.py`` and ``pool/base.py`` of SQLAlchemy 2.0. Two differences: a pool without
    limits (there ``pool_size=0`` or ``max_overflow=-1``) is not to be had, and resetting a
    connection on its return takes no time.

    Args:
        pool_size: How many connections are kept.
        max_overflow: How many more may be opened for a time.
        recycle: Seconds after which a connection is replaced when it is wanted; never without it.
        pre_ping: Whether each connection is checked before it is lent.
        use_lifo: Whether the connection is lent first that came back last.
    """
    return {
        "size": pool_size,
        "max_overflow": max_overflow,
        "min_idle": 0,
        "opened_by": "caller",
        "order": "lifo" if use_lifo else "fifo",
        "checkout_timeout": 30.0,
        "validation": pre_ping,
        "invalidate_all": True,
        "recycle": recycle,
    }
