"""Any model takes the same course on a `Simulation` as on SimPy, instant by instant.

``SAME_TRAJECTORY_EXAMPLES=20000 pytest tests/simulation/test_same_trajectory.py`` looks further,
and elsewhere each time.
"""

import os
from itertools import zip_longest

import pytest
from hypothesis import given, settings

from tests.simulation.coincidences import COINCIDENCES, gist
from tests.simulation.model_things import (
    by_class_of_simpy,
    by_method,
    by_own_class,
    resources_of_simpy,
)
from tests.simulation.random_models import Model, models
from tests.simulation.trajectory import Log, on_a_simulation, on_simpy

FURTHER = os.environ.get("SAME_TRAJECTORY_EXAMPLES")

WAYS = {
    "resources of SimPy, by their class": [resources_of_simpy],
    "everything of SimPy, by its class": [by_class_of_simpy],
    "everything by methods of the simulation": [by_method],
    "everything by its class": [by_own_class],
    "a mix of these": [by_class_of_simpy, by_own_class, by_method],
}
"""How what a model needs is made on a simulation."""


@pytest.mark.timeout(0 if FURTHER else 120)
@settings(max_examples=int(FURTHER or 300), derandomize=not FURTHER)
@given(models)
def test_any_model_takes_the_same_course_as_on_simpy(model: Model) -> None:
    expected = on_simpy(model)
    for name, ways in WAYS.items():
        compare(on_a_simulation(model, *ways), expected, name)


@pytest.mark.parametrize("name", COINCIDENCES)
def test_what_coincides_comes_in_the_same_order_as_on_simpy(name: str) -> None:
    model, story = COINCIDENCES[name]
    expected = on_simpy(model)
    assert list(filter(None, map(gist, expected))) == story
    for way, ways in WAYS.items():
        compare(on_a_simulation(model, *ways), expected, way)


def compare(ours: Log, expected: Log, way: str) -> None:
    """Fail with the place where two logs part ways."""
    if ours == expected:
        return
    pairs = enumerate(zip_longest(ours, expected))
    number, (our, their) = next((at, pair) for at, pair in pairs if pair[0] != pair[1])
    before = "".join(f"  {entry}\n" for entry in expected[max(0, number - 4) : number])
    raise AssertionError(f"{way}: after\n{before}SimPy:\n  {their}\na simulation:\n  {our}")
