"""Every event of the catalogue is really emitted by whom its family is named after."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import simpy

from foundation_lab.errors import RateLimited, ServiceDown, ServiceError
from foundation_lab.services import (
    AdaptiveLimiter,
    AIMDLimit,
    Autoscaler,
    Backend,
    Broker,
    Bulkhead,
    Cache,
    Child,
    CircuitBreaker,
    ClientRateLimiter,
    ConnectionManager,
    Consumer,
    Cpu,
    Delivery,
    EventLoop,
    Fallback,
    HealthCheck,
    HealthMonitor,
    Hedge,
    LoadBalancer,
    LoadShedder,
    NetworkLink,
    OutlierDetector,
    Queue,
    RateLimiter,
    ReplicaSet,
    ResourceManager,
    Retry,
    RetryQuota,
    Service,
    Supervisor,
    Timeout,
    TokenBucket,
    async_operation,
    fixed_backoff,
)
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import Outage, inject
from foundation_lab.simulation.lines.shedding import DeadlineAware
from foundation_lab.simulation.traffic.arrivals import timestamps
from foundation_lab.simulation.workload import request
from foundation_lab.simulation.workloads.closed_loop import ClosedLoop
from foundation_lab.simulation.workloads.paced_users import PacedUsers
from foundation_lab.simulation.workloads.sessions import Sessions
from foundation_lab.telemetry import events
from foundation_lab.telemetry.event import Event, catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import ModuleType

    from foundation_lab.simulation.process import Process


def fail() -> None:
    raise ServiceError


def cancel() -> None:
    raise simpy.Interrupt(None)


def client(sim: Simulation, call: Callable[[], Generator[Any, Any, Any]]) -> Process:
    """Start a process that calls a service and puts up with any failure."""

    def process() -> Generator[Any, Any, None]:
        with suppress(ServiceError, simpy.Interrupt):
            yield from call()

    return sim.process(process())


def circuit_breaker(sim: Simulation) -> None:
    breaker = CircuitBreaker(sim, "one", failure_threshold=1, call_timeout=2)
    for function in (lambda: 1, cancel, lambda: sim.sleep(9)):
        client(sim, lambda function=function: breaker.call(function))  # type: ignore[misc]
    sim.run(until=3)
    client(sim, lambda: breaker.call(fail))
    sim.run(until=4)
    breaker.check_health()
    breaker.reset()
    only = CircuitBreaker(sim, "two", failure_threshold=1, slow_call_duration=1)
    only.metrics_only()
    client(sim, lambda: only.call(lambda: sim.sleep(2)))
    client(sim, lambda: only.call(fail))


def bulkhead(sim: Simulation) -> None:
    one = Bulkhead(sim, "one", max_concurrent=1)
    for _ in range(2):
        client(sim, lambda: one.call(lambda: sim.sleep(1)))


def timeout(sim: Simulation) -> None:
    one = Timeout(sim, "one", 1)
    for seconds in (2, 0.5):
        client(sim, lambda seconds=seconds: one.call(lambda: sim.sleep(seconds)))  # type: ignore[misc]


def fallback(sim: Simulation) -> None:
    one = Fallback(sim, "one", value=None)
    for function in (fail, lambda: 1):
        client(sim, lambda function=function: one.call(function))  # type: ignore[misc]


def cache(sim: Simulation) -> None:
    one = Cache(sim, "one", ttl=1, max_size=1)
    for key in (1, 1, 2):
        client(sim, lambda key=key: one.call(lambda: 1, key=key))  # type: ignore[misc]


def retry(sim: Simulation) -> None:
    twice = Retry(sim, "one", max_attempts=2, backoff=fixed_backoff(1))
    for function in (lambda: 1, cancel, fail):
        client(sim, lambda function=function: twice.call(function))  # type: ignore[misc]
    poor = Retry(sim, "poor", budget=RetryQuota(capacity=1))
    hurried = Retry(sim, "hurried", backoff=fixed_backoff(1), total_timeout=1)
    for one in (poor, hurried):
        client(sim, lambda one=one: one.call(fail))  # type: ignore[misc]


def hedge(sim: Simulation) -> None:
    one = Hedge(sim, "one", delay=1)
    answers = iter((sim.sleep(9), sim.sleep(1)))
    client(sim, lambda: one.call(lambda: next(answers)))
    client(sim, lambda: one.call(fail))
    poor = Hedge(sim, "poor", delay=1, budget=RetryQuota(capacity=1))
    client(sim, lambda: poor.call(fail))


def calling_later(
    sim: Simulation, start: float, pool: ConnectionManager
) -> Generator[Any, Any, None]:
    yield start
    yield from pool.call(lambda: sim.sleep(2))


def connection(sim: Simulation) -> None:
    pool = ConnectionManager(sim, "one", size=1, checkout_timeout=1)
    for _ in range(2):
        client(sim, lambda: pool.call(lambda: sim.sleep(3)))
    pool.check_health()
    costly = ConnectionManager(
        sim,
        "two",
        size=1,
        max_overflow=1,
        connect_time=1,
        connect_failure=lambda now: now == 1,
        leak_threshold=1,
    )
    for start in (0, 1, 1):
        client(sim, lambda start=start: calling_later(sim, start, costly))  # type: ignore[misc]
    sim.run(until=5)
    costly.resize(2)
    sim.process(costly.drain())


def backend(sim: Simulation) -> None:
    one = Backend(sim, "one", service_time=1, queue_limit=1)
    clients = [client(sim, one.request) for _ in range(3)]
    sim.run(until=0.5)
    clients[1].interrupt()


def event_loop(sim: Simulation) -> None:
    one = EventLoop(sim, "one", steps=[Cpu(1)], max_in_flight=3)
    clients = [client(sim, one.request) for _ in range(4)]
    sim.run(until=0.5)
    clients[2].interrupt()


def load_shed(sim: Simulation) -> None:
    one = LoadShedder(sim, "one", max_concurrent=1, max_waiting=2, line=DeadlineAware())
    clients = [
        client(sim, lambda: one.call(lambda: sim.sleep(2), deadline=1))  # no other can be in time
        for _ in range(4)
    ]
    sim.run(until=0.5)
    clients[2].interrupt()


def network_link(sim: Simulation) -> None:
    for name, loss in (("one", 0), ("two", 1)):
        one = NetworkLink(sim, name, loss=loss, detect_after=1)
        client(sim, lambda one=one: one.call(lambda: 1))  # type: ignore[misc]


def rate_limiter(sim: Simulation) -> None:
    limiter = RateLimiter(sim, "one", lambda: TokenBucket(rate=1, capacity=1))
    for _ in range(2):
        limiter.allow()
    limiter.drain()


def outlier_detector(sim: Simulation) -> None:
    detector = OutlierDetector(sim, "one", ["a", "b"], consecutive_failures=1)
    for host in ("a", "b"):
        detector.observe(host, failed=True)


def load_balancer(sim: Simulation) -> None:
    hosts = [Backend(sim, name, service_time=1) for name in "ab"]
    one = LoadBalancer(sim, "one", hosts, health_check_interval=1, panic_threshold=0.9)
    client(sim, one.request)
    inject(sim, hosts[0], [Outage(service="a", start=2, duration=10)])
    sim.run(until=20)
    for name in "ab":
        one.remove(name)
    client(sim, one.request)


def replica(sim: Simulation) -> None:
    one = ReplicaSet(sim, "one", lambda name: Backend(sim, name, service_time=1))
    one.scale(2)
    one.rolling_deploy()


def autoscaler(sim: Simulation) -> None:
    replicas = ReplicaSet(sim, "one", lambda name: Backend(sim, name, service_time=1))
    Autoscaler(sim, "one", replicas, metric=lambda _: 2.0, target=1)


def resource(sim: Simulation) -> None:
    manager = ResourceManager(sim, "one", {"licence": 1})
    for _ in range(2):
        client(sim, lambda: manager.call("licence", lambda: sim.sleep(1)))


def service(sim: Simulation) -> None:
    one = Service(sim, "one")
    one.check_health()
    one.kill()
    one.restart()


def supervisor(sim: Simulation) -> None:
    class Reluctant(Service):
        def on_restart(self) -> None:
            raise ServiceDown

    child, other = Reluctant(sim, "child"), Service(sim, "other")
    Supervisor(sim, "one", [other, child], intensity=1, strategy="one_for_all")
    sim.call_at(1, child.kill)
    last = Service(sim, "last")
    specs = [Child(last, "transient", significant=True)]
    Supervisor(sim, "two", specs, auto_shutdown="any_significant")
    sim.call_at(1, last.stop)


def health(sim: Simulation) -> None:
    one = Service(sim, "one")
    monitor = HealthMonitor(sim, "monitor")
    monitor.watch("shop", lambda: True, depends_on=["one"])
    monitor.watch(one, HealthCheck(one.check_health, interval=1))
    sim.call_at(2, one.kill)
    sim.call_at(3, one.restart)


def queue(sim: Simulation) -> None:
    letters = Queue(sim, "letters", ttl=1)
    one = Queue(sim, "one", capacity=1, visibility_timeout=2, dead_letters=letters)
    answers = iter([lambda d: d.nack(requeue=False), Delivery.ack, Delivery.ack])

    def worker() -> Generator[Any, Any, None]:
        delivery = yield from one.receive()
        yield 3 if (delivery.message.body, delivery.number) == ("a", 1) else 0
        next(answers)(delivery)

    for _ in range(3):
        sim.process(worker())
    sim.run(until=1)
    one.offer("a")
    sim.run(until=2)
    one.pause()
    one.offer("b")
    with suppress(ServiceError):
        one.offer("c")
    one.resume()
    letters.offer("d")
    letters.redrive(to=one)


def asynchronous(sim: Simulation) -> None:
    async_operation.start(sim, "one", lambda: 1)
    async_operation.start(sim, "two", fail)


def requests(sim: Simulation) -> None:
    sim.process(request(sim, "one", lambda: 1))
    PacedUsers(sim, "two", 1, timestamps([1, 1]), lambda: sim.sleep(1))


def workload(sim: Simulation) -> None:
    loop = ClosedLoop(sim, "one", users=2, think_time=100, call=lambda: 1)
    loop.change_load(2)
    Sessions(sim, "two", timestamps([1]), [("home", lambda: 1)])


def adaptive_limit(sim: Simulation) -> None:
    one = AdaptiveLimiter(sim, "one", lambda: AIMDLimit(1, least=1))
    for _ in range(2):
        client(sim, lambda: one.call(lambda: sim.sleep(1)))


def throttle() -> None:
    raise RateLimited("slow down")


def client_rate(sim: Simulation) -> None:
    one = ClientRateLimiter(sim, "one")
    for _ in range(2):
        client(sim, lambda: one.call(throttle))


def fault(sim: Simulation) -> None:
    one = Backend(sim, "one", service_time=1)
    inject(sim, one, [Outage(service="one", start=1, duration=2)])
    client(sim, one.request)


def telemetry(sim: Simulation) -> None:
    sim.telemetry.attach("broken", Service.Started, lambda _record: fail())
    Service(sim, "one")


SCENES: dict[ModuleType, Callable[[Simulation], None]] = {
    events.adaptive_limit: adaptive_limit,
    events.async_operation: asynchronous,
    events.autoscaler: autoscaler,
    events.backend: backend,
    events.bulkhead: bulkhead,
    events.cache: cache,
    events.circuit_breaker: circuit_breaker,
    events.client_rate: client_rate,
    events.connection: connection,
    events.event_loop: event_loop,
    events.fallback: fallback,
    events.fault: fault,
    events.health: health,
    events.outlier_detector: outlier_detector,
    events.hedge: hedge,
    events.load_balancer: load_balancer,
    events.load_shed: load_shed,
    events.queue: queue,
    events.network_link: network_link,
    events.rate_limiter: rate_limiter,
    events.replica: replica,
    events.request: requests,
    events.resource: resource,
    events.retry: retry,
    events.service: service,
    events.supervisor: supervisor,
    events.telemetry: telemetry,
    events.timeout: timeout,
    events.workload: workload,
}

ELSEWHERE = {
    events.agent: "agents/test_taxonomy.py",
    events.alert: "alerting/test_live.py",
    events.coordination: "agents/test_taxonomy.py",
    events.signal: "agents/test_taxonomy.py",
}
"""Families whose coverage is tested beside their emitters."""

EMITTERS: dict[type[Service], ModuleType] = {
    Autoscaler: events.autoscaler,
    AdaptiveLimiter: events.adaptive_limit,
    Backend: events.backend,
    Broker: events.service,  # its queues have events
    Bulkhead: events.bulkhead,
    Cache: events.cache,
    CircuitBreaker: events.circuit_breaker,
    ClientRateLimiter: events.client_rate,
    ConnectionManager: events.connection,
    EventLoop: events.event_loop,
    LoadShedder: events.load_shed,
    Consumer: events.service,  # its queue has events
    HealthMonitor: events.health,
    OutlierDetector: events.outlier_detector,
    Queue: events.queue,
    Fallback: events.fallback,
    Hedge: events.hedge,
    LoadBalancer: events.load_balancer,
    NetworkLink: events.network_link,
    RateLimiter: events.rate_limiter,
    ReplicaSet: events.replica,
    ResourceManager: events.resource,
    Retry: events.retry,
    Service: events.service,
    Supervisor: events.supervisor,
    Timeout: events.timeout,
}


def shipped() -> list[type[Event]]:
    """Return the events of the package, without those that other tests define."""
    return [cls for cls in catalogue.classes() if cls.event_name.startswith("foundation.")]


def classes_of(family: ModuleType) -> set[type[Event]]:
    return {cls for cls in shipped() if cls.__module__ == family.__name__}


def last_word(thing: Any) -> str:
    return str(thing.__name__).rpartition(".")[2]


@pytest.mark.parametrize("family", SCENES, ids=last_word)
def test_every_event_of_a_family_is_emitted_and_names_its_emitter(family: ModuleType) -> None:
    sim = Simulation(seed=1)
    SCENES[family](sim)
    sim.run(until=60)
    sim.check_invariants()
    wanted = {cls.event_name for cls in classes_of(family)}
    assert wanted
    assert wanted <= set(sim.recording.counts)


def test_no_family_of_the_catalogue_is_forgotten() -> None:
    families = {cls.__module__ for cls in shipped()}
    assert families == {family.__name__ for family in (*SCENES, *ELSEWHERE)}
    for page in ELSEWHERE.values():
        assert (Path(__file__).parent / page).exists()


@pytest.mark.parametrize("emitter", EMITTERS, ids=last_word)
def test_a_service_offers_every_event_of_its_family_as_an_attribute(
    emitter: type[Service],
) -> None:
    offered = {
        value
        for value in (getattr(emitter, name) for name in dir(emitter))
        if isinstance(value, type) and issubclass(value, Event)
    }
    assert offered == classes_of(EMITTERS[emitter]) | classes_of(events.service)


def most_special(cls: type[Service]) -> set[type[Service]]:
    own = [sub for sub in cls.__subclasses__() if sub.__module__.startswith("foundation_lab.")]
    return {cls} if not own else set().union(*map(most_special, own))


def test_no_service_is_forgotten() -> None:
    """One that is a kind of another, as `ProcessorSharing` is a backend, has the other's events."""
    known = EMITTERS.keys() - {Service}
    assert [cls for cls in most_special(Service) if known.isdisjoint(cls.__mro__)] == []
