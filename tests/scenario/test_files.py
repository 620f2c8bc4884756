"""Reading files: what is accepted, and what a user is told about everything else."""

from __future__ import annotations

import json
import math
import pickle
from datetime import date
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from foundation_lab.scenario.diagnostics import InvalidFile, Problem, dotted
from foundation_lab.scenario.files import load, read_yaml, schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Backend(Strict):
    """Does the work."""

    kind: Literal["backend"]
    concurrency: int = Field(gt=0, description="Requests served at once.")
    backend: dict[str, int] = {}


class Cache(Strict):
    kind: Literal["cache"]
    size: int
    policy: Literal["least_recent", "random"] = "least_recent"


class Exponential(Strict):
    kind: Literal["exponential"]
    mean: FiniteFloat = Field(gt=0.0)


class Constant(Strict):
    kind: Literal["constant"]
    value: float


class Fault(Strict):
    start: float = Field(ge=0.0)
    end: float = math.inf

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end <= self.start:
            message = "end must come after start"
            raise ValueError(message)
        return self


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Plan(Strict):
    """A plan for a test."""

    services: dict[str, Annotated[Backend | Cache, Field(discriminator="kind")]]
    faults: list[Fault] = Field(default=[], max_length=4)
    delay: float | Annotated[Exponential | Constant, Field(discriminator="kind")] = 1.0
    name: str | None = Field(default=None, pattern="^[a-z]+$")
    enabled: bool = True
    limit: Literal["none"] | int = "none"
    weights: tuple[float, ...] = ()
    quantiles: dict[int, float] = {}
    colour: Colour = Colour.RED
    day: date | None = None
    step: int = Field(default=2, multiple_of=2, le=100)


VALID = """\
services:
  db:
    kind: backend
    concurrency: 4
  front: {kind: cache, size: 10}
faults:
  - start: 1
    end: 2.5
"""

Write: TypeAlias = "Callable[[str], Path]"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        path = tmp_path / "plan.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def problems(path: Path, *overrides: str, model: type[BaseModel] = Plan) -> list[Problem]:
    with pytest.raises(InvalidFile) as caught:
        load(path, model, overrides=overrides)
    return list(caught.value.problems)


def problem(path: Path, *overrides: str) -> Problem:
    (only,) = problems(path, *overrides)
    return only


def refusal(text: str) -> Problem:
    with pytest.raises(InvalidFile) as caught:
        read_yaml(text)
    (only,) = caught.value.problems
    return only


def where(found: Problem) -> tuple[int, int, str]:
    return found.line, found.column, found.path


# Values


def test_a_valid_file_becomes_the_model(write: Write) -> None:
    plan = load(write(VALID), Plan)
    assert plan.services == {
        "db": Backend(kind="backend", concurrency=4),
        "front": Cache(kind="cache", size=10),
    }
    assert plan.faults == [Fault(start=1.0, end=2.5)]


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


def test_types_that_json_lacks_are_read_from_text_and_lists(write: Write) -> None:
    more = "weights: [1, 0.5]\nquantiles: {50: 0.1}\ncolour: blue\nday: 2001-02-03\n"
    plan = load(write(VALID + more), Plan)
    assert plan.weights == (1.0, 0.5)
    assert plan.quantiles == {50: 0.1}
    assert plan.colour is Colour.BLUE
    assert plan.day == date(2001, 2, 3)


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
        ("!" * 20_000, (1, 1, ""), "a word with '!'"),
        ("#" * 5_000_001, (1, 1, ""), "too long"),
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
    with pytest.raises(InvalidFile) as caught:
        read_yaml("a: !x 1\na: 2\nb: *y\n!z c: 3")
    assert [found.line for found in caught.value.problems] == [1, 2, 3, 4, 4]


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    levels = [f"{level}: &x{level} [{', '.join([f'*x{level - 1}'] * 10)}]" for level in range(1, 9)]
    found = refusal("\n".join(["0: &x0 [y]", *levels]))
    assert "more than 100000 values" in found.message
    assert found.line == 6


def test_aliases_cannot_nest_deeper_than_the_text_may() -> None:
    chain = [f"{level}: &x{level} [*x{level - 1}]" for level in range(1, 2000)]
    assert "nested more than" in refusal("\n".join(["0: &x0 [y]", *chain])).message


# Files that can't be read


def test_a_missing_file_is_named_with_its_nearest_sibling(write: Write) -> None:
    path = write(VALID)
    found = problem(path.with_name("plam.yaml"))
    assert found.message == "there is no such file"
    assert found.hint == "did you mean 'plan.yaml'?"
    assert found.line == 0
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


def test_a_file_of_more_than_5_mb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * 5_000_001)
    assert problem(path).message == "larger than 5 MB"


# What the model refuses


def test_everything_wrong_is_reported_at_once_in_the_order_of_the_file(write: Write) -> None:
    text = "services:\n  db: {kind: backend, concurrency: 0}\n  x: {kind: none}\nenabled: 5\nz: 1\n"
    assert [where(found) for found in problems(write(text))] == [
        (2, 36, "services.db.concurrency"),
        (3, 13, "services.x.kind"),
        (4, 10, "enabled"),
        (5, 1, "z"),
    ]


def test_an_unknown_key_is_shown_at_the_key_with_the_nearest_one(write: Write) -> None:
    path = write("services:\n  db:\n    kind: backend\n    concurrency: 1\n    concurency: 4\n")
    found = problem(path)
    assert where(found) == (5, 5, "services.db.concurency")
    assert found.value == "4"
    assert found.known == ("kind", "concurrency", "backend")
    assert str(found) == (
        f"{path}:5:5: services.db.concurency: unknown key 'concurency'"
        " — did you mean 'concurrency'?\n    known: kind, concurrency, backend"
    )


def test_an_unknown_key_near_to_none_is_to_be_removed(write: Write) -> None:
    assert problem(write(VALID + "qqq: 1\n")).hint == "remove it"


def test_a_missing_key_is_placed_at_its_mapping_and_described(write: Write) -> None:
    found = problem(write("services:\n  db:\n    kind: backend\n"))
    assert where(found) == (3, 5, "services.db.concurrency")
    assert found.message == "required key 'concurrency' is missing"
    assert found.hint == "add it (Requests served at once)"
    assert found.value == ""


def test_an_unknown_tag_is_named_with_the_nearest_one(write: Write) -> None:
    found = problem(write("services:\n  db: {kind: bakend}\n"))
    assert where(found) == (2, 14, "services.db.kind")
    assert found.message == "unknown kind 'bakend'"
    assert found.hint == "did you mean 'backend'?"
    assert found.known == ("backend", "cache")


def test_a_missing_tag_lists_the_known_ones(write: Write) -> None:
    found = problem(write("services:\n  db: {concurrency: 1}\n"))
    assert where(found) == (2, 7, "services.db.kind")
    assert found.message == "required key 'kind' is missing"
    assert found.known == ("backend", "cache")


def test_a_wrong_literal_is_named_with_the_nearest_one(write: Write) -> None:
    found = problem(write("services:\n  x: {kind: cache, size: 1, policy: rndom}\n"))
    assert where(found) == (2, 37, "services.x.policy")
    assert found.hint == "did you mean 'random'?"
    assert found.known == ("least_recent", "random")


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("enabled: yes", "expected true or false, not 'yes'", "write true"),
        ("enabled: off", "expected true or false, not 'off'", "write false"),
        ("enabled:", "expected true or false, not null", "give it a value"),
        ("name: 5", "expected text, not 5", "put it in quotes"),
        ("name: false", "expected text, not false", "put it in quotes"),
        ("name: A", "expected text that matches the pattern ^[a-z]+$, not 'A'", ""),
        ("step: 1.5", "expected a whole number, not 1.5", ""),
        ("step: 2.0", "expected a whole number, not 2.0", "write it without .0"),
        ("step: '2'", "expected a whole number, not '2'", "without quotes"),
        ("step: 1_000", "expected a whole number, not '1_000'", "underscores"),
        ("step: 20ms", "expected a whole number, not '20ms'", "without its unit"),
        ("step: true", "expected a whole number, not true", ""),
        ("step: 3", "expected a multiple of 2, not 3", ""),
        ("step: 102", "expected 100 or a smaller number, not 102", ""),
        ("faults: 5", "expected a list, not 5", "[5]"),
        ("faults: {start: 1}", "expected a list, not {'start': 1}", "dash"),
        ("faults: [{start: -1}]", "expected 0 or a greater number, not -1", ""),
        ("faults: [1, 2, 3, 4, 5]", "expected 4 or fewer entries, not [1, 2, 3, ...]", ""),
        ("faults: [5]", "expected a mapping, not 5", ""),
        ("faults: [[]]", "expected a mapping, not []", "without dashes"),
        ("faults: [{start: 3, end: 2}]", "end must come after start", ""),
        ("weights: {}", "expected a list, not {}", "dash"),
        ("weights: [1, x]", "expected a number, not 'x'", ""),
        ("colour: rad", "expected a known value, not 'rad'", "did you mean 'red'?"),
        ("delay: fast", "expected a number or a mapping, not 'fast'", ""),
        ("delay: {kind: exponential, mean: .inf}", "expected a finite number, not inf", ""),
        ("limit: [1]", "expected a known value or a whole number, not [1]", ""),
        ("quantiles: {x: 1}", "expected a whole number, not 'x'", ""),
    ],
)
def test_a_wrong_value_is_explained_in_plain_words(
    write: Write, line: str, message: str, hint: str
) -> None:
    found = problem(write(f"services: {{}}\n{line}\n"))
    assert found.message == message
    assert hint in found.hint
    assert found.line == 2


def test_an_error_without_words_of_its_own_keeps_those_of_the_model(write: Write) -> None:
    found = problem(write("services: {}\nday: soon\n"))
    assert found.message.startswith("should be a valid date")
    assert found.message.endswith(", not 'soon'")


def test_an_error_in_a_key_is_placed_at_the_key(write: Write) -> None:
    found = problem(write("services: {}\nquantiles: {50: 1, x: 1}\n"))
    assert where(found) == (2, 20, "quantiles.x")


def test_an_error_inside_one_member_of_a_union_is_all_that_is_said(write: Write) -> None:
    found = problem(write("services: {}\ndelay: {kind: exponential}\n"))
    assert where(found) == (2, 8, "delay.mean")


def test_a_key_named_like_its_tag_does_not_confuse_the_path(write: Write) -> None:
    text = "services:\n  db: {kind: backend, concurrency: x, backend: {concurrency: x}}\n"
    assert [found.path for found in problems(write(text))] == [
        "services.db.concurrency",
        "services.db.backend.concurrency",
    ]


def test_a_missing_key_beside_nan_still_has_its_path(write: Write) -> None:
    found = problem(write("services: {}\nfaults: [{end: .nan}]\n"))
    assert found.path == "faults[0].start"


def test_keys_that_are_no_plain_words_are_quoted_in_a_path(write: Write) -> None:
    found = problem(write('services:\n  "db.eu": {kind: cache, size: x}\n'))
    assert found.path == 'services["db.eu"].size'
    assert dotted(("a", 'say "x"\n', 1)) == r'a["say \"x\"\n"][1]'


def test_a_long_value_is_shortened_to_one_line(write: Write) -> None:
    found = problem(write(f'services: {{}}\nstep: "{"many words " * 50}\\n"\n'))
    assert len(found.value) < 70
    assert "\n" not in str(found)


def test_no_message_speaks_of_pydantic(write: Write) -> None:
    text = "services: {a: 1, b: {}, c: {kind: x}}\nfaults: x\ndelay: x\nname: 1\nx: 1\nday: x\n"
    told = str(InvalidFile(problems(write(text)))).lower()
    for jargon in ("pydantic", "http", "input", "discriminator", "extra", "tagged-union"):
        assert jargon not in told


def test_an_invalid_file_survives_the_way_between_processes() -> None:
    error = InvalidFile([refusal("a: !x 1")])
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - made on the line above
    assert copy.problems == error.problems
    assert str(copy) == str(error)


# Overrides


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

MARKS = [*"\t\n :-[]{},#&*!|>'\"%@`?\\~<0.e", "\ufeff", "\x00", "é", "\u2028", '"\\U', "\n\n  "]
WORDS = ["---", "...", "<<: *a", "&a ", "*a", "!!int ", "!<", ".nan", "0x", "kind", "1e999"]
PIECES = st.sampled_from([*MARKS, *WORDS, "{kind: cache}"])
EDIT = st.tuples(st.integers(0, len(VALID)), st.integers(0, 12), PIECES | st.text(max_size=3))
SMALL = "services: {db: {kind: backend, concurrency: 4}}\nfaults: [{start: 1}]\n"


def attempt(read: Callable[[], object]) -> object:
    try:
        return read()
    except InvalidFile as error:
        assert str(error)  # noqa: PT017 - either way is right
        return error


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


@given(st.lists(PIECES, max_size=12).map("".join))
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_override_is_either_used_or_refused(write: Write, tail: str) -> None:
    for overrides in ([tail], [f"delay={tail}", f"services.{tail}=1", tail]):
        outcome = attempt(partial(load, write(VALID), Plan, overrides=overrides))
        assert isinstance(outcome, Plan | InvalidFile)


@given(st.text(max_size=40))
def test_any_text_is_either_read_or_refused(text: str) -> None:
    assert isinstance(attempt(lambda: read_yaml(text).data), dict | InvalidFile)
