"""From a validated scenario to a simulation that is ready to run."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from foundation_lab import agents
from foundation_lab.scenario import agent_specs
from foundation_lab.scenario.calls import call_through
from foundation_lab.scenario.duration_specs import distribution
from foundation_lab.scenario.faults.fault import OnServices
from foundation_lab.scenario.faults.on_surroundings import ClockSkewSpec, LoadStepSpec
from foundation_lab.scenario.nodes import node_of, nodes_of
from foundation_lab.scenario.references import COORDINATOR
from foundation_lab.scenario.services.service import Parts
from foundation_lab.simulation.clock import NodeClock
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import Node, inject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from foundation_lab.recording.keeping import Keep
    from foundation_lab.scenario.faults.fault import FaultSection
    from foundation_lab.scenario.model import Scenario
    from foundation_lab.scenario.workloads.workload import Facts


def build(
    scenario: Scenario,
    *,
    keep: Keep | None = None,
    row_limit: int | None = None,
    spill_folder: Path | None = None,
) -> Simulation:
    """Return a simulation with everything that a scenario names; nothing has happened in it yet.

    Args:
        scenario: The scenario; arrivals from files must be read already.
        keep: What to keep of the run, instead of what the scenario says.
        row_limit: How many events stay in memory; more are spilled to disk.
        spill_folder: Where they are spilled to.
    """
    sim = Simulation(
        scenario.seed,
        name=scenario.name,
        start=None if scenario.start is None else datetime.fromisoformat(scenario.start),
        keep=scenario.keep if keep is None else keep,
        row_limit=row_limit,
        spill_folder=spill_folder,
    )
    sim.scenario = scenario.model_dump(mode="json", by_alias=True)
    services = build_services(sim, scenario)
    _set_clocks(sim, scenario, services)
    of_load = [fault for fault in scenario.faults if isinstance(fault, LoadStepSpec)]
    for fault in scenario.faults:
        if fault not in of_load:
            _schedule(sim, fault, services)

    def through(path: Sequence[str], facts: Facts) -> Callable[[], Any]:
        return call_through(path, scenario.services, services, facts)

    workloads = {
        client: workload.build(sim, client, through)
        for client, workload in scenario.workloads.items()
    }
    for fault in of_load:
        _schedule(sim, fault, workloads)
    if scenario.agents is not None:
        build_agents(sim, scenario.agents)
    return sim


def build_services(sim: Simulation, scenario: Scenario) -> Parts:
    """Return the scenario's services by name, each one made after those that it is made of."""
    budgets = {name: budget.build(name) for name, budget in scenario.budgets.items()}
    services = Parts(scenario.services, budgets)
    waiting = dict(scenario.services)
    while waiting:
        name = next(
            name
            for name, spec in waiting.items()
            if waiting.keys().isdisjoint(part for _, part in spec.parts())
        )
        with sim.telemetry.context(node=node_of(name, scenario.nodes)):
            services[name] = waiting.pop(name).build(sim, name, services)
    return services


def build_agents(sim: Simulation, spec: agent_specs.AgentsSpec) -> agents.Coordinator:
    """Return the coordinator of a scenario's agents; its sessions are about to begin."""
    network = agents.Network(
        sim,
        latency=distribution(spec.network.latency),
        loss=spec.network.loss,
        fifo=spec.network.fifo,
    )
    registry = agents.AgentRegistry(sim, network=network)
    for member in spec.members:
        registry.register(
            member,
            spec.capabilities,
            think_time=distribution(spec.think_time),
            health_interval=spec.health_interval,
            node=member,
        )
    coordinator = agents.Coordinator(sim, registry, name=COORDINATOR)
    sessions = spec.sessions
    coordinator.repeat(
        spec.members,
        _protocol(sessions.protocol),
        interval=sessions.interval,
        timeout=sessions.timeout,
        times=sessions.times,
    )
    return coordinator


def _protocol(spec: Any) -> agents.MajorityVote | agents.Assignment:
    if isinstance(spec, agent_specs.AssignmentSpec):
        return agents.Assignment(spec.task, resend_interval=spec.resend_interval)
    return agents.MajorityVote(
        spec.question,
        spec.choices,
        weights=spec.weights,
        quorum=spec.quorum,
        resend_interval=spec.resend_interval,
    )


def _schedule(sim: Simulation, fault: FaultSection, parts: Mapping[str, Any]) -> None:
    target: Any
    match fault:
        case LoadStepSpec():
            target = parts[fault.workload]
        case ClockSkewSpec():
            target = [NodeClock.of(sim, name) for name in _clocks_of(fault)]
        case OnServices(node=str(node)):
            target = Node(node)
        case OnServices(services=[*names]):
            target = [parts[name] for name in names]
        case OnServices():
            target = parts[str(fault.service)]
    inject(sim, target, fault.build(), when=fault.time())


def _clocks_of(fault: ClockSkewSpec) -> list[str]:
    """Return the names of the clocks that a fault puts out: a node's, or services' own."""
    return [name for _, name in fault.targets()] if fault.node is None else [fault.node]


def _set_clocks(sim: Simulation, scenario: Scenario, services: Mapping[str, Any]) -> None:
    """Let services read the clocks that will be wrong; all others read the true time."""
    nodes = nodes_of(scenario)
    for fault in scenario.faults:
        if isinstance(fault, ClockSkewSpec):
            for clock in _clocks_of(fault):
                for name in nodes.get(clock, [clock]):
                    if hasattr(services[name], "clock"):
                        services[name].clock = NodeClock.of(sim, clock)
