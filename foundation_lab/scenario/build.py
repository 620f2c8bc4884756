"""From a validated scenario to a simulation that is ready to run."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from foundation_lab import agents
from foundation_lab.scenario import agent_specs, fault_specs
from foundation_lab.scenario.calls import call_through
from foundation_lab.scenario.duration_specs import distribution
from foundation_lab.scenario.references import COORDINATOR
from foundation_lab.scenario.services.service import Parts
from foundation_lab.simulation import faults
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from foundation_lab.scenario.model import Scenario
    from foundation_lab.scenario.workload_specs import WorkloadSpec
    from foundation_lab.services.service import Service


def build(
    scenario: Scenario, *, row_limit: int | None = None, spill_folder: Path | None = None
) -> Simulation:
    """Return a simulation with everything that a scenario names; nothing has happened in it yet.

    Args:
        scenario: The scenario; arrivals from files must be read already.
        row_limit: How many events stay in memory; more are spilled to disk.
        spill_folder: Where they are spilled to.
    """
    sim = Simulation(
        scenario.seed,
        name=scenario.name,
        start=None if scenario.start is None else datetime.fromisoformat(scenario.start),
        row_limit=row_limit,
        spill_folder=spill_folder,
    )
    sim.scenario = scenario.model_dump(mode="json", by_alias=True)
    services = build_services(sim, scenario)
    for fault in scenario.faults:
        _schedule(sim, fault, services)
    for client, workload in scenario.workloads.items():
        call = call_through(
            workload.call, scenario.services, services, _facts(sim, client, workload)
        )
        Workload(sim, client, workload.arrivals.build(), call, node=workload.node)
    if scenario.agents is not None:
        build_agents(sim, scenario.agents)
    return sim


def build_services(sim: Simulation, scenario: Scenario) -> Parts:
    """Return the scenario's services by name, each one made after those that it is made of."""
    services = Parts(scenario.services)
    waiting = dict(scenario.services)
    while waiting:
        name = next(
            name
            for name, spec in waiting.items()
            if waiting.keys().isdisjoint(part for _, part in spec.parts())
        )
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


def _facts(sim: Simulation, client: str, workload: WorkloadSpec) -> dict[str, Callable[[], Any]]:
    """Return what each request of a workload tells services: a function for each fact."""
    facts: dict[str, Callable[[], Any]] = {}
    if workload.keys is not None:
        facts["key"] = workload.keys.build(sim.stream(f"workload.{client}.keys"))
    priority, limit = workload.priority, workload.deadline
    if priority is not None:
        facts["priority"] = lambda: priority
    if limit is not None:
        facts["deadline"] = lambda: sim.now + limit
    return facts


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


def _schedule(sim: Simulation, spec: Any, services: dict[str, Service]) -> None:
    target: Any = services[spec.service]
    lasting = {} if getattr(spec, "duration", None) is None else {"duration": spec.duration}
    match spec:
        case fault_specs.OutageSpec():
            fault: faults.Fault = faults.Outage(service=spec.service, start=spec.start, **lasting)
        case fault_specs.SlowDownSpec():
            fault = faults.SlowDown(
                service=spec.service, start=spec.start, factor=spec.factor, **lasting
            )
        case fault_specs.ErrorRateSpec():
            fault = faults.ErrorRate(
                service=spec.service, start=spec.start, rate=spec.rate, **lasting
            )
        case _:
            faults.crash(sim, target, at=spec.at)
            return
    faults.inject(sim, target, [fault])
