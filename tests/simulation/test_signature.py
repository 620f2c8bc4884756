"""A guess that does not fit is told what would."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

import foundation_lab
from foundation_lab.errors import UnknownName
from foundation_lab.services import (
    CircuitBreaker,
    ConnectionManager,
    CountWindow,
    LoadBalancer,
    RateLimiter,
    ResourceManager,
    Retry,
    Service,
    TokenBucket,
    WindowBudget,
    exponential_backoff,
    pool_presets,
)
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.signature import telling

if TYPE_CHECKING:
    from collections.abc import Callable

GUESSES: list[tuple[Callable[[Any, Any], object], str]] = [
    (lambda make, sim: make(CircuitBreaker)(sim, "x", recovery_timeout=30), ", reset_timeout=30.0"),
    (
        lambda make, sim: make(CircuitBreaker)(sim, "x", 5),
        "4 were given; it takes sim, name, [*], f",
    ),
    (lambda make, sim: make(Retry)(sim, "x", max_retries=3), "'max_retries'; .* max_attempts=3,"),
    (
        lambda make, sim: make(RateLimiter)(sim, "x", rate=10, burst=5),
        "'rate'; it takes sim, name, l",
    ),
    (
        lambda make, sim: make(ConnectionManager)(sim, "x", pool_size=5),
        "takes sim, name, [*], size, m",
    ),
    (lambda make, _: make(TokenBucket)(rate=1, burst=5), "'burst'; it takes rate, capacity$"),
    (lambda make, _: make(TokenBucket)(1), "'capacity'; it takes rate, capacity$"),
    (lambda make, _: make(CountWindow)(9, slow_call_rate=1), "; it takes size, .* slow_rate=1.0,"),
    (
        lambda make, _: make(WindowBudget)(percent=0.2),
        "'percent'; it takes share=0.2, [*], min_per",
    ),
    (lambda make, _: make(exponential_backoff)(1, max=9), "'max'; it takes base, .* cap=inf$"),
    (lambda make, _: make(pool_presets.hikaricp)(size=3), "'size'; it takes maximum_pool_size=10,"),
]


def anything(thing: Any) -> Any:
    """Return what is to be called, of a type that fits every call."""
    return thing


@pytest.mark.parametrize(("guess", "remedy"), GUESSES)
def test_a_guess_from_another_library_is_told_what_fits(
    guess: Callable[[Any, Any], object], remedy: str
) -> None:
    with pytest.raises(TypeError, match=remedy):
        guess(anything, Simulation(seed=1))


def test_an_error_of_what_it_does_comes_through_as_it_is() -> None:
    error = TypeError("within")

    @telling
    def fail(_one: int) -> None:
        raise error

    with pytest.raises(TypeError) as raised:
        fail(1)
    assert raised.value is error


def test_a_service_of_ones_own_tells_its_own_arguments() -> None:
    class Shop(Service):
        def __init__(self, sim: Simulation, name: str, *, shelves: int = 3) -> None:
            super().__init__(sim, name)
            self.shelves = shelves

    assert str(inspect.signature(Shop)).startswith("(sim: 'Simulation', name: 'str', *, shelves:")
    assert Shop(Simulation(seed=2), "x").shelves == 3
    with pytest.raises(TypeError, match=r"'shelfs'; it takes sim, name, \*, shelves=3$"):
        anything(Shop)(Simulation(seed=3), "x", shelfs=5)


def test_a_name_like_no_other_is_told_all_when_they_are_few() -> None:
    with pytest.raises(UnknownName, match=r"'p2c'; use one of .* power_of_two, peak_ewma, "):
        LoadBalancer(Simulation(seed=4), "x", [], algorithm="p2c")
    assert str(UnknownName.among("thing", "x", [])) == "unknown thing 'x'"
    assert str(UnknownName.among("thing", "x", map(str, range(100, 200)))) == "unknown thing 'x'"


def test_a_public_name_that_does_not_exist_is_told_the_nearest() -> None:
    with pytest.raises(AttributeError, match="'token_bucket'; did you mean TokenBucket"):
        foundation_lab.token_bucket  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'HystrixXyz'$"):
        foundation_lab.HystrixXyz  # noqa: B018


def test_limits_that_are_no_mapping_are_told_the_form() -> None:
    with pytest.raises(TypeError, match=r'limits=5; give how many there are of each: {"licence"'):
        ResourceManager(Simulation(seed=5), "x", anything(5))
