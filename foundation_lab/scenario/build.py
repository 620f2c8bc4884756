"""From a validated scenario to a simulation that is ready to run."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from foundation_lab import services as made
from foundation_lab.scenario import model
from foundation_lab.simulation import arrivals, distributions, faults
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from foundation_lab.services.backoff import Backoff
    from foundation_lab.services.limits import Limit
    from foundation_lab.services.service import Service


def build(
    scenario: model.Scenario, *, row_limit: int | None = None, spill_folder: Path | None = None
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
    sim.scenario = scenario.model_dump(mode="json", exclude_none=True)
    services = build_services(sim, scenario)
    for fault in scenario.faults:
        _schedule(sim, fault, services)
    for client, workload in scenario.workloads.items():
        call = call_through([services[name] for name in workload.call])
        Workload(sim, client, build_arrivals(workload.arrivals), call, node=workload.node)
    return sim


def build_services(sim: Simulation, scenario: model.Scenario) -> dict[str, Service]:
    """Return the scenario's services by name; supervisors are made last, over their children."""
    services: dict[str, Service] = {}
    supervisors: dict[str, model.SupervisorSpec] = {}
    for name, spec in scenario.services.items():
        if isinstance(spec, model.SupervisorSpec):
            supervisors[name] = spec
        else:
            services[name] = _service(sim, name, spec)
    for name, spec in supervisors.items():
        services[name] = made.Supervisor(
            sim,
            name,
            [services[child] for child in spec.children],
            restart_delay=spec.restart_delay,
            intensity=spec.intensity,
            period=spec.period,
        )
    return services


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
        case model.PoissonArrivals():
            return arrivals.poisson(spec.rate)
        case model.ConstantArrivals():
            return arrivals.constant_rate(spec.rate)
        case model.PiecewiseArrivals():
            return arrivals.piecewise(spec.table, between=spec.between)
        case model.TimestampArrivals():
            return arrivals.timestamps(spec.seconds)
        case model.CountArrivals():
            return arrivals.counts_per_interval(spec.counts, spec.interval, starts=spec.starts)
    message = f"arrivals of kind {spec.kind!r} must be read before a scenario can be built"
    raise TypeError(message)


def build_duration(spec: Any) -> distributions.Distribution:
    """Return the distribution that a part of a scenario describes; a number is a constant."""
    match spec:
        case model.ExponentialDuration():
            return distributions.exponential(spec.mean)
        case model.UniformDuration():
            return distributions.uniform(spec.low, spec.high)
        case model.LogNormalDuration():
            return distributions.lognormal(spec.median, spec.sigma)
        case model.ErlangDuration():
            return distributions.erlang(spec.mean, spec.stages)
        case model.ConstantDuration():
            return distributions.constant(spec.value)
    return distributions.constant(spec)


def _service(sim: Simulation, name: str, spec: Any) -> Service:
    match spec:
        case model.BackendSpec():
            return made.Backend(
                sim,
                name,
                service_time=build_duration(spec.service_time),
                concurrency=spec.concurrency,
                queue_limit=spec.queue_limit,
                error_rate=spec.error_rate,
                health_interval=spec.health_interval,
            )
        case model.CircuitBreakerSpec():
            return made.CircuitBreaker(
                sim,
                name,
                failure_threshold=spec.failure_threshold,
                counting=_counting(spec.window),
                reset_timeout=spec.reset_timeout,
                half_open_calls=spec.half_open_calls,
                call_timeout=spec.call_timeout,
                health_interval=spec.health_interval,
            )
        case model.RetrySpec():
            return made.Retry(
                sim,
                name,
                max_attempts=spec.max_attempts,
                backoff=_backoff(spec.backoff),
                jitter=spec.jitter,
                attempt_timeout=spec.attempt_timeout,
            )
        case model.ConnectionManagerSpec():
            return made.ConnectionManager(
                sim,
                name,
                size=spec.size,
                max_overflow=spec.max_overflow,
                checkout_timeout=spec.checkout_timeout,
                health_interval=spec.health_interval,
            )
        case model.RateLimiterSpec():
            return made.RateLimiter(sim, name, partial(_limit, spec.limit))
    message = f"service {name!r}: nothing builds a {spec.kind}"
    raise TypeError(message)


def _counting(spec: Any) -> made.CountWindow | made.TimeWindow | None:
    match spec:
        case model.CountWindowSpec():
            return made.CountWindow(
                spec.size, failure_rate=spec.failure_rate, minimum_calls=spec.minimum_calls
            )
        case model.TimeWindowSpec():
            return made.TimeWindow(
                spec.seconds, failure_rate=spec.failure_rate, minimum_calls=spec.minimum_calls
            )
    return None


def _backoff(spec: Any) -> Backoff:
    cap = float("inf") if getattr(spec, "cap", None) is None else spec.cap
    match spec:
        case model.FixedBackoff():
            return made.fixed_backoff(spec.seconds)
        case model.LinearBackoff():
            return made.linear_backoff(spec.base, cap=cap)
        case model.DecorrelatedBackoff():
            return made.decorrelated_backoff(spec.base, cap=cap)
    return made.exponential_backoff(spec.base, factor=spec.factor, cap=cap)


def _limit(spec: Any) -> Limit:
    match spec:
        case model.TokenBucketSpec():
            return made.TokenBucket(spec.rate, spec.capacity)
        case model.FixedWindowSpec():
            return made.FixedWindow(spec.limit, spec.window)
    return made.SlidingWindow(spec.limit, spec.window)


def _schedule(sim: Simulation, spec: Any, services: dict[str, Service]) -> None:
    target: Any = services[spec.service]
    lasting = {} if getattr(spec, "duration", None) is None else {"duration": spec.duration}
    match spec:
        case model.OutageSpec():
            fault: faults.Fault = faults.Outage(service=spec.service, start=spec.start, **lasting)
        case model.SlowDownSpec():
            fault = faults.SlowDown(
                service=spec.service, start=spec.start, factor=spec.factor, **lasting
            )
        case model.ErrorRateSpec():
            fault = faults.ErrorRate(
                service=spec.service, start=spec.start, rate=spec.rate, **lasting
            )
        case _:
            faults.crash(sim, target, at=spec.at)
            return
    faults.inject(sim, target, [fault])
