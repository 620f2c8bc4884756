"""What a user is told about a file that the model refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import model_validator
from pydantic_core import PydanticCustomError

from foundation_lab.errors import InvalidFile
from foundation_lab.scenario.diagnostics import dotted
from tests.scenario.plans import VALID, Fault, Strict, problem, problems, where

if TYPE_CHECKING:
    from typing import Self

    from tests.scenario.plans import Write


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
    told = str(InvalidFile(*problems(write(text)))).lower()
    for jargon in ("pydantic", "http", "input", "discriminator", "extra", "tagged-union"):
        assert jargon not in told


class Pair(Strict):
    first: Fault
    names: list[str]

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        wrong = [
            (("names", number), f"nobody is called {name!r}")
            for number, name in enumerate(self.names)
            if name != "ada"
        ]
        if wrong:
            raise PydanticCustomError("names", "some names are unknown", {"problems": wrong})
        return self


class Pairs(Strict):
    pairs: dict[str, Pair]


def test_a_validator_can_report_several_problems_each_at_its_place(write: Write) -> None:
    text = "pairs:\n  x:\n    first: {start: 1}\n    names: [bob, ada, eve]\n"
    first, second = problems(write(text), model=Pairs)
    assert where(first) == (4, 13, "pairs.x.names[0]")
    assert where(second) == (4, 23, "pairs.x.names[2]")
    assert second.message == "nobody is called 'eve'"
    assert second.value == "'eve'"
