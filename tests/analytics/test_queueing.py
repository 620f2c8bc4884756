import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from foundation_lab.analytics import (
    erlang_b,
    erlang_c,
    machine_repairman,
    md1,
    mg1,
    mm1,
    mmc,
    mmc_d,
    mmck,
    priority_waits,
    processor_sharing,
)

SEED = 20_260_106


@given(load=st.floats(0.0, 20.0), servers=st.integers(0, 20))
def test_erlang_b_agrees_with_its_sum_of_powers(load: float, servers: int) -> None:
    terms = [load**k / math.factorial(k) for k in range(servers + 1)]
    assert erlang_b(load, servers) == pytest.approx(terms[-1] / sum(terms), rel=1e-9, abs=1e-300)


@given(share=st.floats(0.0, 0.99), servers=st.integers(1, 20))
def test_erlang_c_agrees_with_its_sum_of_powers(share: float, servers: int) -> None:
    load = share * servers
    last = load**servers / math.factorial(servers) / (1 - load / servers)
    others = sum(load**k / math.factorial(k) for k in range(servers))
    assert erlang_c(load, servers) == pytest.approx(last / (others + last), rel=1e-9, abs=1e-300)


def test_erlang_b_has_no_overflow_with_many_servers() -> None:
    assert 0.0 < erlang_b(5000.0, 5000) < 0.02


@given(arrivals=st.floats(0.01, 0.99), servers=st.integers(1, 10), rate=st.floats(0.1, 10.0))
def test_mmc_agrees_with_its_chain_of_states(arrivals: float, servers: int, rate: float) -> None:
    queue = mmc(arrivals * servers * rate, rate, servers)
    weights = [1.0]
    for number in range(1, 4000):
        weights.append(weights[-1] * arrivals * servers / min(number, servers))
    states = np.asarray(weights) / sum(weights)
    numbers = np.arange(len(states))
    assert queue.utilisation == pytest.approx(arrivals)
    assert queue.mean_number == pytest.approx(states @ numbers, rel=1e-6)
    assert queue.mean_waiting == pytest.approx(
        states @ np.maximum(numbers - servers, 0), rel=1e-6, abs=1e-12
    )
    assert queue.wait_probability == pytest.approx(states[numbers >= servers].sum(), rel=1e-6)


@given(arrival_rate=st.floats(0.0, 0.99))
def test_mm1_agrees_with_the_textbook(arrival_rate: float) -> None:
    queue = mm1(arrival_rate, 1.0)
    assert queue.mean_number == pytest.approx(arrival_rate / (1 - arrival_rate))
    assert queue.mean_time == pytest.approx(1 / (1 - arrival_rate))
    assert queue.mean_wait == pytest.approx(arrival_rate / (1 - arrival_rate))


def test_mm1_agrees_with_a_simulation_by_lindleys_recursion() -> None:
    rng = np.random.default_rng(SEED)
    services, gaps = rng.exponential(0.5, 200_000), rng.exponential(1.0, 200_000)
    walk = np.concatenate([[0.0], np.cumsum(services - gaps)])
    waits = walk - np.minimum.accumulate(walk)
    assert mm1(1.0, 2.0).mean_wait == pytest.approx(waits.mean(), rel=0.05)


def test_without_arrivals_nobody_waits() -> None:
    assert mmc(0.0, 2.0, 3) == (0.0, 0.0, 0.0, 0.5, 0.0, 0.0)
    assert erlang_b(0.0, 0) == 1.0


def test_a_queue_that_grows_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match=r"offered_load=2.0 reaches servers=2"):
        mmc(2.0, 1.0, 2)


def test_broken_rates_and_servers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"arrival_rate=-1.0 must be finite and at least 0"):
        mm1(-1.0, 1.0)
    with pytest.raises(ValueError, match=r"service_rate=0.0 must be finite and above 0"):
        mm1(1.0, 0.0)
    with pytest.raises(ValueError, match=r"servers=0 must be a whole number; give 1 or more"):
        mmc(1.0, 1.0, 0)
    with pytest.raises(ValueError, match=r"servers=2.0 must be a whole number"):
        erlang_b(1.0, 2.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"offered_load=nan must be finite"):
        erlang_c(math.nan, 2)


@given(
    users=st.integers(1, 12),
    think=st.floats(0.1, 20.0),
    rate=st.floats(0.1, 10.0),
    servers=st.integers(1, 4),
)
def test_the_machine_repairman_agrees_with_its_balance_equations(
    users: int, think: float, rate: float, servers: int
) -> None:
    up = [(users - k) / think for k in range(users)]
    down = [min(k, servers) * rate for k in range(1, users + 1)]
    generator = np.diag(up, 1) + np.diag(down, -1)
    generator -= np.diag(generator.sum(axis=1))
    system = np.vstack([generator.T, np.ones(users + 1)])
    states = np.linalg.lstsq(system, np.append(np.zeros(users + 1), 1.0), rcond=None)[0]
    queue = machine_repairman(users, think, rate, servers)
    numbers = np.arange(users + 1)
    assert queue.mean_number == pytest.approx(states @ numbers, rel=1e-6, abs=1e-9)
    assert queue.throughput == pytest.approx(states[1:] @ down, rel=1e-6)
    assert queue.idle_probability == pytest.approx(states[0], rel=1e-6, abs=1e-9)
    assert queue.mean_time == pytest.approx(queue.mean_number / queue.throughput, rel=1e-6)


def test_thousands_of_users_saturate_the_server_without_overflow() -> None:
    queue = machine_repairman(5000, 1.0, 10.0)
    assert queue.throughput == pytest.approx(10.0)
    assert queue.mean_time == pytest.approx(499.0)
    assert queue.idle_probability == 0.0


def test_a_user_without_a_think_time_is_no_machine() -> None:
    with pytest.raises(ValueError, match="think_time=0"):
        machine_repairman(3, 0, 1.0)


@given(rate=st.floats(0.01, 0.95), servers=st.integers(1, 6))
def test_much_room_is_as_good_as_no_limit(rate: float, servers: int) -> None:
    bounded, endless = mmck(rate * servers, 1.0, servers, 2000), mmc(rate * servers, 1.0, servers)
    assert bounded.loss_probability < 1e-9
    assert bounded.mean_number == pytest.approx(endless.mean_number)
    assert bounded.mean_time == pytest.approx(endless.mean_time)


def test_a_large_room_that_is_always_full_loses_what_is_too_much() -> None:
    crowded = mmck(10.0, 1.0, servers=2, room=1000)  # the weights alone would reach 5 ** 1000
    assert crowded.loss_probability == pytest.approx(0.8)
    assert crowded.utilisation == pytest.approx(1.0)
    assert crowded.mean_number == pytest.approx(1000 - 1 / 4)


@given(load=st.floats(0.01, 9.0), servers=st.integers(1, 6))
def test_room_for_those_in_service_alone_loses_erlangs_b(load: float, servers: int) -> None:
    assert mmck(load, 1.0, servers, servers).loss_probability == pytest.approx(
        erlang_b(load, servers)
    )


@given(rate=st.floats(0.0, 0.95))
def test_mg1_with_exponential_services_is_mm1(rate: float) -> None:
    assert mg1(rate, 1.0, 1.0) == pytest.approx(mm1(rate, 1.0))
    assert md1(rate, 1.0).mean_wait == pytest.approx(mm1(rate, 1.0).mean_wait / 2)
    assert processor_sharing(rate, 1.0) == pytest.approx(mm1(rate, 1.0).mean_time)


@given(rates=st.lists(st.floats(0.0, 0.2), min_size=1, max_size=4), squared=st.floats(0.0, 9.0))
def test_priorities_share_out_the_wait_of_all_and_do_not_change_it(
    rates: list[float], squared: float
) -> None:
    """Kleinrock's conservation law: the waits weighted by their loads add up to those of FIFO."""
    waits = priority_waits(rates, 1.0, squared)
    assert waits == sorted(waits)
    shared = sum(rate * wait for rate, wait in zip(rates, waits, strict=True))
    assert shared == pytest.approx(sum(rates) * mg1(sum(rates), 1.0, squared).mean_wait)


def test_sharing_takes_in_proportion_to_the_work() -> None:
    assert processor_sharing(1.0, 0.5, work=3.0) == 6.0
    assert processor_sharing(1.0, 0.5, work=0.0) == 0.0


def test_what_one_server_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match=r"arrival_rate=2.0 times mean_service=0.5 reaches 1"):
        mg1(2.0, 0.5, 1.0)
    with pytest.raises(ValueError, match=r"reaches 1, so the queue has no end"):
        priority_waits([0.5, 0.5], 1.0)
    with pytest.raises(ValueError, match=r"room=1 must be a whole number; give 2 or more"):
        mmck(1.0, 1.0, 2, 1)


@given(rho=st.floats(0.05, 0.95), servers=st.integers(1, 12), rate=st.floats(0.1, 10))
def test_with_endless_patience_mmc_d_is_mmc(rho: float, servers: int, rate: float) -> None:
    arrivals = rho * servers * rate
    patient, queue = mmc_d(arrivals, rate, servers, 2000 / rate), mmc(arrivals, rate, servers)
    assert patient.abandon_probability == pytest.approx(0, abs=1e-12)
    assert patient.wait_probability == pytest.approx(queue.wait_probability)
    assert patient.mean_wait == pytest.approx(queue.mean_wait)
    assert patient.mean_waiting == pytest.approx(queue.mean_waiting)


@given(load=st.floats(0.05, 30), servers=st.integers(1, 12))
def test_without_patience_mmc_d_is_erlangs_b(load: float, servers: int) -> None:
    hasty = mmc_d(load, 1.0, servers, 0.0)
    assert hasty.abandon_probability == pytest.approx(erlang_b(load, servers))
    assert hasty.mean_wait == 0


@given(
    load=st.floats(0.05, 2.0),
    servers=st.integers(1, 8),
    patience=st.floats(0.01, 5.0),
    rate=st.floats(0.1, 10),
)
def test_mmc_d_agrees_with_the_integral_of_its_density(
    load: float, servers: int, patience: float, rate: float
) -> None:
    """The chances are summed up and the density is integrated by another's code."""
    arrivals = load * servers * rate
    a, fastest = load * servers, servers * rate
    fewer = [a**j / math.factorial(j) for j in range(servers)]

    def density(v: float) -> float:
        beyond = max(v - patience, 0.0)
        return arrivals * fewer[-1] * math.exp(-fastest * v + arrivals * (v - beyond))

    inside = integrate.quad(density, 0, patience)[0]
    tail = density(patience) / fastest
    whole = sum(fewer) + inside + tail
    moment = integrate.quad(lambda v: v * density(v), 0, patience)[0]
    queue = mmc_d(arrivals, rate, servers, patience)
    assert queue.abandon_probability == pytest.approx(tail / whole, rel=1e-6, abs=1e-12)
    assert queue.wait_probability == pytest.approx((inside + tail) / whole, rel=1e-6)
    assert queue.mean_wait == pytest.approx((moment + patience * tail) / whole, rel=1e-6)
    busy = sum(j * chance for j, chance in enumerate(fewer)) + servers * (inside + tail)
    assert queue.utilisation == pytest.approx(busy / whole / servers, rel=1e-6)


@pytest.mark.parametrize("off", [0.0, 1e-12, -1e-12, 1e-7, -1e-7])
def test_mmc_d_is_smooth_where_the_load_equals_the_servers(off: float) -> None:
    exact, near = mmc_d(2.0, 1.0, 2, 3.0), mmc_d(2.0 * (1 + off), 1.0, 2, 3.0)
    assert near == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize(
    "arguments", [(0.0, 1.0, 1, 1.0), (1.0, 0.0, 1, 1.0), (1.0, 1.0, 0, 1.0), (1.0, 1.0, 1, -1.0)]
)
def test_mmc_d_refuses_what_is_out_of_range(arguments: tuple[float, float, int, float]) -> None:
    with pytest.raises(ValueError, match=r"rate|servers|patience"):
        mmc_d(*arguments)


def test_mmc_d_overflows_at_no_load_and_with_no_number_of_servers() -> None:
    flooded = mmc_d(2000.0, 1.0, 1, 30.0)
    assert flooded.abandon_probability == pytest.approx(1999 / 2000)
    assert flooded.mean_wait_served == pytest.approx(30, rel=1e-3)
    assert mmc_d(0.05, 1.0, 400, 1.0).mean_wait == 0
