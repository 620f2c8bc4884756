"""What goes wrong in a drawn world: faults, and people who meddle with services while they run."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import simpy

from foundation_lab.errors import ServiceError
from foundation_lab.services import (
    Backend,
    Cache,
    Child,
    CircuitBreaker,
    ConnectionManager,
    HealthCheck,
    HealthMonitor,
    LoadBalancer,
    LoadShedder,
    Queue,
    RateLimiter,
    ReplicaSet,
    Supervisor,
    exponential_backoff,
)
from foundation_lab.services.service import Service
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.faults import (
    CacheFlush,
    CapacityLoss,
    ClockSkew,
    CpuStress,
    Crash,
    ErrorRate,
    Hang,
    Latency,
    LoadStep,
    LostRequest,
    LostResponse,
    Node,
    Once,
    OnEvent,
    Outage,
    Partition,
    Pause,
    Periodic,
    Poisson,
    QueueRedrive,
    Reset,
    RollingDeploy,
    SlowDown,
    SlowNode,
    Window,
    inject,
)
from foundation_lab.simulation.workload import Workload
from foundation_lab.simulation.workloads.closed_loop import ClosedLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.simulation.faults import Fault, When
    from tests.services.worlds import Pick, World

END = 10.0
"""When the workloads end, and so do nearly all faults."""

INSTANTS = [1.0, 0.0, 0.25, 0.5, 1.5, 2.0, 2.5, 3.0, 4.0, 4.25, 5.0, 6.5, 8.0]
LENGTHS = [1.0, 0.25, 0.5, 2.0, 3.0]


# -- faults --------------------------------------------------------------------------------------


def faults(pick: Pick, *, quiet: bool) -> list[Fault]:
    """Return one of each fault.

    Args:
        pick: Picks what is to be known of them.
        quiet: Whether nobody may be left waiting for ever.
    """
    chance = pick([1.0, 0.5])
    detect = pick([0.5, 0.25]) if quiet else pick([None, 0.5, 0.25])
    return [
        Outage(),
        Latency(delay=pick([0.5, 0.0, exponential(0.5)]), jitter=pick([0, 0.25])),
        ErrorRate(rate=chance),
        Hang(probability=chance, release=quiet or pick([True, False])),
        Reset(probability=chance, after=pick([None, 0.25, 0.0])),
        LostRequest(probability=chance, detect_after=detect),
        LostResponse(probability=chance, detect_after=detect),
        Partition(probability=chance, detect_after=detect),
        Pause(),
        SlowDown(factor=pick([2.0, 0.5])),
        SlowNode(factor=4.0),
        CpuStress(share=0.5),
        CapacityLoss(places=pick([1, 2])),
        CapacityLoss(share=pick([0.5, 1.0])),
        Crash(),
        Crash(down_for=pick([0.5, 1.0]), state=pick(["volatile", "durable"])),
        Crash(state="durable"),
        CacheFlush(),
        QueueRedrive(rate=pick([None, 2.0])),
        LoadStep(factor=pick([2.0, 0.0, 3.0])),
        ClockSkew(offset=pick([1.0, -1.0]), drift=pick([0.0, 0.5, -0.5])),
        RollingDeploy(),
        RollingDeploy(down_for=0.5, max_unavailable=pick([1, 2])),
    ]


EVENTS = [
    "foundation.circuit_breaker.state_change",
    "foundation.service.stopped",
    "foundation.service.restarted",
    "foundation.request.finished",
    "foundation.request.started",
    "foundation.retry.backoff",
    "foundation.fault.injected",
    "foundation.fault.cleared",
    "foundation.backend.*",
    "foundation.connection.*",
    "foundation.queue.*",
    "foundation.bulkhead.*",
    "foundation.cache.*",
    "foundation.hedge.*",
    "foundation.adaptive_limit.*",
    "foundation.load_shed.*",
    "foundation.load_balancer.*",
    "foundation.replica.*",
    "foundation.resource.*",
    "foundation.rate_limiter.*",
    "foundation.circuit_breaker.*",
    "foundation.event_loop.*",
    "foundation.supervisor.*",
    "foundation.outlier_detector.*",
    "foundation.client_rate.*",
    "foundation.network_link.*",
    "foundation.retry.*",
    "foundation.timeout.*",
    "foundation.health.*",
]


def some_time(world: World) -> tuple[When, bool]:
    """Return when a fault is on, and whether that follows from telemetry."""
    pick = world.pick
    start = pick(INSTANTS)
    length = pick([*LENGTHS, exponential(0.5)])
    kind = pick(["window", "periodic", "poisson", "on event", "instant", "once"])
    if world.haunted and kind == "once":
        kind = "window"  # a ghost would wait for ever
    if kind == "window":
        return Window(start=start, duration=length), False
    if kind == "once":
        world.forever.append("a fault")
        return Once(at=start), False
    if kind == "instant":
        return Once(at=start, duration=length), False
    if kind == "periodic":
        every = pick([1.0, 0.5, 2.5])
        return Periodic(every=every, first=start, duration=length, times=3), False
    if kind == "poisson":
        return Poisson(rate=0.5, start=start, duration=length, until=8.0), False
    delay, times = pick([0.0, 0.25]), pick([1, 2, 3])
    return OnEvent(event=pick(EVENTS), delay=delay, duration=length, times=times), True


def add_a_fault(world: World) -> bool:
    """Inject a fault where it can be; return whether it needs telemetry."""
    pick = world.pick
    fault = pick(faults(pick, quiet=world.haunted))
    when, needs_telemetry = some_time(world)
    if fault.has_own_length:
        when = Once(at=pick(INSTANTS))
        needs_telemetry = False
    targets: list[Any] = [each for each in world.sim.components.values() if can_have(each, fault)]
    if isinstance(fault, RollingDeploy) and fault.down_for is not None:
        members = [each for each in world.things(Service) if hasattr(each, "restart")]
        targets = [list(dict.fromkeys(pick(members) for _ in range(2)))]
    if not targets:
        return False
    target = pick(targets)
    node = getattr(target, "node", None)
    if node is not None and pick([False, False, True]):
        target = Node(node)
    inject(world.sim, target, fault, when=when)
    return needs_telemetry


def can_have(target: Any, fault: Fault) -> bool:
    """Whether a target can have a fault."""
    if target.name.startswith("patience"):
        return False  # nobody could tell when a request is over
    if isinstance(fault, RollingDeploy):
        return fault.down_for is None and hasattr(target, "rolling_deploy")
    if not all(hasattr(target, each) for each in fault.needs):
        return False
    return "impairments" not in fault.needs or isinstance(fault, target.impairments.takes)


# -- people --------------------------------------------------------------------------------------


def things_to_do(world: World) -> list[Callable[[], object]]:
    """Return what people may do with what there is."""
    pick, deeds = world.pick, []
    for each in list(world.sim.components.values()):
        if getattr(each, "name", "").startswith("patience"):
            continue
        if isinstance(each, Service):
            deeds += deeds_with_any(world, each)
        deeds += deeds_with(world, each, pick([1, 2, 3]))
    return deeds


def interrupt_somebody(world: World, number: int) -> None:
    """Interrupt one of those who are in a call."""
    callers = list(world.under_way)
    if callers:
        process = callers[number % len(callers)]
        if process is not world.sim.active_process and process.is_alive:
            process.throw(simpy.Interrupt("somebody"))


def deeds_with_any(world: World, service: Service) -> list[Callable[[], object]]:
    """Return what people may do with any service."""

    def down(how: str, durable: bool, seconds: float | None) -> None:  # noqa: FBT001
        if how == "kill":
            service.kill(durable=durable)
        else:
            service.stop()
        if seconds is not None:
            world.sim.call_in(seconds, lambda: world.bring_up(service))

    pick = world.pick
    how, durable, seconds = pick(["kill", "stop"]), pick([False, True]), pick([0.5, 0.0, None, 2.0])
    return [lambda: down(how, durable, seconds)]


def deeds_with(world: World, each: Any, number: int) -> list[Callable[[], object]]:
    """Return what people may do with a service of its kind."""
    for kind, deeds in KINDS.items():
        if isinstance(each, kind):
            return deeds(world, each, number)
    return []


def deeds_with_places(
    _world: World, each: Backend | LoadShedder, number: int
) -> list[Callable[[], object]]:
    """Return what people may do with something that has places."""
    return [lambda: each.resize(number)]


def deeds_with_a_pool(
    world: World, pool: ConnectionManager, number: int
) -> list[Callable[[], object]]:
    """Return what people may do with a pool."""

    def drain() -> None:
        if pool.up:
            world.sim.process(quietly(pool.drain(0.5 * number)))

    def cut() -> None:
        for name in pool.connection_ids[:number]:
            if name in pool.connection_ids:  # the last one may have taken others along
                pool.kill_connection(name)

    return [
        lambda: pool.resize(number),
        drain,
        pool.break_idle,
        lambda: pool.break_idle(silent=True),
        cut,
    ]


def deeds_with_a_breaker(
    _world: World, breaker: CircuitBreaker, number: int
) -> list[Callable[[], object]]:
    """Return what people may do with a breaker."""
    hands = [breaker.trip, breaker.reset, breaker.force_open, breaker.disable, breaker.metrics_only]
    return list(hands[number - 1 : number + 2])


def deeds_with_a_cache(_world: World, cache: Cache, number: int) -> list[Callable[[], object]]:
    """Return what people may do with a cache."""
    key = number % 3
    return [cache.flush, lambda: cache.invalidate(key), lambda: cache.put(key, "by hand")]


def deeds_with_a_limiter(
    _world: World, limiter: RateLimiter, _number: int
) -> list[Callable[[], object]]:
    """Return what people may do with a rate limiter."""
    return [limiter.drain]


def deeds_with_a_queue(world: World, queue: Queue, _number: int) -> list[Callable[[], object]]:
    """Return what people may do with a queue."""
    return [
        queue.pause,
        queue.resume,
        lambda: queue.offer("by hand"),
        lambda: world.sim.process(quietly(queue.drain())),
    ]


def deeds_with_replicas(
    _world: World, replicas: ReplicaSet, number: int
) -> list[Callable[[], object]]:
    """Return what people may do with a replica set."""
    return [
        lambda: replicas.scale(number - 1),
        lambda: replicas.rolling_deploy(max_surge=number - 1, max_unavailable=1),
        lambda: replicas.rolling_deploy(max_surge=0.5, max_unavailable=0.5),
    ]


def deeds_with_users(_world: World, users: ClosedLoop, number: int) -> list[Callable[[], object]]:
    """Return what people may do with a closed loop."""
    return [lambda: users.set_users(number), lambda: users.ramp_to(number, 1.0)]


def deeds_with_a_workload(
    world: World, workload: Workload, number: int
) -> list[Callable[[], object]]:
    """Return what people may do with another workload, and with those who ask."""
    return [
        lambda: workload.change_load(number),
        lambda: world.sim.call_in(0, lambda: interrupt_somebody(world, number)),
    ]


def deeds_with_hosts(world: World, lb: LoadBalancer, number: int) -> list[Callable[[], object]]:
    """Return what people may do with a load balancer of its own."""
    if any(each.balancer is lb for each in world.things(ReplicaSet)):
        return []

    def leave_and_come() -> None:
        if lb.hosts:
            name = lb.hosts[number % len(lb.hosts)]
            lb.remove(name)
            back = world.hosts[lb.name][name]
            world.sim.call_in(0.5 * (number - 1), lambda: lb.add(name, back))

    def weigh() -> None:
        if lb.hosts and lb.algorithm.weighs:
            lb.set_weight(lb.hosts[0], number)

    return [leave_and_come, weigh]


def deeds_with_children(_world: World, boss: Supervisor, number: int) -> list[Callable[[], object]]:
    """Return what people may do with a supervisor."""

    def child() -> str:
        return boss.children[number % len(boss.children)].name

    def terminate() -> None:
        if boss.children:
            boss.terminate_child(child())

    def restart() -> None:
        with suppress(RuntimeError):
            if boss.children:
                boss.restart_child(child())

    return [terminate, restart]


KINDS: dict[type[Any], Callable[[World, Any, int], list[Callable[[], object]]]] = {
    Backend: deeds_with_places,
    LoadShedder: deeds_with_places,
    ConnectionManager: deeds_with_a_pool,
    CircuitBreaker: deeds_with_a_breaker,
    Cache: deeds_with_a_cache,
    RateLimiter: deeds_with_a_limiter,
    Queue: deeds_with_a_queue,
    ReplicaSet: deeds_with_replicas,
    LoadBalancer: deeds_with_hosts,
    Supervisor: deeds_with_children,
    ClosedLoop: deeds_with_users,
    Workload: deeds_with_a_workload,
}


def quietly(work: Any) -> Any:
    """Do something, whatever it comes to in the simulated world."""
    with suppress(ServiceError):
        yield from work


def deed_of(act: Callable[[], object]) -> Callable[[], None]:
    """Return a deed that the simulated world may refuse."""

    def do() -> None:
        with suppress(ServiceError):
            act()

    return do


def meddle(world: World, times: int) -> None:
    """Let people do some things."""
    pick = world.pick
    deeds = things_to_do(world)
    for _ in range(times):
        act = deed_of(pick(deeds))
        when = pick(INSTANTS)
        how = pick(["timer", "process", "caller"])
        if how == "timer":
            world.sim.call_at(when, act)
        elif how == "process":
            world.sim.process(acting(world, when, act))
        else:
            world.plans.append((when, act))
    for _ in range(pick([0, 1, 2, 3])):
        number = pick(range(5))
        world.sim.call_at(pick(INSTANTS), lambda n=number: interrupt_somebody(world, n))  # type: ignore[misc]


def react(world: World, times: int) -> None:
    """Let people act as soon as they hear of something."""
    pick = world.pick
    deeds = things_to_do(world)
    for _ in range(times):
        act, event, count = deed_of(pick(deeds)), pick(EVENTS), pick([1, 2, 3, 7])
        handler = world.name("handler")
        left = iter(range(count))

        def hear(
            _record: Any,
            act: Any = act,
            left: Any = left,
            handler: Any = handler,
            count: int = count,
        ) -> None:
            if next(left, None) == count - 1 and world.sim.now < END:
                world.sim.telemetry.detach(handler)
                act()

        world.sim.telemetry.attach(handler, event, hear, on_error="raise")


def acting(world: World, when: float, act: Callable[[], None]) -> Any:
    """Do something at a time, in a process."""
    yield when
    act()


# -- those who look after services ---------------------------------------------------------------


def add_a_supervisor(world: World) -> None:
    """Let a supervisor look after some services that nobody looks after."""
    pick, taken = world.pick, world.supervised
    free = [
        each
        for each in world.things(Service)
        if each not in taken and not each.name.startswith("patience")
    ]
    names: dict[str, None] = {}
    children: list[Any] = []
    for _ in range(pick([1, 2, 3])):
        if not free:
            break
        service = pick(free)
        free.remove(service)
        if service.name in names:
            continue
        taken[service] = names[service.name] = None
        plain = pick([True, False])
        children.append(
            service
            if plain
            else Child(
                service,
                pick(["permanent", "transient", "temporary"]),
                pick([None, 0.0, 0.5, "brutal_kill"]),
            )
        )
    if not children:
        return
    Supervisor(
        world.sim,
        world.name("boss"),
        children,
        strategy=pick(["one_for_one", "one_for_all", "rest_for_one"]),
        restart_delay=pick([0.0, 0.5, exponential_backoff(0.25, cap=1.0)]),
        intensity=pick([3, 1, 0, 99]),
        period=pick([5.0, 1.0]),
        auto_shutdown="never",
    )
    for child in children:
        service = child.service if isinstance(child, Child) else child
        service.stop_time = pick([0.0, 0.0, 0.5])


def served(request: Callable[[], Any]) -> Any:
    """Return whether a request was served: it was, or an error is raised."""
    yield from request()
    return True


def add_a_monitor(world: World) -> None:
    """Let a health monitor watch some services."""
    pick = world.pick
    monitor = HealthMonitor(world.sim, world.name("monitor"))
    services = [each for each in world.things(Service) if each is not monitor]
    names: list[str] = []
    for _ in range(pick([1, 2, 3])):
        service = pick(services)
        if service.name in names:
            continue
        request = getattr(service, "request", None)
        ask = service.check_health
        if request is not None and pick([False, True]):
            ask = partial(served, request)
        check = HealthCheck(
            ask,
            interval=pick([0.5, 1.0, 0.25]),
            timeout=pick([0.25, 1.0]),
            initial_delay=pick([0.0, 0.25]),
            failure_threshold=pick([1, 2]),
            success_threshold=pick([1, 2]),
        )
        depends_on = [pick(names)] if names and pick([False, True]) else []
        monitor.watch(service, check, depends_on=depends_on, critical=pick([True, False]))
        names.append(service.name)
