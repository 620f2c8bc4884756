"""Limits that learn: single updates by hand from the formulae of Netflix's concurrency-limits."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.services import AIMDLimit, Gradient2Limit, VegasLimit, WindowedLimit
from foundation_lab.services.limiting.concurrency_limits import SlowAverage
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    import random

    from foundation_lab.services.limiting.concurrency_limits import ConcurrencyLimit


class HighChance:
    """A stream that always draws nearly 1, so that Vegas looks for a new shortest time late."""

    def random(self) -> float:
        return 0.999999


LATE: Any = HighChance()


def feed(
    limit: ConcurrencyLimit,
    *samples: tuple[float, int] | tuple[float, int, bool],
    stream: random.Random = LATE,
) -> list[int]:
    """Give samples of (rtt, in flight, dropped), and return the limit after each."""
    found = []
    for rtt, in_flight, *dropped in samples:
        limit.sample(0.0, rtt, in_flight, stream, dropped=bool(dropped and dropped[0]))
        found.append(limit.limit)
    return found


# -- AIMD ----------------------------------------------------------------------------------------


def test_aimd_grows_by_one_and_shrinks_to_nine_tenths() -> None:
    limit = AIMDLimit(10, least=1)
    assert limit.limit == 10
    assert feed(limit, (0.001, 10)) == [11]
    assert feed(AIMDLimit(10, least=1), (0.001, 0, True)) == [9]
    assert feed(AIMDLimit(19, least=1), (0.001, 0, True)) == [17]


def test_aimd_grows_only_when_half_of_it_was_in_use() -> None:
    assert feed(AIMDLimit(20), (1, 9), (1, 10)) == [20, 21]


def test_a_call_of_exactly_the_timeout_is_no_drop_for_aimd() -> None:
    assert feed(AIMDLimit(100), (5.0, 100), (5.001, 100)) == [101, 90]


def test_aimd_stays_within_its_bounds() -> None:
    assert feed(AIMDLimit(21, most=22), (1, 22), (1, 22), (1, 0, True), (1, 0, True)) == [
        22,
        22,
        20,
        20,
    ]


# -- Vegas ---------------------------------------------------------------------------------------


def test_the_first_call_of_vegas_brings_the_shortest_time_and_changes_nothing() -> None:
    limit = VegasLimit(10)
    assert feed(limit, (0.010, 10)) == [10]
    assert limit.shortest == 0.010
    assert feed(limit, (0.008, 10)) == [10]
    assert limit.shortest == 0.008


@pytest.mark.parametrize(
    ("rtt", "in_line", "grown"),
    [
        (0.010, "none", 6),
        (0.0110, "ceil(10 * (1 - 1 / 1.1)) = 1, up to L", 6),
        (0.0120, "ceil(1.67) = 2, below 3 L", 1),
        (0.0140, "ceil(2.86) = 3, no more below 3 L", 0),
        (0.0200, "5", 0),
        (0.0240, "ceil(5.83) = 6, not above 6 L", 0),
        (0.0260, "ceil(6.15) = 7, above 6 L", -1),
        (0.5, "10", -1),
    ],
)
def test_vegas_at_10_where_the_logarithm_is_1(rtt: float, in_line: str, grown: int) -> None:
    assert feed(VegasLimit(10), (0.010, 10), (rtt, 10)) == [10, 10 + grown], in_line


@pytest.mark.parametrize(
    ("rtt", "grown"),
    [(0.010, 12), (0.0102, 12), (0.0105, 2), (0.0107, 0), (0.0113, 0), (0.0115, -2)],
)
def test_vegas_at_100_where_the_logarithm_is_2(rtt: float, grown: int) -> None:
    assert feed(VegasLimit(100), (0.010, 99), (rtt, 99)) == [100, 100 + grown]


def test_a_drop_shrinks_vegas_by_the_logarithm_even_when_little_is_in_flight() -> None:
    assert feed(VegasLimit(100), (1, 9), (1, 1, True)) == [100, 98]


def test_vegas_does_not_grow_when_less_than_half_of_it_was_in_use() -> None:
    assert feed(VegasLimit(20), (1, 20), (1, 9), (1, 10)) == [20, 20, 26]


def test_vegas_stays_between_1_and_its_most() -> None:
    assert feed(VegasLimit(1), (1, 1), (9, 1, True)) == [1, 1]
    assert feed(VegasLimit(10, most=12), (1, 10), (1, 10)) == [10, 12]


def test_vegas_takes_over_a_share_of_a_new_limit_when_it_is_smoothed() -> None:
    limit = VegasLimit(10, smoothing=0.25)
    assert feed(limit, (1, 10), (1, 10)) == [10, 11]
    assert limit.estimate == 11.5


def test_vegas_measures_the_shortest_time_anew_after_30_calls_a_place_at_most() -> None:
    limit = VegasLimit(10, most=10)
    probes = []
    for number in range(1, 1000):
        before = limit.shortest
        limit.sample(0.0, 1.0 + number / 1e6, 10, LATE, dropped=False)
        if limit.shortest > before:
            probes.append(number)
    assert probes[:4] == [1, 300, 600, 900]


def test_the_interval_of_vegas_is_drawn_between_half_of_it_and_all_of_it() -> None:
    stream = Simulation(seed=1).stream("vegas")
    limit = VegasLimit(10, most=10)
    probes = [0]
    for number in range(1, 60_000):
        before = limit.shortest
        limit.sample(0.0, 1.0 + number / 1e9, 10, stream, dropped=False)
        if limit.shortest > before and number > 1:
            probes.append(number)
    gaps = [b - a for a, b in pairwise(probes)]
    assert min(gaps) >= 150
    assert max(gaps) <= 300
    assert max(gaps) - min(gaps) > 130


# -- Gradient2 -----------------------------------------------------------------------------------


def test_gradient_grows_by_a_share_of_its_queue_while_calls_take_as_long_as_usual() -> None:
    limit = Gradient2Limit()
    feed(limit, (0.1, 20))
    assert limit.estimate == pytest.approx(20 * 0.8 + (20 * 1 + 4) * 0.2)  # 20.8
    feed(limit, (0.1, 20))
    assert limit.estimate == pytest.approx(20.8 * 0.8 + 24.8 * 0.2)


def test_gradient_tolerates_half_as_long_again() -> None:
    limit = Gradient2Limit(100)
    feed(limit, (0.1, 100))
    assert limit.estimate == pytest.approx(100.8)
    # the long average of 0.1 and 0.2 is 0.15; 1.5 * 0.15 / 0.2 is above 1
    feed(limit, (0.2, 100))
    assert limit.long_rtt == pytest.approx(0.15)
    assert limit.estimate == pytest.approx(101.6)
    # the average of 0.1, 0.2 and 0.9 is 0.4: gradient 1.5 * 0.4 / 0.9 = 2 / 3
    feed(limit, (0.9, 100))
    assert limit.estimate == pytest.approx(101.6 * 0.8 + (101.6 * 2 / 3 + 4) * 0.2)


def test_gradient_halves_at_most_before_it_is_smoothed() -> None:
    limit = Gradient2Limit(100)
    feed(limit, *[(0.001, 1)] * 10, (1.0, 100))
    assert limit.estimate == pytest.approx(100 * 0.8 + (50 + 4) * 0.2)


def test_gradient_forgets_a_twentieth_when_calls_are_more_than_twice_as_fast_as_usual() -> None:
    limit = Gradient2Limit(100)
    feed(limit, (1.0, 1))
    feed(limit, (0.1, 1))
    assert limit.long_rtt == pytest.approx(0.55 * 0.95)
    even = Gradient2Limit(100)
    feed(even, (3.0, 1), (1.0, 1))
    assert even.long_rtt == 2  # exactly twice is not more


def test_gradient_stays_when_less_than_half_of_it_was_in_use_but_learns_the_time() -> None:
    limit = Gradient2Limit(40)
    assert feed(limit, (0.1, 19), (0.1, 20)) == [40, 40]
    assert limit.estimate == pytest.approx(40.8)


def test_gradient_stays_within_its_bounds_and_takes_no_notice_of_drops() -> None:
    assert feed(Gradient2Limit(199), *[(1, 199)] * 3) == [199, 200, 200]
    assert feed(Gradient2Limit(21), *[(0.01, 1)] * 10, (9, 21), (9, 21))[-2:] == [20, 20]
    assert feed(Gradient2Limit(100), *[(1, 100, True)] * 5) == [100, 101, 102, 103, 104]


def test_the_long_average_is_a_plain_mean_of_ten_at_first() -> None:
    average = SlowAverage(100, 10)
    found = [average.add(k + 10.0) for k in range(10)]
    assert found == [10.0, 10.5, 11, 11.5, 12, 12.5, 13, 13.5, 14, 14.5]
    assert average.add(100) == pytest.approx(16.2, abs=0.1)


# -- windows -------------------------------------------------------------------------------------


class Seen:
    """A limit that only notes its samples."""

    limit = 10

    def __init__(self) -> None:
        self.samples: list[tuple[float, float, int, bool]] = []

    def sample(
        self, now: float, rtt: float, in_flight: int, stream: random.Random, *, dropped: bool
    ) -> None:
        self.samples.append((now, rtt, in_flight, dropped))


def test_a_window_is_one_sample_of_its_mean_its_busiest_instant_and_any_drop() -> None:
    inner = Seen()
    limit = WindowedLimit(inner)
    limit.sample(0.5, 0.5, 3, LATE, dropped=False)  # ends the first window, too small to count
    for k in range(9):
        limit.sample(0.6 + k / 10, 0.1 * (k + 1), k, LATE, dropped=k == 4)
    limit.sample(1.5, 1.0, 2, LATE, dropped=False)  # not after its end yet
    assert inner.samples == []
    limit.sample(1.6, 0.05, 2, LATE, dropped=False)
    ((now, rtt, busiest, dropped),) = inner.samples
    assert (now, busiest, dropped) == (1.6, 8, True)
    assert rtt == pytest.approx(5.55 / 11)
    assert limit.limit == 10


def test_a_percentile_takes_the_place_of_the_mean() -> None:
    inner = Seen()
    limit = WindowedLimit(inner, percentile=0.9)
    limit.sample(0.1, 0.1, 1, LATE, dropped=False)
    for k in range(10, 0, -1):
        limit.sample(1.0 + 0.11 * (k == 1), float(k), 1, LATE, dropped=False)
    assert inner.samples == [(1.11, 9, 1, False)]


def test_a_window_is_twice_the_shortest_time_within_its_bounds() -> None:
    inner = Seen()
    limit = WindowedLimit(inner, least=1, most=5, size=1)
    for now, rtt in ((1, 2), (5, 2), (5.01, 9), (9.01, 9), (9.02, 0.1), (10.02, 1), (10.03, 1)):
        limit.sample(now, rtt, 1, LATE, dropped=False)
    assert [now for now, *_ in inner.samples] == [1, 5.01, 9.02, 10.03]


def test_calls_that_take_next_to_no_time_and_small_windows_do_not_count() -> None:
    inner = Seen()
    limit = WindowedLimit(inner, size=2)
    for now in (1, 2.5, 2.6, 4):
        limit.sample(now, 0.5, 1, LATE, dropped=False)
        limit.sample(now, 0.00009, 99, LATE, dropped=True)
    assert inner.samples == [(4, 0.5, 1, False)]


# -- all -----------------------------------------------------------------------------------------


@given(
    samples=st.lists(
        st.tuples(st.floats(1e-6, 100), st.integers(1, 300), st.booleans()), max_size=200
    ),
    kind=st.sampled_from(["aimd", "vegas", "gradient", "windowed"]),
)
def test_a_limit_is_a_whole_number_within_its_bounds(
    samples: list[tuple[float, int, bool]], kind: str
) -> None:
    limits: dict[str, ConcurrencyLimit] = {
        "aimd": AIMDLimit(20),
        "vegas": VegasLimit(20, most=200),
        "gradient": Gradient2Limit(),
        "windowed": WindowedLimit(VegasLimit(20, most=200), size=1),
    }
    least = 20 if kind in {"aimd", "gradient"} else 1
    for found in feed(limits[kind], *samples, stream=Simulation(seed=2).stream("x")):
        assert isinstance(found, int)
        assert least <= found <= 200


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AIMDLimit(backoff=1), "backoff=1"),
        (lambda: AIMDLimit(backoff=0.4), "backoff=0.4"),
        (lambda: AIMDLimit(least=5, most=4), "least=5 is above most=4"),
        (lambda: AIMDLimit(0), "initial=0"),
        (lambda: AIMDLimit(timeout=0), "timeout=0"),
        (lambda: VegasLimit(smoothing=0), "smoothing=0"),
        (lambda: VegasLimit(most=0), "most=0"),
        (lambda: Gradient2Limit(tolerance=0.9), "tolerance=0.9"),
        (lambda: Gradient2Limit(smoothing=1.1), "smoothing=1.1"),
        (lambda: WindowedLimit(VegasLimit(), percentile=1), "percentile=1"),
        (lambda: WindowedLimit(VegasLimit(), size=0), "size=0"),
        (lambda: VegasLimit().sample(0, 0, 1, LATE, dropped=False), "rtt=0"),
        (lambda: Gradient2Limit().sample(0, 0, 1, LATE, dropped=False), "rtt=0"),
    ],
    ids=range(13),
)
def test_a_wrong_argument_is_an_error_at_once(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("limit", "samples", "limits"),
    [
        (VegasLimit(10, most=20), [(0.010, 10), (0.010, 11)], [10, 16]),  # increaseLimit
        (VegasLimit(10, most=20), [(0.010, 10), (0.050, 11)], [10, 9]),  # decreaseLimit
        (VegasLimit(10, most=20), [(0.010, 10), (0.014, 14)], [10, 10]),  # noChange...
        (VegasLimit(100, most=200, smoothing=0.5), [(0.010, 100), (0.020, 100)], [100, 99]),
        (AIMDLimit(10, least=1), [(0.001, 10)], [11]),  # increaseOnSuccess
        (AIMDLimit(30, least=1), [(0.001, 0, True)], [27]),  # decreaseOnDrops
        (AIMDLimit(21, least=1, most=21), [(0.001, 10)], [21]),  # successOverflow
    ],
)
def test_the_limits_are_those_of_netflixs_own_tests(
    limit: ConcurrencyLimit, samples: list[Any], limits: list[int]
) -> None:
    """VegasLimitTest and AIMDLimitTest of concurrency-limits, with the present defaults."""
    assert feed(limit, *samples) == limits


@pytest.mark.parametrize(
    ("share", "rtts", "tracked"),
    [
        (0.5, [5.0, 0.5, 0.01], 0.5),
        (0.999, [5.0, 0.5, 0.01], 5.0),
        (0.5, [5.0, 0.5, 0.01, 0.01, 0.01, 0.01], 0.01),
    ],
)
def test_the_percentile_of_a_window_is_that_of_netflixs_own_test(
    share: float, rtts: list[float], tracked: float
) -> None:
    """ImmutablePercentileSampleWindowTest."""

    class Told:
        limit = 5

        def sample(self, _now: float, rtt: float, *_: Any, dropped: bool) -> None:
            heard.append(rtt)

    heard: list[float] = []
    window = WindowedLimit(Told(), percentile=share, size=1)
    window.sample(0.5, 1.0, 1, LATE, dropped=False)  # ends the first window; the next ends at 1.5
    heard.clear()
    for number, rtt in enumerate(rtts):
        time = 1.0 if number < len(rtts) - 1 else 2.0
        window.sample(time, rtt, 1, LATE, dropped=False)
    assert heard == [tracked]
