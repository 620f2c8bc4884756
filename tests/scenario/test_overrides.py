"""Values that replace those of a file."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foundation_lab.errors import InvalidFile
from foundation_lab.scenario.files import load
from tests.scenario.plans import (
    PIECES,
    VALID,
    Backend,
    Cache,
    Constant,
    Fault,
    Plan,
    attempt,
    problem,
    problems,
)

if TYPE_CHECKING:
    from tests.scenario.plans import Write


def test_overrides_replace_values_in_mappings_and_lists(write: Write) -> None:
    plan = load(
        write(VALID),
        Plan,
        overrides=[
            "services.db.concurrency=8",
            "faults[0].start=2",
            "faults.0.end=3",
            "delay={kind: constant, value: 1e-3}",
            "name=abc",
            'services["db.eu"]={kind: cache, size: 1}',
            'services["db.eu"].size=2',
        ],
    )
    assert plan.services["db"] == Backend(kind="backend", concurrency=8)
    assert plan.services["db.eu"] == Cache(kind="cache", size=2)
    assert plan.faults == [Fault(start=2.0, end=3.0)]
    assert plan.delay == Constant(kind="constant", value=0.001)
    assert plan.name == "abc"


def test_an_override_without_a_value_is_null(write: Write) -> None:
    assert load(write(VALID + "name: abc\n"), Plan, overrides=["name="]).name is None


def test_an_override_behind_an_alias_leaves_the_original_alone(write: Write) -> None:
    path = write("services:\n  a: &a {kind: cache, size: 1}\n  b: *a\n")
    plan = load(path, Plan, overrides=["services.b.size=2"])
    assert plan.services["a"] == Cache(kind="cache", size=1)
    assert plan.services["b"] == Cache(kind="cache", size=2)


def test_an_error_in_an_override_is_placed_at_the_override(write: Write) -> None:
    found = problem(write(VALID), "services.db.concurrency=many")
    assert str(found) == (
        "--set services.db.concurrency=many: services.db.concurrency: "
        "expected a whole number, not 'many'"
    )
    assert (found.line, found.column) == (0, 0)


def test_an_override_of_an_unknown_key_names_the_nearest_one(write: Write) -> None:
    found = problem(write(VALID), "services.db.concurency=8")
    assert found.file == "--set services.db.concurency=8"
    assert found.hint == "did you mean 'concurrency'?"


@pytest.mark.parametrize(
    ("override", "path", "message", "hint"),
    [
        ("service.db.x=1", "service", "there is no key 'service'", "did you mean 'services'?"),
        ("qqq.x=1", "qqq", "there is no key 'qqq'", "--set 'qqq={x: …}'"),
        ("faults[1].start=1", "faults.1", "there is no entry '1'", "a list of 1"),
        ("faults.x=1", "faults.x", "there is no entry 'x'", "a list of 1"),
        ("faults[0].end.x=1", "faults[0].end.x", "faults[0].end is 2.5", "'faults[0].end={x: …}'"),
        ("nothing", "", "not an override", "write a path"),
        ("a b=1", "", "not an override", "write a path"),
        ("\udcff=1", "", "not an override", "write a path"),
        (f"faults.{'9' * 5000}=1", f"faults.{'9' * 5000}", "there is no entry", "a list of 1"),
        ("name=!x y", "name", "the tag '!x' is not allowed", "remove it"),
        ("name={a: 1, a: 2}", "name.a", "the key 'a' is given twice", "remove"),
        ("name=[", "", "a value is missing here", "check brackets"),
        ("name=\a", "", r"the character '\x07'", "remove it"),
    ],
)
def test_an_override_that_cannot_be_used_is_refused(
    write: Write, override: str, path: str, message: str, hint: str
) -> None:
    found = problem(write(VALID), override)
    assert found.file.startswith("--set ")
    assert found.line == 0
    assert found.path == path
    assert message in found.message
    assert hint in found.hint
    assert "\a" not in str(found)


def test_bad_overrides_and_a_bad_file_are_reported_together(write: Write) -> None:
    found = problems(write(VALID + "z: 1\n"), "nothing", "qqq.x=1")
    assert len(found) == 3


@given(st.lists(PIECES, max_size=12).map("".join))
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_override_is_either_used_or_refused(write: Write, tail: str) -> None:
    for overrides in ([tail], [f"delay={tail}", f"services.{tail}=1", tail]):
        outcome = attempt(partial(load, write(VALID), Plan, overrides=overrides))
        assert isinstance(outcome, Plan | InvalidFile)
