"""Bookkeeping by hand: the recorded queue as a user would write it in plain SimPy.

Without any recording, with a dictionary an event, and with a tuple an event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import simpy

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    Draws = Iterable[tuple[float, float]]

FEE = 1.5

# -- without a recording -----------------------------------------------------------------------


def bare(drawn: Draws) -> float:
    """Run the queue on SimPy, record nothing, and return when it ended."""
    env = simpy.Environment()
    env.process(_bare_source(env, simpy.Resource(env, 1), drawn))
    env.run()
    return env.now


def _bare_source(
    env: simpy.Environment, teller: simpy.Resource, drawn: Draws
) -> Generator[Any, Any, None]:
    for gap, service in drawn:
        yield env.timeout(gap)
        env.process(_bare_customer(env, teller, service))


def _bare_customer(
    env: simpy.Environment, teller: simpy.Resource, service: float
) -> Generator[Any, Any, None]:
    with teller.request() as request:
        yield request
        yield env.timeout(service)


# -- with dictionaries, for pandas -------------------------------------------------------------


def with_dictionaries(drawn: Draws) -> tuple[float, list[dict[str, Any]]]:
    """Run the queue on SimPy, and return when it ended and a dictionary an event."""
    env, rows = simpy.Environment(), []
    env.process(_dictionary_source(env, simpy.Resource(env, 1), drawn, rows))
    env.run()
    return env.now, rows


def _dictionary_source(
    env: simpy.Environment, teller: simpy.Resource, drawn: Draws, rows: list[dict[str, Any]]
) -> Generator[Any, Any, None]:
    for number, (gap, service) in enumerate(drawn):
        yield env.timeout(gap)
        env.process(_dictionary_customer(env, teller, number, service, rows))


def _dictionary_customer(
    env: simpy.Environment,
    teller: simpy.Resource,
    number: int,
    service: float,
    rows: list[dict[str, Any]],
) -> Generator[Any, Any, None]:
    arrived = env.now
    rows.append({"time": env.now, "event": "arrived", "service": "bank", "customer": number})
    rows.append({"time": env.now, "event": "queued", "service": "line", "customer": number})
    with teller.request() as request:
        yield request
        rows.append(
            {
                "time": env.now,
                "event": "began",
                "service": "teller",
                "customer": number,
                "waited": env.now - arrived,
            }
        )
        yield env.timeout(service)
    rows.append(
        {
            "time": env.now,
            "event": "served",
            "service": "teller",
            "customer": number,
            "served": service,
        }
    )
    rows.append(
        {
            "time": env.now,
            "event": "paid",
            "service": "till",
            "customer": number,
            "method": "card",
            "amount": FEE,
        }
    )
    rows.append(
        {
            "time": env.now,
            "event": "departed",
            "service": "bank",
            "customer": number,
            "outcome": "ok",
            "duration": env.now - arrived,
        }
    )


# -- with tuples, for polars -------------------------------------------------------------------

COLUMNS = {
    "time": pl.Float64,
    "event": pl.String,
    "service": pl.String,
    "customer": pl.Int64,
    "label": pl.String,
    "value": pl.Float64,
}


def with_tuples(drawn: Draws) -> tuple[float, list[tuple[Any, ...]]]:
    """Run the queue on SimPy, and return when it ended and a tuple an event."""
    env, rows = simpy.Environment(), []
    env.process(_tuple_source(env, simpy.Resource(env, 1), drawn, rows))
    env.run()
    return env.now, rows


def _tuple_source(
    env: simpy.Environment, teller: simpy.Resource, drawn: Draws, rows: list[tuple[Any, ...]]
) -> Generator[Any, Any, None]:
    for number, (gap, service) in enumerate(drawn):
        yield env.timeout(gap)
        env.process(_tuple_customer(env, teller, number, service, rows))


def _tuple_customer(
    env: simpy.Environment,
    teller: simpy.Resource,
    number: int,
    service: float,
    rows: list[tuple[Any, ...]],
) -> Generator[Any, Any, None]:
    arrived = env.now
    rows.append((env.now, "arrived", "bank", number, None, None))
    rows.append((env.now, "queued", "line", number, None, None))
    with teller.request() as request:
        yield request
        rows.append((env.now, "began", "teller", number, None, env.now - arrived))
        yield env.timeout(service)
    rows.append((env.now, "served", "teller", number, None, service))
    rows.append((env.now, "paid", "till", number, "card", FEE))
    rows.append((env.now, "departed", "bank", number, "ok", env.now - arrived))
