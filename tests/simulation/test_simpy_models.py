"""Unmodified SimPy models do the same on a `Simulation` as on a `simpy.Environment`."""

from collections.abc import Callable
from functools import partial
from operator import eq
from typing import Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.simulation.engine import Simulation

SEED = 31
Log = list[tuple[Any, ...]]
Model = Callable[[simpy.Environment, Log], None]


def resource(env: simpy.Environment, log: Log) -> None:
    desk = simpy.Resource(env, capacity=2)

    def customer(name: int) -> Any:
        with desk.request() as request:
            result = yield request | env.timeout(2.5)
            log.append((env.now, name, "in" if request in result else "gave up", desk.count))
            yield env.timeout(2)
        log.append((env.now, name, "out", len(desk.queue)))

    for name in range(6):
        env.process(customer(name))


def preemptive(env: simpy.Environment, log: Log) -> None:
    machine = simpy.PreemptiveResource(env, capacity=1)

    def job(name: int, delay: float, priority: int) -> Any:
        yield env.timeout(delay)
        with machine.request(priority=priority) as request:
            try:
                yield request
                log.append((env.now, name, "starts"))
                yield env.timeout(5)
            except simpy.Interrupt as interrupt:
                preempted: Any = interrupt.cause
                log.append((env.now, name, "lost it after", env.now - preempted.usage_since))

    for name, (delay, priority) in enumerate([(0, 2), (1, 3), (2, 1), (2, 0), (9, 0)]):
        env.process(job(name, delay, priority))


def store_and_container(env: simpy.Environment, log: Log) -> None:
    shelf = simpy.FilterStore(env, capacity=2)
    ranked = simpy.PriorityStore(env)
    tank = simpy.Container(env, capacity=10, init=3)

    def producer() -> Any:
        for item in range(6):
            yield shelf.put(item)
            yield ranked.put(simpy.PriorityItem(-item, f"item {item}"))
            yield tank.put(4)
            log.append((env.now, "put", item, tank.level))

    def consumer() -> Any:
        for wanted in (1, 0, 3, 2):
            yield env.timeout(1)
            item = yield shelf.get(partial(eq, wanted))
            first = yield ranked.get()
            yield tank.get(5)
            log.append((env.now, "got", item, first.item, tank.level))

    env.process(producer())
    env.process(consumer())


def conditions(env: simpy.Environment, log: Log) -> None:
    def worker() -> Any:
        a, b = env.timeout(1, "a"), env.timeout(2, "b")
        first = yield a | b
        both = yield a & b
        log.append((env.now, list(first.values()), list(both.values())))
        failing = env.event()
        failing.fail(ValueError("bad"))
        try:
            yield env.all_of([env.timeout(1), failing])
        except ValueError as error:
            log.append((env.now, repr(error)))
        yield env.all_of([])
        log.append((env.now, "nothing to wait for"))

    env.process(worker())


def interrupts(env: simpy.Environment, log: Log) -> None:
    def sleeper(name: int) -> Any:
        for _ in range(2):
            try:
                yield env.timeout(3)
                log.append((env.now, name, "slept"))
            except simpy.Interrupt as interrupt:
                log.append((env.now, name, "woken by", interrupt.cause))

    def waker(victims: list[simpy.Process]) -> Any:
        yield env.timeout(1)
        for victim in victims:
            victim.interrupt("alarm")
        victims[0].interrupt("again")
        yield victims[0] & victims[1]
        log.append((env.now, "all awake"))

    env.process(waker([env.process(sleeper(name)) for name in range(2)]))


MODELS = [resource, preemptive, store_and_container, conditions, interrupts]


def run(env: simpy.Environment, model: Model, until: float | None = None) -> Log:
    log: Log = []
    model(env, log)
    env.run(until=until)
    log.append((env.now,))
    return log


@pytest.mark.parametrize("until", [None, 2, 4.5])
@pytest.mark.parametrize("model", MODELS)
def test_a_model_takes_the_same_course_as_on_simpy(model: Model, until: float | None) -> None:
    expected = run(simpy.Environment(), model, until)
    assert run(Simulation(seed=SEED), model, until) == expected
    assert len(expected) > (1 if until is None else 0)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("sleep"), st.integers(0, 3)),
        st.tuples(st.just("use"), st.integers(0, 3)),
        st.tuples(st.just("impatient"), st.integers(0, 2)),
        st.tuples(st.just("put"), st.integers(0, 9)),
        st.tuples(st.just("get"), st.integers(0, 2)),
        st.tuples(st.just("interrupt"), st.integers(0, 3)),
        st.tuples(st.just("both"), st.integers(0, 3)),
        st.tuples(st.just("spawn"), st.integers(0, 2)),
        st.tuples(st.just("fail"), st.integers(0, 2)),
    ),
    max_size=6,
)


class Crowd:
    """Processes that follow scripts and share a desk and a shelf."""

    def __init__(self, env: simpy.Environment, log: Log) -> None:
        self.env, self.log = env, log
        self.desk, self.shelf = simpy.Resource(env, 1), simpy.Store(env, 2)
        self.everyone: list[simpy.Process] = []

    def follow(self, script: list[tuple[str, int]], me: str) -> Any:
        for action, number in script:
            try:
                yield from getattr(self, action)(number, me)
            except (simpy.Interrupt, KeyError) as error:
                self.log.append((self.env.now, me, repr(error)))
            self.log.append((self.env.now, me, action))

    def sleep(self, number: int, _me: str) -> Any:
        yield self.env.timeout(number)

    def use(self, number: int, _me: str) -> Any:
        with self.desk.request() as request:
            yield request
            yield self.env.timeout(number)

    def impatient(self, number: int, me: str) -> Any:
        with self.desk.request() as request:
            got = yield request | self.env.timeout(number)
            self.log.append((self.env.now, me, len(got.todict())))

    def put(self, number: int, _me: str) -> Any:
        yield self.shelf.put(number) | self.env.timeout(2)

    def get(self, number: int, me: str) -> Any:
        got = yield self.shelf.get() | self.env.timeout(number)
        self.log.append((self.env.now, me, list(got.values())))

    def interrupt(self, number: int, me: str) -> Any:
        other = self.everyone[number % len(self.everyone)]
        if other.is_alive and other is not self.env.active_process:
            other.interrupt(me)
        yield from ()

    def both(self, number: int, _me: str) -> Any:
        yield self.env.timeout(number) & self.env.timeout(1)

    def spawn(self, number: int, me: str) -> Any:
        yield self.env.process(self.follow([("sleep", number)], f"{me}+"))

    def fail(self, number: int, _me: str) -> Any:
        failing = self.env.event()
        failing.fail(KeyError(number))
        yield failing


def random_model(scripts: list[list[tuple[str, int]]]) -> Model:
    def model(env: simpy.Environment, log: Log) -> None:
        crowd = Crowd(env, log)
        for index, script in enumerate(scripts):
            crowd.everyone.append(env.process(crowd.follow(script, str(index))))

    return model


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(ACTIONS, min_size=1, max_size=4))
def test_any_model_takes_the_same_course_as_on_simpy(scripts: list[list[tuple[str, int]]]) -> None:
    model = random_model(scripts)
    assert run(Simulation(seed=SEED), model) == run(simpy.Environment(), model)
