"""Queues: M/M/1 and M/M/4 at a load of 0.8, against plain SimPy.

The engine alone, no event is emitted. `SimPy's spelling` is the very same model on both sides,
with `env.timeout`, `env.process` and `with server.request() as request`, on SimPy's environment
and resource, and on a `Simulation` with the resource that comes with it. `Native waits` is the
model as one writes it for this engine, with plain numbers and slots, against the same SimPy model.
Both draw the same numbers from `random.Random`, one customer at a time and inside of what is timed;
in the rows `drawn before` the draws are a list that both are given, so that what remains is the
engine. Every wait is compared with its twin, as an equal float.

    python benchmarks/queues.py [ROUNDS] [CUSTOMERS]
"""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, Any

import program
import simpy
from race import Contender, race, same
from row import Row
from waits import NATIVE, NO_NATIVE, Resource, slots

from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    Draws = Iterable[tuple[float, float]]

LOAD, SEED = 0.8, 7
SPELLING_BAR, NATIVE_BAR = 2.5, 4.0


def draws(customers: int, servers: int) -> Iterator[tuple[float, float]]:
    """Return the time to each customer's arrival since the last one, and that of its service."""
    arrivals, services = random.Random(SEED), random.Random(SEED + 1)  # noqa: S311  (repeatable)
    rate = LOAD * servers
    return ((arrivals.expovariate(rate), services.expovariate(1.0)) for _ in range(customers))


# -- the model in SimPy's spelling -------------------------------------------------------------


def spelled_as_in_simpy(
    env: simpy.Environment, server: simpy.Resource, drawn: Draws
) -> list[float]:
    """Run the queue and return how long each customer waited."""
    waits: list[float] = []
    env.process(source(env, server, drawn, waits))
    env.run()
    return waits


def source(
    env: simpy.Environment, server: simpy.Resource, drawn: Draws, waits: list[float]
) -> Generator[Any, Any, None]:
    for gap, service in drawn:
        yield env.timeout(gap)
        env.process(customer(env, server, service, waits))


def customer(
    env: simpy.Environment, server: simpy.Resource, service: float, waits: list[float]
) -> Generator[Any, Any, None]:
    arrived = env.now
    with server.request() as request:
        yield request
        waits.append(env.now - arrived)
        yield env.timeout(service)


# -- the model with native waits ---------------------------------------------------------------


def written_natively(sim: Simulation, server: Any, drawn: Draws) -> list[float]:
    """Run the queue and return how long each customer waited."""
    waits: list[float] = []
    sim.process(native_source(sim, server, drawn, waits))
    sim.run()
    return waits


def native_source(
    sim: Simulation, server: Any, drawn: Draws, waits: list[float]
) -> Generator[Any, Any, None]:
    for gap, service in drawn:
        yield gap
        sim.process(native_customer(sim, server, service, waits))


def native_customer(
    sim: Simulation, server: Any, service: float, waits: list[float]
) -> Generator[Any, Any, None]:
    arrived = sim.now
    turn = server.claim()
    if turn is not None:
        yield turn
    waits.append(sim.now - arrived)
    yield service
    server.release()


# -- the three ways to run it ------------------------------------------------------------------


def plain_simpy(servers: int, drawn: Draws) -> list[float]:
    """Return the waits on SimPy's environment."""
    env = simpy.Environment()
    return spelled_as_in_simpy(env, simpy.Resource(env, servers), drawn)


def ours_as_in_simpy(servers: int, drawn: Draws) -> list[float]:
    """Return the waits of the same model on a simulation."""
    sim = Simulation(SEED)
    return spelled_as_in_simpy(sim, Resource(sim, servers), drawn)


def ours_natively(servers: int, drawn: Draws) -> list[float]:
    """Return the waits of the native model."""
    sim = Simulation(SEED)
    return written_natively(sim, slots(sim, servers), drawn)


# -- measuring ---------------------------------------------------------------------------------


def measure(rounds: int, size: int) -> list[Row]:
    """Return the rows of both queues, and of the first one without the drawing."""
    rows = []
    for servers in (1, 4):
        rows += _rows(f"M/M/{servers}", servers, rounds, size, draws, bars=True)
    before = {customers: list(draws(customers, 1)) for customers in (size, max(1, size // 20))}
    rows += _rows(
        "M/M/1, drawn before", 1, rounds, size, lambda customers, _: before[customers], bars=False
    )
    return rows


def _rows(
    what: str,
    servers: int,
    rounds: int,
    size: int,
    drawn: Callable[[int, int], Draws],
    *,
    bars: bool,
) -> list[Row]:
    models = {"SimPy": plain_simpy, "SimPy's spelling": ours_as_in_simpy}
    if NATIVE:
        models["native waits"] = ours_natively
    contenders = {
        name: Contender(partial(_run, model, servers, drawn)) for name, model in models.items()
    }
    seconds = race(contenders, rounds=rounds, size=size, agree=partial(_agree, what))
    return [
        Row(
            what=f"{what}, {name}",
            unit="s",
            ours=seconds.get(name),
            theirs=seconds["SimPy"],
            beside="SimPy",
            at_least=bar if bars else None,
            note=f"{size:,} customers" if name in seconds else NO_NATIVE,
        )
        for name, bar in (("SimPy's spelling", SPELLING_BAR), ("native waits", NATIVE_BAR))
    ]


def _run(
    model: Callable[[int, Draws], list[float]],
    servers: int,
    drawn: Callable[[int, int], Draws],
    customers: int,
) -> list[float]:
    return model(servers, drawn(customers, servers))


def _agree(what: str, waits: dict[str, list[float]]) -> None:
    for name, found in waits.items():
        same(f"wait of {what}, {name},", found, waits["SimPy"])


if __name__ == "__main__":
    program.run(__doc__, measure, rounds=5, size=100_000)
