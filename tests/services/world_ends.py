"""The ends of calls in a drawn world: what does the work in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.services import (
    Autoscaler,
    Backend,
    ConsistentHash,
    Consumer,
    Cpu,
    EventLoop,
    Io,
    LoadBalancer,
    Maglev,
    OutlierDetector,
    ProcessorSharing,
    Queue,
    ReplicaSet,
    ScalingPolicy,
    ScalingRules,
    WarmUp,
    exponential_backoff,
)
from foundation_lab.simulation.distributions import exponential
from tests.services.world_wrappers import LINES, some_stages

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.services.worlds import World

ALGORITHMS: list[Callable[[], Any]] = [
    lambda: "round_robin",
    lambda: "random",
    lambda: "weighted",
    lambda: "least_loaded",
    lambda: "power_of_two",
    lambda: "peak_ewma",
    lambda: ConsistentHash(4),
    lambda: ConsistentHash(4, bound=1.25),
    lambda: Maglev(13),
]

TIMES = [0.25, 0.5, 0.125, 0.0, 1.0, exponential(0.5)]

QUICKLY = ScalingRules((ScalingPolicy(100, "percent", 1.0), ScalingPolicy(1, "replicas", 1.0)))


def an_end(world: World) -> Callable[[], Generator[Any, Any, Any]]:
    """Make something to call, and return the call."""
    node = world.pick([None, "a", "b"])
    with world.sim.telemetry.context(node=node):
        make = world.pick([a_backend, a_backend, a_loop, a_balancer, a_replica_set, a_queue])
        end: Callable[[], Generator[Any, Any, Any]] = make(world)
    world.ends.append(end)
    return end


def a_backend(world: World) -> Callable[[], Generator[Any, Any, Any]]:
    """Make a backend."""
    return asked(world, new_backend(world, world.name("db")))


def asked(world: World, backend: Backend) -> Callable[[], Generator[Any, Any, Any]]:
    """Return a call of a backend: with a priority and a deadline where its line knows such."""

    def ask() -> Generator[Any, Any, Any]:
        if backend.line is None:
            return backend.request()
        limit = world.sim.now + 0.5 * world.turn(4)
        return backend.request(priority=world.turn(3), deadline=limit)

    return ask


def new_backend(world: World, name: str) -> Backend:
    """Make a backend of a name."""
    pick = world.pick
    options: dict[str, Any] = {
        "service_time": pick(TIMES),
        "queue_limit": pick([None, None, 0, 1, 3]),
        "line": pick(LINES)(),
        "warm_up": pick([None, None, WarmUp(2.0, 3.0)]),
        "error_rate": pick([0.0, 0.0, 0.25]),
        "health_interval": pick([None, None, 1.0]),
    }
    if pick([False, False, True]):
        places, cores = pick([None, 2, 4]), pick([1, 2, 0.5])
        return ProcessorSharing(world.sim, name, concurrency=places, cores=cores, **options)
    return Backend(world.sim, name, concurrency=pick([1, 2, 3]), **options)


def a_loop(world: World) -> Callable[[], Generator[Any, Any, Any]]:
    """Make an event loop."""
    return new_loop(world, world.name("loop")).request


def new_loop(world: World, name: str) -> EventLoop:
    """Make an event loop of a name."""
    pick = world.pick
    return EventLoop(
        world.sim,
        name,
        steps=pick(
            [
                [Cpu(0.25)],
                [Cpu(0.125), Io(0.5), Cpu(0.125)],
                [Io(0.25), Cpu(0.5)],
                [Cpu(0), Io(0), Cpu(0.25), Cpu(0.25)],
                [Cpu(exponential(0.25)), Io(exponential(0.25)), Cpu(0.125)],
            ]
        ),
        workers=pick([1, 2]),
        max_in_flight=pick([None, None, 1, 3]),
        error_rate=pick([0.0, 0.25]),
        health_interval=pick([None, None, 1.0]),
    )


def new_balancer(world: World, name: str, hosts: Any = ()) -> LoadBalancer:
    """Make a load balancer of a name."""
    pick, sim = world.pick, world.sim
    outliers = pick(
        [
            lambda: None,
            lambda: OutlierDetector(
                sim,
                f"{name}.outliers",
                consecutive_failures=2,
                interval=1.0,
                base_ejection_time=1.0,
                max_ejection_time=3.0,
                max_ejected=pick([0.5, 1.0]),
                minimum_hosts=2,
                request_volume=2,
            ),
        ]
    )()
    world.hosts[name] = {host.name: host for host in hosts}
    algorithm = pick(ALGORITHMS)()
    warms = getattr(algorithm, "warms", algorithm != "round_robin")
    return LoadBalancer(
        sim,
        name,
        hosts,
        algorithm=algorithm,
        slow_start=pick([None, 2.0]) if warms else None,
        outliers=outliers,
        panic_threshold=pick([0.5, 0.0]),
        health_check_interval=pick([None, 0.5]),
        unhealthy_threshold=pick([1, 2]),
        healthy_threshold=pick([1, 2]),
    )


def balanced(world: World, target: Any) -> Callable[[], Generator[Any, Any, Any]]:
    """Return a call of a balancer or a replica set, with a key."""
    return lambda: target.request(key=world.turn(5))


def a_balancer(world: World) -> Callable[[], Generator[Any, Any, Any]]:
    """Make a load balancer with hosts, which may be balancers themselves."""
    name = world.name("lb")
    hosts = [
        world.pick([new_backend, new_backend, new_loop, new_balanced])(world, f"{name}.{k}")
        for k in range(world.pick([2, 1, 3]))
    ]
    return balanced(world, new_balancer(world, name, hosts))


def new_balanced(world: World, name: str) -> LoadBalancer:
    """Make a load balancer in front of two backends."""
    hosts = [Backend(world.sim, f"{name}.{k}", service_time=0.25) for k in range(2)]
    return new_balancer(world, name, hosts)


def a_replica_set(world: World) -> Callable[[], Generator[Any, Any, Any]]:
    """Make a replica set, perhaps with an autoscaler."""
    pick, sim = world.pick, world.sim
    name = world.name("set")
    seconds, places, line, warm_up = pick(TIMES), pick([1, 2]), pick(LINES), pick([0, 3.0])

    def make(replica: str) -> Backend:
        return Backend(
            sim,
            replica,
            service_time=seconds,
            concurrency=places,
            line=line(),
            warm_up=WarmUp(1.0, warm_up) if warm_up else None,
        )

    replicas = ReplicaSet(
        sim,
        name,
        make,
        replicas=pick([2, 1, 3, 0]),
        balancer=pick([lambda: None, lambda: new_balancer(world, f"{name}.lb")])(),
        start_time=pick([0.0, 0.5, exponential(0.5)]),
        grace_period=pick([1.0, 0.0, 0.25]),
        restart=pick([True, False]),
    )
    if pick([False, True]):
        Autoscaler(
            sim,
            name,
            replicas,
            target=pick([0.5, 1.0]),
            metric=pick(["utilisation", "queue_length"]),
            minimum=pick([1, 2]),
            maximum=pick([3, 4]),
            sync_period=1.0,
            samples=pick([1, 4]),
            scale_up=QUICKLY,
            scale_down=pick([QUICKLY, ScalingRules(QUICKLY.policies, 2.0)]),
        )
    return balanced(world, replicas)


def a_queue(world: World) -> Callable[[], Generator[Any, Any, Any]]:
    """Make a queue and consumers, whose handlers call something themselves."""
    pick, sim = world.pick, world.sim
    name = world.name("queue")
    dead = Queue(sim, f"{name}.dead") if pick([False, True]) else None
    visible_after = pick([None, 1.0, 0.5])
    queue = Queue(
        sim,
        name,
        capacity=pick([None, 1, 3]),
        overflow=pick(["reject", "block", "drop_oldest"]),
        visibility_timeout=visible_after,
        max_deliveries=pick([1, 2, 4]),
        retry_delay=pick([0.25, 0.5, exponential_backoff(0.25, cap=1.0)]),
        ttl=pick([None, 1.0, 2.0]),
        dead_letters=dead,
        durable=pick([True, False]),
    )
    worker = pick([a_backend, a_backend, a_loop, a_balancer])(world)
    for _ in range(pick([1, 2])):
        consumer = world.name("consumer")
        hands = pick([1, 2])
        Consumer(
            sim,
            consumer,
            queue,
            world.caller(consumer, some_stages(world), worker),
            concurrency=hands,
            prefetch=pick([None, hands + 1]),
            connection_bound=visible_after is None or pick([True, False]),
        )
    keys, delays, priorities = pick([1, 3]), pick([1, 2]), pick([1, 2])

    def publish() -> Generator[Any, Any, Any]:
        key = None if keys == 1 else str(world.turn(keys))
        delay, priority = 0.5 * world.turn(delays), world.turn(priorities)
        return queue.publish("a message", key=key, delay=delay, priority=priority)

    return publish
