"""Whatever happens to a pool at whatever instant: its laws hold, and every place comes back."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import ServiceError
from foundation_lab.services import ConnectionManager
from foundation_lab.simulation.distributions import uniform
from foundation_lab.simulation.engine import Simulation
from tests.services.pools import at, checks

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.simulation.process import Process

tenths = st.integers(0, 30).map(lambda k: k / 10)

ways = st.sampled_from(["call", "with", "forget", "use"])

acts = st.sampled_from(
    [
        "interrupt",
        "interrupt",
        "kill",
        "restart",
        "crash",
        "break",
        "break silently",
        "kill connection",
        "resize",
        "resize",
        "drain",
    ]
)

options = st.fixed_dictionaries(
    {
        "size": st.integers(1, 3),
        "checkout_timeout": st.sampled_from([None, 0.0, 0.5, 1.0]),
        "order": st.sampled_from(["fifo", "lifo"]),
        "connect_time": st.sampled_from([0.0, 0.1, 0.5, uniform(0.0, 0.3)]),
        "connect_failure": st.sampled_from([0.0, 0.3, lambda now: 1 <= now < 2]),
        "validation": st.booleans(),
        "validation_time": st.sampled_from([0.0, 0.1, uniform(0.0, 0.3)]),
        "validation_timeout": st.sampled_from([0.2, 1.0]),
        "alive_bypass": st.sampled_from([None, 0.0, 0.5]),
        "invalidate_all": st.booleans(),
        "recycle": st.sampled_from([None, None, 1.0]),
        "max_lifetime": st.sampled_from([None, None, 0.5, 1.5]),
        "lifetime_variance": st.sampled_from([0.0, 0.25]),
        "idle_timeout": st.sampled_from([None, 0.5]),
        "housekeeping_period": st.sampled_from([0.3, 1.0]),
        "keepalive_time": st.sampled_from([None, None, 0.4]),
        "leak_threshold": st.sampled_from([None, 0.5]),
    }
)

openings = st.one_of(
    st.builds(lambda overflow: {"max_overflow": overflow}, st.integers(0, 2)),
    st.builds(
        lambda idle: {"opened_by": "pool", "min_idle": idle}, st.sampled_from([None, 0, 1, 2])
    ),
)


class World:
    """A pool, its users, and what is done to it."""

    def __init__(self, terms: dict[str, Any]) -> None:
        self.sim = Simulation(seed=28)
        self.pool = ConnectionManager(self.sim, "db", **terms)
        self.processes: list[Process] = []

    def user(self, start: float, hold: float, way: str) -> Generator[Any, Any, None]:
        sim, pool = self.sim, self.pool
        try:
            yield from sim.sleep(start)
            if way == "call":
                yield from pool.call(lambda: sim.sleep(hold))
            elif way == "forget":
                yield from pool.checkout()
                yield from sim.sleep(hold)
            else:
                with (yield from pool.checkout()) as connection:
                    yield from connection.use(lambda: sim.sleep(hold))
                    if way == "use":
                        yield from connection.use(lambda: sim.sleep(hold))
        except (ServiceError, simpy.Interrupt):
            if way == "forget":
                return  # holding its connection still
            with suppress(simpy.Interrupt):  # of the test; an exception of the pool would be stray
                yield from sim.sleep(0.1)

    def drain(self) -> Generator[Any, Any, None]:
        with suppress(ServiceError):
            yield from self.pool.drain(grace=1.0)

    def do(self, act: str, which: int) -> None:  # noqa: C901  (one case an act)
        pool = self.pool
        match act:
            case "interrupt" if self.processes:
                victim = self.processes[which % len(self.processes)]
                if victim.is_alive:
                    victim.interrupt()
            case "kill":
                pool.kill()
            case "crash":
                pool.kill()
                pool.restart()
            case "restart" if not pool.up:
                pool.restart()
            case "break":
                pool.break_idle()
            case "break silently":
                pool.break_idle(silent=True)
            case "kill connection" if pool.connection_ids:
                pool.kill_connection(pool.connection_ids[which % len(pool.connection_ids)])
            case "resize":
                pool.resize(1 + which % 4)
            case "drain" if pool.up:
                self.sim.process(self.drain(), name="drainer")


@settings(max_examples=400)
@given(
    terms=st.builds(lambda one, other: one | other, options, openings),
    users=st.lists(st.tuples(tenths, tenths, ways), min_size=2, max_size=9),
    script=st.lists(st.tuples(tenths, acts, st.integers(0, 30)), max_size=8),
)
def test_whatever_happens_at_whatever_instant_the_laws_hold_and_every_place_comes_back(
    terms: dict[str, Any],
    users: list[tuple[float, float, str]],
    script: list[tuple[float, str, int]],
) -> None:
    if "opened_by" not in terms and not (
        terms["connect_time"] == 0 and terms["connect_failure"] == 0
    ):
        terms["min_idle"] = None
    world = World(terms)
    sim, pool = world.sim, world.pool
    sim.telemetry.attach("laws", "**", lambda _record: sim.check_invariants(), on_error="raise")
    world.processes = [sim.process(world.user(*plan)) for plan in users]
    for k, (time, act, which) in enumerate(script):
        call = lambda act=act, which=which: world.do(act, which)  # noqa: E731
        if k % 2:
            at(sim, time, call)
        else:
            sim.call_at(time, call)
    while sim.peek() < 12:
        sim.step()
        sim.check_invariants()
    if not pool.up:
        pool.restart()
    if terms["checkout_timeout"] is None:  # whoever waits may do so for ever, if nothing connects
        for process in world.processes:
            if process.is_alive:
                process.interrupt()
    sim.run(until=20)
    assert not [process for process in world.processes if process.is_alive]
    pool.check_health()
    sim.check_invariants()
    assert (pool.active, pool.waiting) == (0, 0)
    if terms["keepalive_time"] is None and pool.up and not pool.connecting:
        checks(sim, pool)
