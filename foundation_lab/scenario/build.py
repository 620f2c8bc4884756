"""From a validated scenario to a simulation that is ready to run."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from foundation_lab import agents
from foundation_lab import services as made
from foundation_lab.scenario import (
    agent_specs,
    duration_specs,
    fault_specs,
    retry_specs,
    service_specs,
    workload_specs,
)
from foundation_lab.scenario.build_retry import build_backoff, build_budget, build_retry
from foundation_lab.scenario.references import COORDINATOR
from foundation_lab.simulation import arrivals, distributions, faults
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from foundation_lab.scenario.model import Scenario
    from foundation_lab.services.limits import Limit
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
        call = call_through([services[name] for name in workload.call])
        Workload(sim, client, build_arrivals(workload.arrivals), call, node=workload.node)
    if scenario.agents is not None:
        build_agents(sim, scenario.agents)
    return sim


def build_services(sim: Simulation, scenario: Scenario) -> dict[str, Service]:
    """Return the scenario's services by name; a supervisor is made after its children."""
    services: dict[str, Service] = {}
    supervisors: dict[str, service_specs.SupervisorSpec] = {}
    for name, spec in scenario.services.items():
        if isinstance(spec, service_specs.SupervisorSpec):
            supervisors[name] = spec
        else:
            services[name] = _service(sim, name, spec)
    while supervisors:
        name = next(n for n, s in supervisors.items() if supervisors.keys().isdisjoint(s.children))
        supervisor = supervisors.pop(name)
        services[name] = made.Supervisor(
            sim,
            name,
            [services[child] for child in supervisor.children],
            restart_delay=supervisor.restart_delay,
            intensity=supervisor.intensity,
            period=supervisor.period,
        )
    return services


def build_agents(sim: Simulation, spec: agent_specs.AgentsSpec) -> agents.Coordinator:
    """Return the coordinator of a scenario's agents; its sessions are about to begin."""
    network = agents.Network(
        sim,
        latency=build_duration(spec.network.latency),
        loss=spec.network.loss,
        fifo=spec.network.fifo,
    )
    registry = agents.AgentRegistry(sim, network=network)
    for member in spec.members:
        registry.register(
            member,
            spec.capabilities,
            think_time=build_duration(spec.think_time),
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


def call_through(path: list[Any]) -> Callable[[], Any]:
    """Return a call that goes through wrappers, from the outside in, to the backend at the end."""
    *wrappers, backend = path
    call: Callable[[], Any] = backend.request
    for wrapper in reversed(wrappers):
        call = partial(wrapper.call, call)
    return call


def build_arrivals(spec: Any) -> arrivals.Arrivals:
    """Return the arrivals that a part of a scenario describes."""
    match spec:
        case workload_specs.PoissonArrivals():
            return arrivals.poisson(spec.rate)
        case workload_specs.ConstantArrivals():
            return arrivals.constant_rate(spec.rate)
        case workload_specs.PiecewiseArrivals():
            return arrivals.piecewise(spec.table, between=spec.between)
        case workload_specs.TimestampArrivals():
            return arrivals.timestamps(spec.seconds)
        case workload_specs.CountArrivals():
            return arrivals.counts_per_interval(spec.counts, spec.interval, starts=spec.starts)
    message = f"arrivals of kind {spec.kind!r} must be read before a scenario can be built"
    raise TypeError(message)


def build_duration(spec: Any) -> distributions.Distribution:
    """Return the distribution that a part of a scenario describes; a number is a constant."""
    match spec:
        case duration_specs.ExponentialDuration():
            return distributions.exponential(spec.mean)
        case duration_specs.UniformDuration():
            return distributions.uniform(spec.low, spec.high)
        case duration_specs.LogNormalDuration():
            return distributions.lognormal(spec.median, spec.sigma)
        case duration_specs.ErlangDuration():
            return distributions.erlang(spec.mean, spec.stages)
        case duration_specs.ConstantDuration():
            return distributions.constant(spec.value)
    return distributions.constant(spec)


def _service(sim: Simulation, name: str, spec: Any) -> Service:
    match spec:
        case service_specs.BackendSpec():
            return made.Backend(
                sim,
                name,
                service_time=build_duration(spec.service_time),
                concurrency=spec.concurrency,
                queue_limit=spec.queue_limit,
                error_rate=spec.error_rate,
                health_interval=spec.health_interval,
            )
        case service_specs.CircuitBreakerSpec():
            return made.CircuitBreaker(
                sim,
                name,
                failure_threshold=spec.failure_threshold,
                counting=_counting(spec.window),
                slow_call_duration=spec.slow_call_duration,
                reset_timeout=(
                    spec.reset_timeout
                    if spec.reset_backoff is None
                    else build_backoff(spec.reset_backoff)
                ),
                reset_jitter=spec.reset_jitter,
                automatic_half_open=spec.automatic_half_open,
                half_open_calls=spec.half_open_calls,
                half_open_rule=spec.half_open_rule,
                half_open_max_wait=spec.half_open_max_wait,
                call_timeout=spec.call_timeout,
                health_interval=spec.health_interval,
            )
        case retry_specs.RetrySpec():
            return build_retry(sim, name, spec)
        case service_specs.HedgeSpec():
            return made.Hedge(
                sim,
                name,
                delay=spec.delay,
                max_attempts=spec.max_attempts,
                budget=build_budget(spec.budget),
            )
        case service_specs.ConnectionManagerSpec():
            return made.ConnectionManager(
                sim,
                name,
                size=spec.size,
                max_overflow=spec.max_overflow,
                checkout_timeout=spec.checkout_timeout,
                health_interval=spec.health_interval,
            )
        case service_specs.RateLimiterSpec():
            return made.RateLimiter(sim, name, partial(_limit, spec.limit))
    message = f"service {name!r}: nothing builds a {spec.kind}"
    raise TypeError(message)


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


def _counting(spec: Any) -> made.CountWindow | made.TimeWindow | None:
    if spec is None:
        return None
    rates = {"failure_rate": spec.failure_rate, "slow_rate": spec.slow_rate}
    if isinstance(spec, service_specs.CountWindowSpec):
        return made.CountWindow(spec.size, minimum_calls=spec.minimum_calls, **rates)
    return made.TimeWindow(spec.seconds, minimum_calls=spec.minimum_calls, **rates)


def _limit(spec: Any) -> Limit:
    match spec:
        case service_specs.TokenBucketSpec():
            return made.TokenBucket(spec.rate, spec.capacity)
        case service_specs.FixedWindowSpec():
            return made.FixedWindow(spec.limit, spec.window)
    return made.SlidingWindow(spec.limit, spec.window)


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
