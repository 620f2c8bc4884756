"""An outbox tells in the order of what was done, whoever tells."""

from __future__ import annotations

import pytest

from foundation_lab.services.outbox import Outbox


def test_what_is_told_meanwhile_comes_after_what_was_there() -> None:
    untold, told = Outbox(), list[str]()

    def first() -> None:
        told.append("first")
        untold.append(lambda: told.append("reaction"))
        untold.tell()
        told.append("back in the first")

    untold.append(first)
    untold.append(lambda: told.append("second"))
    untold.tell()
    assert told == ["first", "second", "reaction", "back in the first"]
    assert not untold


def test_the_rest_is_told_before_the_exception_of_a_handler_goes_on() -> None:
    untold, told = Outbox(), list[str]()

    def fail() -> None:
        raise KeyError("first")

    untold.extend((fail, lambda: told.append("second"), lambda: told.append("third")))
    with pytest.raises(KeyError, match="first"):
        untold.tell()
    assert told == ["second", "third"]
