"""Unmodified SimPy models do the same on a `Simulation` as on a `simpy.Environment`."""

from collections.abc import Callable
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
                log.append((env.now, name, "lost it after", env.now - interrupt.cause.usage_since))

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
            item = yield shelf.get(lambda item, wanted=wanted: item == wanted)
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


def random_model(scripts: list[list[tuple[str, int]]]) -> Model:
    def model(env: simpy.Environment, log: Log) -> None:
        desk, shelf = simpy.Resource(env, 1), simpy.Store(env, 2)
        everyone: list[simpy.Process] = []

        def act(action: str, number: int, me: str) -> Any:
            if action == "sleep":
                yield env.timeout(number)
            elif action == "use":
                with desk.request() as request:
                    yield request
                    yield env.timeout(number)
            elif action == "impatient":
                with desk.request() as request:
                    got = yield request | env.timeout(number)
                    log.append((env.now, me, len(got.todict())))
            elif action == "put":
                yield shelf.put(number) | env.timeout(2)
            elif action == "get":
                got = yield shelf.get() | env.timeout(number)
                log.append((env.now, me, list(got.values())))
            elif action == "interrupt":
                other = everyone[number % len(everyone)]
                if other.is_alive and other is not env.active_process:
                    other.interrupt(me)
            elif action == "both":
                yield env.timeout(number) & env.timeout(1)
            elif action == "spawn":
                yield env.process(follow([("sleep", number)], f"{me}+"))
            else:
                failing = env.event()
                failing.fail(KeyError(number))
                yield failing

        def follow(script: list[tuple[str, int]], me: str) -> Any:
            for action, number in script:
                try:
                    yield from act(action, number, me)
                except (simpy.Interrupt, KeyError) as error:
                    log.append((env.now, me, repr(error)))
                log.append((env.now, me, action))

        for index, script in enumerate(scripts):
            everyone.append(env.process(follow(script, str(index))))

    return model


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(ACTIONS, min_size=1, max_size=4))
def test_any_model_takes_the_same_course_as_on_simpy(scripts: list[list[tuple[str, int]]]) -> None:
    model = random_model(scripts)
    assert run(Simulation(seed=SEED), model) == run(simpy.Environment(), model)
