from __future__ import annotations

import re
from typing import Any
from unittest import mock

import numpy as np
import pytest

from foundation_lab.errors import UnknownName
from foundation_lab.telemetry import events
from foundation_lab.testing import mismatch
from foundation_lab.testing.matchers import ABSENT
from foundation_lab.testing.spelling import describe_wanted
from foundation_lab.testing.wanted import wanted_event


def named(value: object) -> str:
    """Return a name for a parameter: the same in each program, so without an address."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ("open", "open"),
        (3, 3),
        (None, None),
        (..., 0),
        (..., ""),
        (str, "open"),
        (float, 2),
        (float, 2.5),
        (int, 3),
        (int, 3.0),
        (["a", "b"], ("a", "b")),
        (("a", "b"), ["a", "b"]),
        (bool, True),
        (object, True),
        (re.compile(r"db-\d+"), "db-17"),
        (lambda value: value > 2, 3),
        (pytest.approx(0.3), 0.1 + 0.2),
        (mock.ANY, object()),
        (("a", "b"), ("a", "b")),
        (np.array([1, 2]), [1, 2]),
        ([1, 2], np.array([1, 2])),
        (lambda value: value.sum() == 3, np.array([1, 2])),
        (..., np.array([1, 2])),
    ],
    ids=named,
)
def test_a_value_that_fits_is_no_mismatch(wanted: Any, got: Any) -> None:
    assert mismatch({"field": got}, {"field": wanted}) == {}


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ("open", "closed"),
        ([1, 2], np.array([1, 3])),
        (lambda value: value.size, np.array([])),
        (..., None),
        (str, 3),
        (int, True),
        (int, 3.5),
        (int, float("inf")),
        (float, True),
        (["a"], ("a", "b")),
        ("ab", ["a", "b"]),
        (float, "2"),
        (re.compile(r"db-\d+"), "db-17-replica"),
        (re.compile(r"\d+"), 17),
        (lambda value: value > 2, 2),
        (pytest.approx(0.3), 0.31),
        (("a",), ("a", "b")),
    ],
    ids=named,
)
def test_a_value_that_does_not_fit_is_given_with_what_was_wanted(wanted: Any, got: Any) -> None:
    assert mismatch({"field": got}, {"field": wanted}) == {"field": (wanted, got)}


@pytest.mark.parametrize("wanted", [..., None, mock.ANY, object, lambda _value: True], ids=named)
def test_no_matcher_fits_a_field_that_is_not_there(wanted: Any) -> None:
    assert mismatch({}, {"field": wanted}) == {"field": (wanted, ABSENT)}


def test_fields_that_are_not_named_do_not_matter() -> None:
    assert mismatch({"a": 1, "b": 2}, {"a": 1}) == {}


def test_an_error_in_a_predicate_comes_through_and_names_the_field() -> None:
    with pytest.raises(TypeError) as caught:
        mismatch({"timeout": None}, {"timeout": lambda value: value > 1})
    assert caught.value.__notes__ == ["raised by lambda value: value > 1, wanted of timeout=None"]


def test_from_can_be_named_with_and_without_the_underscore() -> None:
    name = events.circuit_breaker.StateChange
    assert wanted_event(name, {"from_": "closed"}).fields == {"from": "closed"}
    assert wanted_event(name, {"from": "closed"}).fields == {"from": "closed"}
    assert wanted_event("shop.moved", {"from_": "a"}).fields == {"from": "a"}


def test_a_misspelt_field_of_a_known_event_is_an_error_with_the_nearest_names() -> None:
    with pytest.raises(UnknownName, match="'servise_id'; did you mean 'service_id'"):
        wanted_event("retry.exhausted", {"servise_id": "db"})
    with pytest.raises(UnknownName, match="'resaon'; did you mean 'reason'"):
        wanted_event(("foundation", "circuit_breaker"), {"resaon": "open"})


def test_events_of_ones_own_and_open_patterns_may_have_any_field() -> None:
    assert wanted_event("shop.order.placed", {"amount": 3}).fields == {"amount": 3}
    assert wanted_event("**", {"amount": 3}).fields == {"amount": 3}


def test_a_misspelt_event_is_an_error_with_the_nearest_names() -> None:
    with pytest.raises(UnknownName, match=r"foundation\.retry\.exhausted"):
        wanted_event("foundation.retry.exhaustd")


def test_the_columns_of_the_bus_can_be_matched() -> None:
    assert wanted_event("retry.exhausted", {"process": "customer"}).fields == {
        "process": "customer"
    }


def test_a_predicate_on_the_record_must_be_one() -> None:
    not_a_predicate: Any = {"to": "open"}
    with pytest.raises(TypeError, match="is no predicate"):
        wanted_event("retry.exhausted", where=not_a_predicate)


def test_wanted_values_are_described_as_a_test_spells_them() -> None:
    def is_long(value: str) -> bool:
        return len(value) > 3

    described = [describe_wanted(v) for v in ("a", ..., str, re.compile("x+"), is_long, 1.5)]
    assert described == ["'a'", "...", "str", "re.compile('x+')", "is_long", "1.5"]
    wanted = wanted_event("retry.exhausted", {"final_error": ...}, is_long)  # type: ignore[arg-type]
    assert str(wanted) == "foundation.retry.exhausted(final_error=..., where=is_long)"
