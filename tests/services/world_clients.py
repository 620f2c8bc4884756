"""Who calls in a drawn world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.traffic.arrivals import constant_rate, poisson, timestamps
from foundation_lab.simulation.workload import Workload
from foundation_lab.simulation.workloads.closed_loop import ClosedLoop
from foundation_lab.simulation.workloads.journey import PageGraph
from foundation_lab.simulation.workloads.paced_users import PacedUsers
from foundation_lab.simulation.workloads.sessions import Sessions
from foundation_lab.simulation.workloads.trace_replay import TraceReplay

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.services.worlds import World

ARRIVALS = [
    constant_rate(2),
    constant_rate(4),
    constant_rate(1),
    timestamps([0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 4.0, 4.0, 6.0, 7.5]),
    poisson(2),
]


def add_a_client(world: World, end: Callable[[], Any], stages: list[Any]) -> None:
    """Let somebody call an end through some stages."""
    pick, sim = world.pick, world.sim
    name = world.name("client")
    call = world.caller(name, stages, end)
    arrivals = pick(ARRIVALS)
    kind = pick(["open", "limited", "closed", "paced", "sessions", "graph", "trace"])
    node = pick([None, "a"])
    if kind == "open":
        Workload(sim, name, arrivals, call, node=node)
    elif kind == "limited":
        Workload(sim, name, arrivals, call, max_in_flight=pick([1, 2]))
    elif kind == "closed":
        ClosedLoop(
            sim,
            name,
            users=pick([2, 1, 3]),
            call=call,
            think_time=pick([0.25, 0.5]),
            stages=pick([(), [(2.0, 4), (2.0, 0), (0.0, 2)]]),
        )
    elif kind == "paced":
        PacedUsers(sim, name, pick([1, 2]), arrivals, call, pinned=pick([True, False]))
    elif kind == "sessions":
        steps: list[Any] = [("home", call), ("search", call, 0.25), ("cart", call)]
        thought = pick([0.5, exponential(0.5)])
        patience = pick([1, 3])
        Sessions(sim, name, arrivals, steps, think_time=thought, max_failures=patience)
    elif kind == "graph":
        pages = {"home": call, "cart": call}
        graph = PageGraph(pages, {"home": {"cart": 0.5}, "cart": {"home": 0.25}})
        Sessions(sim, name, arrivals, graph, think_time=0.25, max_failures=2)
    else:
        TraceReplay(sim, name, [(0.0,), (0.0,), (0.5,), (1.0,)], call, time=0, repeat=5)
