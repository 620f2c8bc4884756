"""Reading files into a model, files that can't be read, and the schema of what is accepted."""

from __future__ import annotations

import json
import pickle
from datetime import date
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foundation_lab.errors import InvalidFile
from foundation_lab.scenario.files import load, read_yaml, schema
from tests.scenario.plans import (
    PIECES,
    VALID,
    Backend,
    Cache,
    Colour,
    Fault,
    Plan,
    attempt,
    problem,
    refusal,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scenario.plans import Write


def test_a_valid_file_becomes_the_model(write: Write) -> None:
    plan = load(write(VALID), Plan)
    assert plan.services == {
        "db": Backend(kind="backend", concurrency=4),
        "front": Cache(kind="cache", size=10),
    }
    assert plan.faults == [Fault(start=1.0, end=2.5)]


def test_types_that_json_lacks_are_read_from_text_and_lists(write: Write) -> None:
    more = "weights: [1, 0.5]\nquantiles: {50: 0.1}\ncolour: blue\nday: 2001-02-03\n"
    plan = load(write(VALID + more), Plan)
    assert plan.weights == (1.0, 0.5)
    assert plan.quantiles == {50: 0.1}
    assert plan.colour is Colour.BLUE
    assert plan.day == date(2001, 2, 3)


# Files that can't be read


def test_a_missing_file_is_named_with_its_nearest_sibling(write: Write) -> None:
    path = write(VALID)
    found = problem(path.with_name("plam.yaml"))
    assert found.message == "there is no such file"
    assert found.hint == "did you mean 'plan.yaml'?"
    assert found.line == 0
    assert problem(path.with_name("Plan.yml")).hint == "did you mean 'plan.yaml'?"
    assert problem(path.with_name("other.yaml")).hint == "check the path"
    assert problem(path / "x" / "y").message.startswith("can't be read")
    assert problem(path.with_name("x") / "y").hint == "check the path"


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert problem(tmp_path).message == "this is a folder"


def test_a_file_name_with_a_null_is_refused(tmp_path: Path) -> None:
    assert problem(tmp_path / "a\0b").message.startswith("can't be read: ")


def test_bytes_that_are_not_utf_8_are_refused_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("a: 1\nb: é".encode("latin-1"))
    found = problem(path)
    assert (found.line, found.column) == (2, 4)
    assert found.message == "not UTF-8: byte 0xe9"


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "marked.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + VALID.encode())
    assert load(path, Plan).services


def test_a_file_of_more_than_1_mb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * 1_000_001)
    assert problem(path).message == "larger than 1 MB"


# Errors


def test_an_invalid_file_survives_the_way_between_processes() -> None:
    error = InvalidFile(refusal("a: !x 1"), refusal("b: !y 1"))
    copy = pickle.loads(pickle.dumps(error))
    assert copy.problems == error.problems
    assert str(copy) == str(error)


def test_an_invalid_file_can_be_told_in_one_message() -> None:
    error = InvalidFile("rows.csv: no column 'time'")
    assert str(error) == "rows.csv: no column 'time'"
    assert error.problems == ("rows.csv: no column 'time'",)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


# Schemas


def test_a_schema_describes_what_load_accepts() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    made = schema(Plan)
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert made["title"] == "Plan"
    assert made["description"] == "A plan for a test."
    described = made["$defs"]["Backend"]["properties"]["concurrency"]
    assert described["description"] == "Requests served at once."
    jsonschema.Draft202012Validator.check_schema(made)
    validator = jsonschema.Draft202012Validator(json.loads(json.dumps(made)))
    assert validator.is_valid(read_yaml(VALID).data)
    assert not validator.is_valid(read_yaml("services: {db: {kind: x}}").data)


# Anything at all

EDIT = st.tuples(st.integers(0, len(VALID)), st.integers(0, 12), PIECES | st.text(max_size=3))
SMALL = "services: {db: {kind: backend, concurrency: 4}}\nfaults: [{start: 1}]\n"


@given(st.sampled_from([VALID, SMALL]), st.lists(EDIT, min_size=1, max_size=5))
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_damaged_file_is_either_valid_or_refused(
    write: Write, text: str, edits: list[tuple[int, int, str]]
) -> None:
    for start, length, piece in edits:
        text = text[:start] + piece + text[start + length :]
    assert isinstance(attempt(lambda: load(write(text), Plan)), Plan | InvalidFile)
