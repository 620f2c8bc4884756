from typing import Any

import pytest

from foundation_lab.alerting.filters import predicate


@pytest.mark.parametrize(
    ("where", "fields", "passes"),
    [
        ({}, {}, True),
        ({"outcome": "error"}, {"outcome": "error"}, True),
        ({"outcome": "error"}, {"outcome": "ok"}, False),
        ({"outcome": ["error", "timeout"]}, {"outcome": "timeout"}, True),
        ({"outcome": {"not": "ok"}}, {"outcome": "error"}, True),
        ({"outcome": {"not": ["ok", "cancelled"]}}, {"outcome": "cancelled"}, False),
        ({"outcome": {"not": "ok"}}, {}, True),
        ({"error": None}, {}, True),
        ({"error": None}, {"error": "boom"}, False),
        ({"duration": {">": 1, "<=": 2}}, {"duration": 2.0}, True),
        ({"duration": {">": 1, "<=": 2}}, {"duration": 1.0}, False),
        ({"duration": {">": 1}}, {}, False),
        ({"duration": {">": 1}}, {"duration": "long"}, False),
        ({"healthy": True}, {"healthy": 1}, False),
        ({"attempt": 1}, {"attempt": 1.0}, True),
        ({"capabilities": "paint"}, {"capabilities": ("cook", "paint")}, True),
        ({"capabilities": {"not": "paint"}}, {"capabilities": ["cook", "paint"]}, False),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, False),
    ],
)
def test_a_filter_passes_what_every_field_agrees_with(
    *, where: dict[str, Any], fields: dict[str, Any], passes: bool
) -> None:
    assert predicate(where)(fields) is passes


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"duration": {"~": 1}}, "use one of 'not', > >= < <="),
        ({"duration": {">": "1"}}, "give a number"),
        ({"duration": {">": True}}, "give a number"),
        ({"duration": {}}, "is empty"),
        ({"duration": object()}, "give a text, a number"),
        ({1: 2}, "is no filter"),
        ("outcome = error", "is no filter"),
    ],
)
def test_what_is_no_filter_is_refused_with_the_remedy(where: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        predicate(where)
