"""Reading YAML text: its values, where they stand, and what is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.errors import InvalidFile
from foundation_lab.scenario.files import read_yaml
from tests.scenario.plans import VALID, attempt, refusal, refused, where

# Values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("0o17", 15),
        ("017", 17),
        ("0x1F", 31),
        ("+3", 3),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2001-01-01", "2001-01-01"),
        ("-.inf", -math.inf),
        ("", None),
        ("~", None),
        ("'5'", "5"),
        (r'"\ud83d\ude00"', "😀"),
        ("|\n  two\n  lines", "two\nlines"),
        ("[1, {x: y}]", [1, {"x": "y"}]),
    ],
)
def test_values_follow_yaml_1_2(text: str, value: object) -> None:
    read = read_yaml(f"a: {text}").data["a"]
    assert read == value
    assert type(read) is type(value)


def test_a_version_directive_does_not_bring_old_rules_back() -> None:
    assert read_yaml("%YAML 1.1\n---\na: no").data == {"a": "no"}


def test_nan_is_a_number() -> None:
    value = read_yaml("a: .nan").data["a"]
    assert isinstance(value, float)
    assert math.isnan(value)


def test_keys_are_text_as_written() -> None:
    assert read_yaml("1: a\nno: b\n: c").data == {"1": "a", "no": "b", "": "c"}


@given(st.floats(allow_nan=False), st.integers(-(10**30), 10**30))
def test_numbers_reach_the_model_exactly(real: float, whole: int) -> None:
    text = repr(real).replace("inf", ".inf")
    assert read_yaml(f"a: {text}\nb: {whole}").data == {"a": real, "b": whole}


def test_an_alias_stands_for_a_copy() -> None:
    data = read_yaml("a: &x [1]\nb: *x").data
    assert data == {"a": [1], "b": [1]}
    assert data["a"] is not data["b"]


# Positions


def test_positions_are_those_of_keys_and_values() -> None:
    document = read_yaml(VALID)
    assert document.position(()) == (1, 1)
    assert document.position(("services", "db", "concurrency")) == (4, 18)
    assert document.position(("services", "db", "concurrency"), key=True) == (4, 5)
    assert document.position(("faults", 0, "end")) == (8, 10)
    assert document.position(("faults", 0), key=True) == (7, 5)


def test_the_position_of_what_is_missing_is_that_of_what_surrounds_it() -> None:
    document = read_yaml(VALID)
    assert document.position(("services", "db", "nothing", 3)) == (3, 5)
    assert document.position(("faults", 7)) == (7, 3)


def test_a_value_behind_an_alias_is_placed_where_it_is_written() -> None:
    document = read_yaml("a: &x\n  k: 1\nb: *x")
    assert document.position(("b",)) == (3, 4)
    assert document.position(("b", "k")) == (2, 6)


def test_a_key_without_a_value_has_the_position_of_the_key() -> None:
    assert read_yaml("a:\n  b:\nc: 1").position(("a", "b")) == (2, 3)


# Texts that are refused


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2", (4, 3, "b.c"), "given twice (first in line 3)"),
        ("a: !foo x", (1, 4, "a"), "the tag '!foo' is not allowed"),
        ("a: !!python/name:os.system x", (1, 4, "a"), "!!python/name:os.system"),
        ("a: !!str 5", (1, 4, "a"), "'!!str'"),
        ("a: &x {}\nb:\n  <<: *x", (3, 3, "b"), "merge keys"),
        ("[1]: 2", (1, 1, ""), "a key must be plain text"),
        ("a:\n\tb: 1", (2, 1, ""), "a tab can't be used"),
        ("a: [1, 2", (1, 4, ""), "'[' is not closed"),
        ("a: {b: 1", (1, 4, ""), "'{' is not closed"),
        ("b: 1\na: 'x", (2, 4, ""), "quote is never closed"),
        ("a: b: c", (1, 5, ""), "': ' is not expected here"),
        ("a: @x", (1, 4, ""), "can't begin with this character"),
        ("- a\nb: 1", (2, 1, ""), "does not fit the lines above"),
        ("a: ]", (1, 4, ""), "a value is missing"),
        ("a: 1\n\x07", (2, 1, ""), r"'\x07' is not allowed"),
        ("a: |9x\n  y", (1, 6, ""), "not valid YAML: "),
        ('a: "\\UFFFFFFFF"', (1, 1, ""), "not valid YAML after this place"),
        ('a: "\\ud800"', (1, 4, "a"), "half of a surrogate pair"),
        ("a: *x", (1, 4, "a"), "*x has no anchor before it"),
        ("a: &x [*x]", (1, 8, "a[0]"), "*x stands inside its own value"),
        ("a: 1\n---\nb: 2", (2, 1, ""), "a second document"),
        ("a: " + "9" * 500, (1, 4, "a"), "a number of 500 characters"),
        ("a: " + "[" * 100, (1, 67, "a" + "[0]" * 63), "nested more than 64"),
        ("- a", (1, 1, ""), "expected a mapping at the top level, not a list"),
        ("# only this\nfive", (2, 1, ""), "expected a mapping at the top level, not 'five'"),
        ("", (0, 0, ""), "the file is empty"),
        ("# nothing", (0, 0, ""), "the file is empty"),
    ],
)
def test_a_text_that_cannot_be_used_is_refused_with_its_place(
    text: str, place: tuple[int, int, str], message: str
) -> None:
    found = refusal(text)
    assert message in found.message
    assert where(found) == place
    assert found.hint


def test_all_refused_keys_and_tags_are_reported_at_once() -> None:
    found = refused(lambda: read_yaml("a: !x 1\na: 2\nb: *y\n!z c: 3"))
    assert [each.line for each in found] == [1, 2, 3, 4, 4]


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    levels = [f"{level}: &x{level} [{', '.join([f'*x{level - 1}'] * 10)}]" for level in range(1, 9)]
    found = refusal("\n".join(["0: &x0 [y]", *levels]))
    assert "more than 100000 values" in found.message
    assert found.line == 6


def test_aliases_cannot_nest_deeper_than_the_text_may() -> None:
    chain = [f"{level}: &x{level} [*x{level - 1}]" for level in range(1, 2000)]
    assert "nested more than" in refusal("\n".join(["0: &x0 [y]", *chain])).message


@given(st.text(max_size=40))
def test_any_text_is_either_read_or_refused(text: str) -> None:
    assert isinstance(attempt(lambda: read_yaml(text).data), dict | InvalidFile)
