"""The stages of calls in a drawn world: everything that can stand around a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.errors import BackendError, ServiceDown, TimedOut
from foundation_lab.services import (
    AdaptiveLimiter,
    AdaptiveThrottle,
    AIMDLimit,
    Bulkhead,
    Cache,
    CircuitBreaker,
    ClientRateLimiter,
    ConnectionManager,
    CountWindow,
    CycleLimit,
    Fallback,
    FixedWindow,
    Gradient2Limit,
    Hedge,
    LeakyBucket,
    LoadShedder,
    NetworkLink,
    OutlierDetector,
    RateLimiter,
    ResourceManager,
    Retry,
    RetryQuota,
    SlidingCounter,
    SlidingWindow,
    ThrottleTokens,
    Timeout,
    TimeWindow,
    TokenBucket,
    VegasLimit,
    WindowBudget,
    WindowedLimit,
    additive_jitter,
    decorrelated_backoff,
    decorrelated_v2_backoff,
    exponential_backoff,
    factor_jitter,
    fibonacci_backoff,
    fixed_backoff,
    linear_backoff,
    pool_presets,
    retry_after_or,
)
from foundation_lab.simulation.clock import NodeClock
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.invocation import invoke
from foundation_lab.simulation.lines.line import AdaptiveLifo, EarliestDeadline, Lifo, Priority
from foundation_lab.simulation.lines.shedding import CoDel, ControlledDelay, DeadlineAware

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.simulation.lines.line import Line
    from tests.services.worlds import World

LINES: list[Callable[[], Line | None]] = [
    lambda: None,
    lambda: None,
    Lifo,
    lambda: Lifo(2),
    lambda: AdaptiveLifo(1),
    lambda: AdaptiveLifo(1, 3),
    Priority,
    EarliestDeadline,
    lambda: CoDel(0.125, 0.5),
    lambda: CoDel(0.125, 0.5, order=Priority()),
    lambda: ControlledDelay(0.25, 1.0),
    lambda: ControlledDelay(0.25, 1.0, order=AdaptiveLifo(1)),
    lambda: DeadlineAware(0.25),
    lambda: DeadlineAware(0.25, earliest_first=True),
]


def some_stages(world: World) -> list[Any]:
    """Make some stages of a pipeline."""
    node = world.pick([None, "a", "b"])
    with world.sim.telemetry.context(node=node):
        stages = [world.pick(STAGES)(world) for _ in range(world.pick([1, 2, 0, 3, 4]))]
    world.stages += stages
    return stages


def a_breaker(world: World) -> Any:
    """Make a circuit breaker."""
    pick = world.pick
    counting = pick(
        [
            lambda: None,
            lambda: CountWindow(4, failure_rate=0.5, minimum_calls=2),
            lambda: TimeWindow(1.0, failure_rate=0.5, slow_rate=0.5, minimum_calls=2),
        ]
    )()
    return CircuitBreaker(
        world.sim,
        world.name("breaker"),
        failure_threshold=pick([2, 1]),
        counting=counting,
        slow_call_duration=pick([None, 0.5]),
        reset_timeout=pick([1.0, 0.5, exponential_backoff(0.5, cap=2.0), retry_after_or(0.5)]),
        reset_jitter=pick(["none", "full", "equal"]),
        automatic_half_open=pick([True, False]),
        half_open_calls=pick([1, 2]),
        half_open_rule="every" if counting is None else pick(["every", "rate"]),
        half_open_max_wait=pick([None, 0.5, 1.0]),
        ignore=pick([(), (BackendError,)]),
        call_timeout=pick([None, 0.5, 1.0]),
        health_interval=pick([None, None, 1.0]),
    )


def a_budget(world: World) -> Any:
    """Make a retry budget, or none; one may be shared."""
    pick = world.pick
    made = pick(
        [
            lambda: None,
            lambda: WindowBudget(0.2, min_per_second=0.5, ttl=1.0),
            lambda: ThrottleTokens(3.0, token_ratio=0.5),
            lambda: RetryQuota(20),
            lambda: AdaptiveThrottle(1.5, window=2.0),
        ]
    )()
    if world.budgets and pick([False, True]):
        return world.budgets[0]
    if made is not None:
        world.budgets.append(made)
    return made


def a_retry(world: World) -> Any:
    """Make a retry."""
    pick = world.pick
    return Retry(
        world.sim,
        world.name("retry"),
        max_attempts=pick([2, 3]),
        backoff=pick(
            [
                fixed_backoff(0.25),
                fixed_backoff(0.0),
                linear_backoff(0.25),
                exponential_backoff(0.125, cap=1.0),
                fibonacci_backoff(0.125),
                decorrelated_backoff(0.125, cap=1.0),
                decorrelated_v2_backoff(0.25, cap=1.0),
            ]
        ),
        jitter=pick(["none", "full", "equal", factor_jitter(0.5), additive_jitter(0.25)]),
        max_delay=pick([None, 0.5]),
        use_retry_after=pick([False, True]),
        never_on=pick([(), (ServiceDown,)]),
        retry_if_result=pick([None, lambda result: result == "instead"]),
        attempt_timeout=pick([None, 0.5, 1.0]),
        total_timeout=pick([None, 1.0, 2.0]),
        budget=a_budget(world),
    )


def a_hedge(world: World) -> Any:
    """Make a hedge."""
    pick = world.pick
    return Hedge(
        world.sim,
        world.name("hedge"),
        delay=pick([0.25, 0.5]),
        max_attempts=pick([2, 3]),
        non_fatal=pick([TimedOut, (TimedOut, BackendError, ServiceDown)]),
        budget=a_budget(world),
    )


def a_timeout(world: World) -> Any:
    """Make a timeout that interrupts."""
    return Timeout(world.sim, world.name("timeout"), world.pick([1.0, 0.5, 0.25]))


def a_ghost(world: World) -> Any:
    """Make a timeout whose work goes on."""
    world.haunted = True
    return Timeout(world.sim, world.name("ghost"), world.pick([1.0, 0.5, 0.25]), "ghost")


def a_fallback(world: World) -> Any:
    """Make a fallback."""
    answers: list[dict[str, Any]] = [
        {"value": "instead"},
        {"function": lambda error: type(error).__name__},
        {"call": lambda: world.sim.sleep(0.25)},
    ]
    on = world.pick([ServiceDown, (ServiceDown, BackendError, TimedOut)])
    return Fallback(world.sim, world.name("fallback"), on=on, **world.pick(answers))


def a_bulkhead(world: World) -> Any:
    """Make a bulkhead."""
    places, wait = world.pick([1, 2]), world.pick([0.0, 0.5, None])
    return Bulkhead(world.sim, world.name("bulkhead"), max_concurrent=places, max_wait=wait)


def a_cache(world: World) -> Any:
    """Make a cache of a few keys."""
    pick = world.pick
    cache = Cache(
        world.sim,
        world.name("cache"),
        ttl=pick([0.5, 0.25, 1.0]),
        max_size=pick([None, 1, 2]),
        negative_ttl=pick([None, 0.5]),
        single_flight=pick([True, False]),
        jitter=pick([0.0, 0.5]),
        clock=a_clock(world),
    )
    keys = pick([1, 2, 3])
    return lambda fn: cache.call(fn, key=world.turn(keys))


def a_clock(world: World) -> NodeClock | None:
    """Make the clock of a node, or none."""
    node = world.pick([None, None, "a", "b"])
    return None if node is None else NodeClock.of(world.sim, node)


LIMITS: list[Callable[[], Any]] = [
    lambda: TokenBucket(rate=2, capacity=2),
    lambda: TokenBucket(rate=1, capacity=1),
    lambda: LeakyBucket(2, 1.0),
    lambda: LeakyBucket(2, 1.0, burst=1),
    lambda: FixedWindow(2, 1.0),
    lambda: SlidingWindow(2, 1.0),
    lambda: SlidingCounter(2, 1.0),
    lambda: CycleLimit(2, 1.0),
]


def a_limiter(world: World) -> Any:
    """Make a rate limiter that turns away."""
    clock = a_clock(world)
    limiter = RateLimiter(world.sim, world.name("limiter"), world.pick(LIMITS), clock=clock)
    keys = world.pick([1, 2])
    return lambda fn: limiter.call(fn, key=str(world.turn(keys)))


def a_patient_limiter(world: World) -> Any:
    """Make a rate limiter at which one waits."""
    clock, limit = a_clock(world), world.pick(LIMITS)
    limiter = RateLimiter(world.sim, world.name("limiter"), limit, clock=clock)
    keys, amounts, patience = world.pick([1, 2]), world.pick([1, 2]), world.pick([None, 0.5, 1.0])
    most = int(limit().largest)

    def call(fn: Callable[[], Any]) -> Any:
        key, amount = str(world.turn(keys)), 1 + world.turn(amounts)
        yield from limiter.acquire(key, min(amount, most), timeout=patience)
        return (yield from invoke(fn))

    return call


def a_pool(world: World) -> Any:
    """Make a connection pool, opened by callers."""
    pick = world.pick
    name = world.name("pool")
    patience = pick([0.5, 1.0, None])
    if pick([False, False, False, True]):
        preset = pick([pool_presets.hikaricp(2), pool_presets.sqlalchemy_queue_pool(1, 1)])
        options = preset | {"checkout_timeout": patience, "connect_time": pick([0.0, 0.25])}
        options["validation_timeout"] = 1.0
        return ConnectionManager(world.sim, name, **options)
    by_pool = pick([False, True])
    slow = pick([0.0, 0.25, exponential(0.25)])
    return ConnectionManager(
        world.sim,
        name,
        size=pick([1, 2]),
        max_overflow=0 if by_pool else pick([0, 1]),
        checkout_timeout=pick([patience, patience, patience if by_pool else 0.0]),
        min_idle=pick([None, 1, None if patience is None else 0]) if by_pool else None,
        order=pick(["fifo", "lifo"]),
        opened_by="pool" if by_pool else "caller",
        connect_time=slow,
        connect_failure=pick([0.0, 0.25]),
        validation=pick([False, True]),
        validation_time=pick([0.0, 0.25]),
        validation_timeout=pick([1.0, 0.25]),
        alive_bypass=pick([None, 0.5]),
        invalidate_all=pick([False, True]),
        recycle=pick([None, 1.0]),
        max_lifetime=pick([None, 1.0, 2.0]),
        lifetime_variance=pick([0.0, 0.25]),
        idle_timeout=pick([None, 0.5]),
        housekeeping_period=pick([1.0, 0.5]),
        keepalive_time=pick([None, 0.5, 1.0]),
        leak_threshold=pick([None, 0.5]),
        health_interval=pick([None, None, 1.0]),
    )


def a_checkout(world: World) -> Any:
    """Make a connection pool whose connections are taken by hand."""
    pool = a_pool(world)

    def call(fn: Callable[[], Any]) -> Any:
        with (yield from pool.checkout()) as connection:
            return (yield from connection.use(fn))

    return call


def a_resource(world: World) -> Any:
    """Make a resource manager with one kind of token."""
    tokens = ResourceManager(world.sim, world.name("tokens"), {"gpu": world.pick([1, 2])})
    wait, patience = world.pick([True, False]), world.pick([None, 0.5])
    patience = patience if wait else None
    return lambda fn: tokens.call("gpu", fn, wait=wait, timeout=patience)


CONCURRENCY: list[Callable[[], Any]] = [
    lambda: AIMDLimit(2, least=1, timeout=0.5),
    lambda: VegasLimit(2),
    lambda: Gradient2Limit(2, least=1, queue_size=1, long_window=10),
    lambda: WindowedLimit(AIMDLimit(2, least=1, timeout=0.5), least=0.5, most=1.0, size=2),
    lambda: WindowedLimit(VegasLimit(2), size=2, percentile=0.9),
]


def an_adaptive_limiter(world: World) -> Any:
    """Make an adaptive limiter."""
    limit, wait = world.pick(CONCURRENCY), world.pick([0.0, 0.5, None])
    return AdaptiveLimiter(world.sim, world.name("adaptive"), limit, max_wait=wait)


def a_client_rate(world: World) -> Any:
    """Make a client's own rate limiter."""
    return ClientRateLimiter(world.sim, world.name("rate"))


def a_shedder(world: World) -> Any:
    """Make a load shedder."""
    pick = world.pick
    shedder = LoadShedder(
        world.sim,
        world.name("shedder"),
        max_concurrent=pick([1, 2]),
        max_waiting=pick([None, 0, 2]),
        line=pick(LINES)(),
        thresholds=pick([None, {1: 1, 2: 0}]),
    )

    def call(fn: Callable[[], Any]) -> Any:
        limit = world.sim.now + 0.5 * (1 + world.turn(4))
        return shedder.call(fn, priority=world.turn(3), deadline=limit)

    return call


def a_link(world: World) -> Any:
    """Make a network link."""
    pick = world.pick
    losses = pick([0.0, 0.0, 0.25])
    return NetworkLink(
        world.sim,
        world.name("link"),
        latency=pick([0.125, 0.0, exponential(0.125)]),
        loss=losses,
        detect_after=pick([0.5, 1.0]),
    )


def an_outlier_detector(world: World) -> Any:
    """Make an outlier detector that watches one host in turn."""
    outliers = OutlierDetector(
        world.sim,
        world.name("outliers"),
        ["x", "y"],
        consecutive_failures=2,
        interval=1.0,
        base_ejection_time=1.0,
        max_ejected=0.5,
        minimum_hosts=2,
        request_volume=1,
    )
    return lambda fn: outliers.call("xy"[world.turn(2)], fn)


STAGES: list[Callable[[World], Any]] = [
    a_timeout,
    a_breaker,
    a_retry,
    a_hedge,
    a_ghost,
    a_fallback,
    a_bulkhead,
    a_cache,
    a_limiter,
    a_patient_limiter,
    a_pool,
    a_checkout,
    a_resource,
    an_adaptive_limiter,
    a_client_rate,
    a_shedder,
    a_link,
    an_outlier_detector,
]
