from __future__ import annotations

import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import BackendError, ServiceDown, ServiceError
from foundation_lab.services import Backend, Cache, Timeout
from foundation_lab.services.flight import Flight
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Generator, Hashable

    from foundation_lab.simulation.process import Process


class Loader:
    """Loads the number of the load, in so many seconds; some of the loads fail."""

    def __init__(self, duration: float = 1.0, errors: dict[int, Exception] | None = None) -> None:
        self.duration = duration
        self.errors = errors or {}
        self.began = 0
        self.ended = 0

    def __call__(self) -> Generator[Any, Any, int]:
        self.began += 1
        number = self.began
        yield self.duration
        self.ended += 1
        if number in self.errors:
            raise self.errors[number]
        return number


def asking(
    sim: Simulation, cache: Cache, loader: Any, at: float = 0, key: Hashable = "k"
) -> Process:
    """Ask a cache; the value is what came, or the name of the error, and when."""

    def process() -> Generator[Any, Any, tuple[Any, float]]:
        try:
            yield at - sim.now
            result = yield from cache.call(loader, key=key)
        except (ServiceError, simpy.Interrupt, LookupError, RuntimeError) as error:
            return type(error).__name__, sim.now
        return result, sim.now

    return sim.process(process())


def values(processes: list[Process]) -> list[Any]:
    return [process.value for process in processes]


def evicted(sim: Simulation) -> list[tuple[str, str]]:
    rows: list[Any] = sim.recording.frame(Cache.Evicted).select("key", "reason").rows()
    return rows


def cancel(process: Process) -> None:
    if process.is_alive:
        process.interrupt()


def test_a_value_is_kept_for_its_time_and_has_expired_at_exactly_that_age() -> None:
    sim = Simulation(seed=1)
    cache = Cache(sim, "prices", ttl=10)
    loader = Loader()
    calls = [asking(sim, cache, loader, at) for at in (0, 2, 10.5, 11, 13)]
    sim.run()
    assert values(calls) == [(1, 1), (1, 2), (1, 10.5), (2, 12), (2, 13)]
    hits = sim.recording.frame(Cache.Hit)
    assert hits["age"].to_list() == [1, 9.5, 1]
    assert evicted(sim) == [("k", "expired")]
    puts = sim.recording.frame(Cache.Put)
    assert puts.select("ttl", "size", "negative").rows() == [(10, 1, False), (10, 1, False)]


def test_the_least_recently_used_key_makes_room() -> None:
    sim = Simulation(seed=2)
    cache = Cache(sim, "prices", ttl=1000, max_size=2)
    for at, key in enumerate(["a", "b", "a", "c", "a", "b"]):
        asking(sim, cache, lambda key=key: key.upper(), at, key)
    sim.run()
    assert evicted(sim) == [("b", "least_used"), ("c", "least_used")]
    assert len(cache) == 2
    assert sim.recording.counts["foundation.cache.hit"] == 2


def test_to_put_a_key_again_is_a_use_of_it() -> None:
    sim = Simulation(seed=21)
    cache = Cache(sim, "prices", ttl=1000, max_size=2)
    for key in "abac":
        cache.put(key, key)
    assert evicted(sim) == [("b", "least_used")]


def test_to_peek_is_no_use_and_no_event() -> None:
    sim = Simulation(seed=3)
    cache = Cache(sim, "prices", ttl=5, max_size=2)
    cache.put("a", 1)
    cache.put("b", 2)
    entry = cache.peek("a")
    assert entry is not None
    assert (entry.value, entry.expires) == (1, 5)
    cache.put("c", 3)
    assert cache.peek("a") is None
    sim.run(until=5)
    assert cache.peek("c") is None
    assert (len(cache), bool(cache)) == (2, True)
    assert "foundation.cache.hit" not in sim.recording.counts


def test_falsy_values_are_values() -> None:
    sim = Simulation(seed=4)
    cache = Cache(sim, "prices", ttl=5)
    loader = Loader()
    cache.put("k", None)
    cache.put(0, 0)
    calls = [asking(sim, cache, loader), asking(sim, cache, loader, key=0)]
    sim.run()
    assert values(calls) == [(None, 0), (0, 0)]
    assert loader.began == 0


def test_callers_of_one_key_wait_for_one_load() -> None:
    sim = Simulation(seed=5)
    cache = Cache(sim, "prices", ttl=10)
    loader = Loader(duration=2)
    calls = [asking(sim, cache, loader, at) for at in (0, 0, 0.5, 1.9)]
    other = asking(sim, cache, loader, 0, key="other")
    sim.run()
    assert values(calls) == [(1, 2)] * 4
    assert other.value == (2, 2)
    missed = sim.recording.frame(Cache.Miss)
    joined = [row["joined"] for row in missed.to_dicts() if row["key"] == "k"]
    assert joined == [False, True, True, True]


@pytest.mark.parametrize(("single_flight", "loads"), [(True, 2), (False, 101)])
def test_the_end_of_a_popular_keys_time_is_a_stampede_without_single_flight(
    single_flight: bool,  # noqa: FBT001  (a parameter of the test)
    loads: int,
) -> None:
    sim = Simulation(seed=6)
    backend = Backend(sim, "db", service_time=0.5, concurrency=100)
    cache = Cache(sim, "prices", ttl=10, single_flight=single_flight)
    asking(sim, cache, backend.request)
    calls = [asking(sim, cache, backend.request, 10.5 + k / 1000) for k in range(100)]
    sim.run()
    assert sim.recording.frame(Backend.Served).height == loads
    assert {value[0] for value in values(calls)} == {None}


def test_a_failing_load_fails_for_all_who_wait_and_the_next_caller_loads_anew() -> None:
    sim = Simulation(seed=7)
    cache = Cache(sim, "prices", ttl=10)
    loader = Loader(errors={1: BackendError("no")})
    calls = [asking(sim, cache, loader, at) for at in (0, 0.5, 1.5)]
    sim.run()
    assert values(calls) == [("BackendError", 1), ("BackendError", 1), (2, 2.5)]
    assert sim.recording.frame(Cache.Put).height == 1


def test_a_bug_in_a_load_comes_through_to_all_who_wait() -> None:
    sim = Simulation(seed=8)
    cache = Cache(sim, "prices", ttl=10, negative_ttl=5)
    loader = Loader(errors={1: KeyError("a bug")})
    calls = [asking(sim, cache, loader, at) for at in (0, 0.5, 1.5)]
    sim.run()
    assert values(calls) == [("KeyError", 1), ("KeyError", 1), (2, 2.5)]


def test_errors_are_kept_when_that_is_wanted() -> None:
    sim = Simulation(seed=9)
    cache = Cache(sim, "prices", ttl=10, negative_ttl=3)
    loader = Loader(errors={1: BackendError("no")})
    calls = [asking(sim, cache, loader, at) for at in (0, 2, 3.5, 4)]
    sim.run()
    assert values(calls) == [("BackendError", t) for t in (1, 2, 3.5)] + [(2, 5)]
    assert sim.recording.frame(Cache.Hit)["negative"].to_list() == [True, True]
    puts = sim.recording.frame(Cache.Put)
    assert puts.select("ttl", "negative").rows() == [(3, True), (10, False)]


def test_an_error_that_is_kept_grows_no_traceback() -> None:
    sim = Simulation(seed=23)
    cache = Cache(sim, "prices", ttl=10, negative_ttl=3)
    lengths: list[int] = []

    def process() -> Generator[Any, Any, None]:
        for _ in range(5):
            try:
                yield from cache.call(Loader(duration=0, errors={1: BackendError("no")}))
            except BackendError as error:
                lengths.append(len(traceback.extract_tb(error.__traceback__)))

    sim.process(process())
    sim.run()
    assert len(set(lengths[1:])) == 1


def test_the_one_who_waits_longest_takes_over_from_a_caller_that_is_interrupted() -> None:
    sim = Simulation(seed=10)
    cache = Cache(sim, "prices", ttl=10)
    loader = Loader(duration=2)
    calls = [asking(sim, cache, loader, at) for at in (0, 0.2, 0.4)]
    sim.call_at(1, calls[0].interrupt)
    sim.run()
    assert values(calls) == [("Interrupt", 1), (2, 3), (2, 3)]
    assert (loader.began, loader.ended) == (2, 1)


def test_heirs_come_in_the_order_in_which_they_asked_and_load_what_they_were_given() -> None:
    sim = Simulation(seed=22)
    cache = Cache(sim, "prices", ttl=10)
    loaders = [Loader(duration=2) for _ in range(3)]
    calls = [asking(sim, cache, loader, 0.2 * k) for k, loader in enumerate(loaders)]
    sim.call_at(1, calls[0].interrupt)
    sim.run()
    assert [loader.began for loader in loaders] == [1, 1, 0]


def test_an_heir_that_is_interrupted_at_the_same_instant_passes_the_load_on() -> None:
    sim = Simulation(seed=11)
    cache = Cache(sim, "prices", ttl=10)
    loader = Loader(duration=2)
    calls = [asking(sim, cache, loader, at) for at in (0, 0.2, 0.4)]
    for call in calls[:2]:
        sim.call_at(1, call.interrupt)
    sim.run()
    assert values(calls) == [("Interrupt", 1), ("Interrupt", 1), (2, 3)]
    sim.check_invariants()


def test_a_limit_outside_of_the_cache_ends_one_callers_wait_and_not_the_others() -> None:
    sim = Simulation(seed=12)
    cache = Cache(sim, "prices", ttl=10, negative_ttl=5)
    timeout = Timeout(sim, "api", 1)
    loader = Loader(duration=2)

    def impatient() -> Generator[Any, Any, str]:
        try:
            yield from timeout.call(lambda: cache.call(loader, key="k"))
        except ServiceError as error:
            return type(error).__name__
        return "in time"

    first = sim.process(impatient())
    patient = asking(sim, cache, loader, 0.5)
    sim.run()
    assert (first.value, patient.value) == ("TimedOut", (2, 3))
    assert sim.recording.frame(Cache.Put)["negative"].to_list() == [False]


def test_a_limit_inside_of_the_cache_is_the_loads_failure() -> None:
    sim = Simulation(seed=13)
    cache = Cache(sim, "prices", ttl=10, negative_ttl=5)
    timeout = Timeout(sim, "api", 1)
    loader = Loader(duration=2)
    calls = [asking(sim, cache, lambda: timeout.call(loader), at) for at in (0, 0.5, 3)]
    sim.run()
    assert values(calls) == [("TimedOut", 1), ("TimedOut", 1), ("TimedOut", 3)]
    assert loader.began == 1


@pytest.mark.parametrize("single_flight", [True, False])
def test_a_load_that_began_before_an_invalidation_is_not_kept(
    single_flight: bool,  # noqa: FBT001  (a parameter of the test)
) -> None:
    sim = Simulation(seed=14)
    cache = Cache(sim, "prices", ttl=10, single_flight=single_flight)
    loader = Loader(duration=2)
    old = asking(sim, cache, loader)
    sim.call_at(1, lambda: cache.invalidate("k"))
    new = asking(sim, cache, loader, 1.5)
    last = asking(sim, cache, loader, 5)
    sim.run()
    assert values([old, new, last]) == [(1, 2), (2, 3.5), (2, 5)]
    assert cache.invalidate("k")
    assert not cache.invalidate("k")
    assert evicted(sim) == [("k", "invalidated")]


def test_a_value_put_by_hand_is_not_replaced_by_an_older_load() -> None:
    sim = Simulation(seed=15)
    cache = Cache(sim, "prices", ttl=10)
    loader = Loader(duration=2)
    old = asking(sim, cache, loader)
    sim.call_at(1, lambda: cache.put("k", "by hand"))
    new = asking(sim, cache, loader, 3)
    sim.run()
    assert values([old, new]) == [(1, 2), ("by hand", 3)]


def test_a_cache_that_crashes_loses_its_keys_and_sends_its_waiters_away() -> None:
    sim = Simulation(seed=16)
    cache = Cache(sim, "prices", ttl=10)
    loader = Loader(duration=2)
    cache.put("other", 1)
    calls = [asking(sim, cache, loader, at) for at in (0, 0.5, 1.5)]
    sim.run(until=1)
    cache.kill()
    with pytest.raises(ServiceDown):
        cache.put("k", 2)
    sim.run(until=2)
    cache.restart()
    after = asking(sim, cache, loader, 2.5)
    sim.run()
    assert values(calls) == [(1, 2), ("ServiceDown", 1), ("ServiceDown", 1.5)]
    assert after.value == (2, 4.5)
    assert cache.metrics() == {"size": 1, "loading": 0}


def test_a_load_that_asks_for_its_own_key_is_the_programmers_mistake() -> None:
    sim = Simulation(seed=17)
    cache = Cache(sim, "prices", ttl=10)
    first = asking(sim, cache, lambda: cache.call(Loader(), key="k"))
    patient = asking(sim, cache, Loader(), 1)
    heir = asking(sim, cache, lambda: cache.call(Loader(), key="k"), 1.2)
    sim.call_at(1.5, patient.interrupt)
    sim.run()
    assert values([first, patient]) == [("RuntimeError", 0), ("Interrupt", 1.5)]
    assert heir.value == ("RuntimeError", 1.5)


def test_jitter_shortens_each_time_to_live_by_up_to_its_share() -> None:
    sim = Simulation(seed=18)
    cache = Cache(sim, "prices", ttl=100, jitter=0.2)
    for key in range(200):
        cache.put(key, key)
    ttls = sim.recording.frame(Cache.Put)["ttl"].to_list()
    assert 80 < min(ttls) < 82
    assert 98 < max(ttls) <= 100
    assert sum(ttls) / len(ttls) == pytest.approx(90, abs=1.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ttl": 0}, "ttl=0"),
        ({"ttl": 1, "max_size": 0}, "max_size=0"),
        ({"ttl": 1, "negative_ttl": -1}, "negative_ttl=-1"),
        ({"ttl": 1, "jitter": 1}, "jitter=1"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(arguments: dict[str, Any], message: str) -> None:
    sim = Simulation(seed=19)
    with pytest.raises(ValueError, match=message):
        Cache(sim, "prices", **arguments)
    assert not sim.components


@settings(max_examples=200, deadline=None)
@given(
    single_flight=st.booleans(),
    negative_ttl=st.sampled_from([None, 1.0]),
    calls=st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0]),
            st.sampled_from(["a", "b", "c"]),
            st.sampled_from([None, None, 0.0, 0.5, 1.0]),  # when it is interrupted
        ),
        max_size=12,
    ),
    errors=st.dictionaries(st.integers(1, 6), st.just(BackendError("no"))),
    restart=st.sampled_from([None, 1.0, 1.5]),
    invalidate=st.sampled_from([None, 0.5, 2.0]),
)
def test_whatever_happens_every_caller_gets_an_answer_and_no_load_is_left(
    *,
    single_flight: bool,
    negative_ttl: float | None,
    calls: list[tuple[float, str, float | None]],
    errors: dict[int, Exception],
    restart: float | None,
    invalidate: float | None,
) -> None:
    sim = Simulation(seed=20)
    cache = Cache(
        sim, "c", ttl=2, max_size=2, negative_ttl=negative_ttl, single_flight=single_flight
    )
    loader = Loader(errors=errors)
    processes = []
    for at, key, interrupt in calls:
        processes.append(asking(sim, cache, loader, at, key))
        if interrupt is not None:
            sim.call_at(at + interrupt, partial(cancel, processes[-1]))
    if restart is not None:
        sim.call_at(restart, cache.kill)
        sim.call_at(restart, cache.restart)
    if invalidate is not None:
        sim.call_at(invalidate, lambda: cache.invalidate("a"))
    for now in (0.25, 0.75, 1.25, 1.75, 2.75):
        sim.run(until=now)
        sim.check_invariants()
    sim.run()
    sim.check_invariants()
    assert not sim.living()
    assert cache.loading == 0
    for (answer, _), (_, _, interrupt) in zip(values(processes), calls, strict=True):
        assert isinstance(answer, int) or answer in {
            *(["BackendError"] if errors else []),
            *(["Interrupt"] if interrupt is not None else []),
            *(["ServiceDown"] if restart is not None else []),
        }


def test_too_many_keys_or_loads_break_a_law() -> None:
    sim = Simulation(seed=24)
    cache = Cache(sim, "prices", ttl=10, max_size=2, single_flight=False)
    cache.put("a", 1)
    cache.put("b", 2)
    for _ in range(2):
        asking(sim, cache, Loader(duration=5))
    sim.run(until=1)
    sim.check_invariants()
    cache.max_size, cache.single_flight = 1, True
    assert cache.violations() == ["2 keys in room for 1", "key 'k' is loaded 2 times at once"]


def test_a_load_whose_process_is_gone_breaks_a_law() -> None:
    sim = Simulation(seed=25)
    cache = Cache(sim, "prices", ttl=10)
    cache._loads = {"k": [Flight(sim.process(nothing()))]}
    assert cache.violations() == []
    sim.run()
    assert cache.violations() == ["the load of key 'k' was given up by a process that has ended"]


def nothing() -> Generator[Any, Any, None]:
    yield 1.0
