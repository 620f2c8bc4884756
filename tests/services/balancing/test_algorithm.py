"""Whom each algorithm picks: vectors of the systems that they follow."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.services.balancing.algorithm import (
    LeastLoaded,
    PowerOfTwo,
    RandomPick,
    SmoothWeighted,
)
from foundation_lab.services.balancing.algorithms import ALGORITHMS, as_algorithm
from foundation_lab.services.balancing.consistent_hash import (
    ConsistentHash,
    Ring,
    place_of,
    points_of,
)
from foundation_lab.services.balancing.health_streak import HealthStreak
from foundation_lab.services.balancing.host import Host
from foundation_lab.services.balancing.maglev import Maglev, Preference, preference_of, table_of
from foundation_lab.services.balancing.peak_ewma import PeakEwma
from foundation_lab.simulation.streams import Streams

if TYPE_CHECKING:
    import random

    from foundation_lab.services.balancing.algorithm import Algorithm, Key


def hosts(**weights: float) -> tuple[Host, ...]:
    return tuple(Host(name, lambda: None, weight) for name, weight in weights.items())


def stream(seed: int) -> random.Random:
    return Streams(seed)("picks")


def picks(
    algorithm: Algorithm, of: tuple[Host, ...], count: int, seed: int = 1, key: Key | None = None
) -> list[str]:
    chance = stream(seed)
    return [algorithm.pick(of, 0.0, key, chance).name for _ in range(count)]


# -- round robin ---------------------------------------------------------------------------------


def test_smooth_weighted_round_robin_is_that_of_nginx() -> None:
    """The vector of nginx's commit 52327e0627f4: not a a a a a b c."""
    assert "".join(picks(SmoothWeighted(), hosts(a=5, b=1, c=1), 14)) == "aabacaa" * 2


@given(weights=st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_smooth_weighted_round_robin_gives_each_host_its_weight_in_every_round(
    weights: list[int],
) -> None:
    named = {f"h{number}": weight for number, weight in enumerate(weights)}
    assert Counter(picks(SmoothWeighted(), hosts(**named), sum(weights))) == named


def test_round_robin_goes_through_the_hosts_in_order_and_over_gaps() -> None:
    algorithm = as_algorithm("round_robin")
    every = hosts(a=1, b=1, c=1)
    assert "".join(picks(algorithm, every, 4)) == "abca"
    assert "".join(picks(algorithm, every[:2], 3)) == "bab"
    assert "".join(picks(algorithm, every[:1], 2)) == "aa"


# -- chance --------------------------------------------------------------------------------------


def test_random_picks_follow_the_weights_within_four_standard_errors() -> None:
    counts = Counter(picks(RandomPick(), hosts(a=3, b=1), 10_000))
    assert abs(counts["a"] - 7500) < 4 * (10_000 * 0.75 * 0.25) ** 0.5
    even = Counter(picks(RandomPick(), hosts(a=2, b=2), 10_000))
    assert abs(even["a"] - 5000) < 4 * 50


def test_the_two_choices_are_never_the_same_host() -> None:
    """Of two hosts, the less loaded one therefore wins always."""
    one, other = pair = hosts(a=1, b=1)
    one.active = 1
    assert set(picks(PowerOfTwo(), pair, 200)) == {other.name}
    assert picks(PowerOfTwo(), (one,), 3) == ["a"] * 3


def test_of_many_hosts_the_most_loaded_one_is_never_picked_by_two_choices() -> None:
    many = hosts(a=1, b=1, c=1, d=1)
    for load, host in enumerate(many):
        host.active = load
    counts = Counter(picks(PowerOfTwo(), many, 6000))
    # of the six pairs, a wins three, b two and c one
    assert set(counts) == {"a", "b", "c"}
    for name, share in (("a", 3 / 6), ("b", 2 / 6), ("c", 1 / 6)):
        assert abs(counts[name] - 6000 * share) < 4 * (6000 * share * (1 - share)) ** 0.5


def test_least_loaded_takes_the_weights_into_account_and_any_of_several() -> None:
    heavy, light = both = hosts(a=2, b=1)
    heavy.active, light.active = 2, 0  # 3/2 and 1/1 with the next one
    assert picks(LeastLoaded(), both, 3) == ["b"] * 3
    light.active = 1  # 3/2 and 2/1
    assert picks(LeastLoaded(), both, 3) == ["a"] * 3
    even = Counter(picks(LeastLoaded(), hosts(a=1, b=1, c=1), 3000))
    assert all(abs(count - 1000) < 4 * (3000 * 2 / 9) ** 0.5 for count in even.values())


@pytest.mark.parametrize("algorithm", ["least_loaded", "power_of_two"])
def test_a_host_that_starts_slowly_counts_as_loaded(algorithm: str) -> None:
    warm, cold = hosts(a=1, b=1)
    cold.window, cold.warming_since = 60.0, 0.0
    warm.active = 8  # 9 against 1 / 0.1
    picker, chance = as_algorithm(algorithm), stream(3)
    assert picker.pick((warm, cold), 0.0, None, chance) is warm
    assert picker.pick((warm, cold), 30.0, None, chance) is cold  # 9 against 1 / 0.5
    assert cold.weight_at(60.0) == 1.0
    assert cold.warming_since is None


# -- peak EWMA -----------------------------------------------------------------------------------


def test_a_peak_counts_at_once_and_a_short_answer_by_the_time_since_the_last() -> None:
    algorithm = PeakEwma(decay_time=10)
    (host,) = hosts(a=1)
    algorithm.ended(host, 1.0, now=0.0)
    assert algorithm.load(host, 0.0) == 1.0
    algorithm.ended(host, 3.0, now=0.0)
    assert algorithm.load(host, 0.0) == 3.0
    algorithm.ended(host, 1.0, now=10.0)  # 3/e + (1 - 1/e)
    assert algorithm.load(host, 10.0) == pytest.approx(1.735759, abs=1e-6)
    host.active = 2
    assert algorithm.load(host, 20.0) == pytest.approx(3 * 1.735759 / 2.718282, abs=1e-5)


def test_a_host_without_an_answer_is_tried_once_and_then_avoided_until_it_answers() -> None:
    algorithm, (known, fresh) = PeakEwma(), hosts(a=1, b=1)
    algorithm.ended(known, 0.1, now=0.0)
    chance = stream(4)
    assert algorithm.pick((known, fresh), 0.0, None, chance) is fresh
    fresh.active = 1
    known.active = 1000
    assert {algorithm.pick((known, fresh), 0.0, None, chance) for _ in range(50)} == {known}
    algorithm.forget_all()
    known.active = 0
    assert algorithm.pick((known, fresh), 0.0, None, chance) is known


# -- consistent hashing --------------------------------------------------------------------------


def test_the_ring_is_that_of_ketama() -> None:
    """The lookups of spymemcached's KetamaNodeLocatorTest, with four nodes."""
    nodes = [Host(f"127.0.0.1:{10_000 + number}", lambda: None) for number in range(4)]
    ring = Ring((node, 40) for node in nodes)
    keys = ("dustin", "noelani", "some other key")
    assert [nodes.index(ring.host(ring.at(place_of(key)))) for key in keys] == [0, 2, 0]
    assert len(points_of("a", 40)) == 160


KEYS = [f"user-{number}" for number in range(10_000)]


def owners(algorithm: Algorithm, of: tuple[Host, ...]) -> list[str]:
    chance = stream(1)
    return [algorithm.pick(of, 0.0, key, chance).name for key in KEYS]


@pytest.mark.parametrize("algorithm", [ConsistentHash(), Maglev(table_size=5003)])
def test_a_host_that_comes_takes_its_share_and_one_that_goes_gives_back_its_own(
    algorithm: Algorithm,
) -> None:
    ten = hosts(**{f"h{number}": 1.0 for number in range(10)})
    before, after = owners(algorithm, ten[:9]), owners(algorithm, ten)
    moved = [new for old, new in zip(before, after, strict=True) if old != new]
    if isinstance(algorithm, ConsistentHash):
        assert set(moved) == {"h9"}
        assert len(moved) == pytest.approx(len(KEYS) / 10, rel=0.25)
    else:  # a few more keys move
        assert len(KEYS) / 10 * 0.9 < len(moved) < len(KEYS) / 10 * 2
    assert owners(algorithm, ten[:9]) == before


def test_the_balance_of_the_hashes() -> None:
    """The paper on Maglev finds its table even; 160 points a host spread by 1/sqrt(160): 8 %."""
    ten = hosts(**{f"h{number}": 1.0 for number in range(10)})
    for algorithm, spread in ((ConsistentHash(), 3.5 / 160**0.5), (Maglev(5003), 0.15)):
        counts = Counter(owners(algorithm, ten))
        assert len(counts) == 10
        assert all(abs(count / 1000 - 1) < spread for count in counts.values()), counts
    places = Counter(table_of([preference_of(h.name, 5003) for h in ten], 5003))
    assert max(places.values()) - min(places.values()) <= 1


def test_weights_are_shares_of_the_ring_and_of_the_table() -> None:
    three = hosts(a=1, b=1, c=2)
    for algorithm in (ConsistentHash(hashes=400), Maglev(table_size=5003)):
        counts = Counter(owners(algorithm, three))
        assert counts["c"] == pytest.approx(5000, rel=0.1)


def test_with_a_bound_no_host_has_more_than_its_share_and_a_bit() -> None:
    four, algorithm = hosts(a=1, b=1, c=1, d=1), ConsistentHash(bound=1.25)
    chance = stream(2)
    for number in range(1, 101):
        algorithm.pick(four, 0.0, "the same key", chance).active += 1
        assert max(host.active for host in four) <= -(-125 * number // 400)
    loads = sorted(host.active for host in four)
    assert (sum(loads), loads[-1]) == (100, 32)  # 1.25 * 100 / 4, rounded up


def test_keys_hash_alike_whatever_they_are_written_as_and_none_is_a_random_place() -> None:
    algorithm = ConsistentHash()
    ten = hosts(**{f"h{number}": 1.0 for number in range(10)})
    assert len(set(picks(algorithm, ten, 20, key=42) + picks(algorithm, ten, 1, key="42"))) == 1
    assert picks(algorithm, ten, 1, key=b"42") == picks(algorithm, ten, 1, key=42)
    assert len(set(picks(algorithm, ten, 200))) == 10
    assert len(set(picks(Maglev(251), ten, 200))) == 10
    with pytest.raises(TypeError, match=r"key=1\.5; give text, a whole number or bytes"):
        place_of(1.5)  # type: ignore[arg-type]


def test_the_table_is_that_of_the_paper() -> None:
    """Table 1 of the paper: B0, B1 and B2 with seven places, and without B1."""
    wishes = [Preference(3, 4), Preference(0, 2), Preference(3, 1)]
    assert table_of(wishes, 7) == [1, 0, 1, 0, 2, 2, 0]
    assert table_of([wishes[0], wishes[2]], 7) == [0, 0, 0, 0, 1, 1, 1]


# -- the rest ------------------------------------------------------------------------------------


@given(good=st.lists(st.booleans(), max_size=30))
def test_a_verdict_changes_only_after_so_many_checks_in_a_row(good: list[bool]) -> None:
    streak = HealthStreak(unhealthy_threshold=3, healthy_threshold=2)
    verdicts = [True, *(streak.seen(good=each) for each in good)]
    for end, (before, after) in enumerate(pairwise(verdicts), 1):
        run = good[max(0, end - (3 if before else 2)) : end]
        full = len(run) == (3 if before else 2)
        assert (before != after) == (
            full
            and all(each != before for each in run)
            and all(v == before for v in verdicts[end - len(run) : end])
        )


def test_names_and_arguments_that_do_not_exist_are_errors() -> None:
    assert set(ALGORITHMS) >= {"random", "round_robin", "weighted", "least_loaded", "maglev"}
    with pytest.raises(ValueError, match="unknown algorithm 'round_robbin'; did you mean"):
        as_algorithm("round_robbin")
    with pytest.raises(TypeError, match="algorithm=7; give one of random, "):
        as_algorithm(7)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="table_size=1000; give a prime"):
        Maglev(table_size=1000)
    with pytest.raises(ValueError, match="bound=1; give a number above 1"):
        ConsistentHash(bound=1)
    with pytest.raises(ValueError, match="decay_time=0"):
        PeakEwma(decay_time=0)
    with pytest.raises(TypeError, match="host 'a': 5 serves nobody"):
        Host("a", 5)
