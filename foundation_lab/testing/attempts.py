"""Attempts: what was made in a test that did not come to its end need not have been used."""

from __future__ import annotations


class Attempt:
    """One run of a test.

    Attributes:
        cut_short: Whether it has failed, or was skipped.
    """

    def __init__(self) -> None:
        self.cut_short = False


def attempt() -> Attempt:
    """Return the run of a test that goes on, or went on last."""
    return _LAST[-1]


def begin_attempt() -> Attempt:
    """Begin the run of a test."""
    _LAST[:] = [Attempt()]
    return attempt()


_LAST = [Attempt()]
