"""A name that does not exist is told those that do."""

from __future__ import annotations

from typing import Any

import pytest

import foundation_lab
from foundation_lab.errors import UnknownName
from foundation_lab.services import LoadBalancer, ResourceManager
from foundation_lab.simulation.engine import Simulation


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
    limits: Any = 5
    with pytest.raises(TypeError, match=r'limits=5; give how many there are of each: {"licence"'):
        ResourceManager(Simulation(seed=5), "x", limits)
