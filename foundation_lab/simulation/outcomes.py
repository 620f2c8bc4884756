"""Outcomes: how calls end, and which exceptions are failures of the simulated world."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import simpy

from foundation_lab.errors import FAILURES, ServiceError, nearest

Declared = type[Exception] | tuple[type[Exception], ...] | Mapping[type[Exception], str]
"""Types of exceptions that are failures, too; a mapping says the outcome of each."""

FAILED: Final = ("error", "timeout", "rejected")
"""The outcomes that a failure can have."""

_PLAIN: Final[Mapping[type, str]] = MappingProxyType({TimeoutError: "timeout"})


def outcome_of(error: BaseException | None, said: Mapping[type, str] = _PLAIN) -> str:
    """Return how a call that ended with `error` is classified, where no world says otherwise.

    `Simulation.outcome_of` knows what its world was told.

    Args:
        error: What the call ended with, if it was an error.
        said: The outcomes of types of exceptions; the first of them in the error's order of
            resolution counts, so the most special one.

    Returns:
        One of ``ok`` (no error), ``error``, ``timeout`` (Python's `TimeoutError`, too),
        ``rejected`` and ``cancelled`` (an interrupt, or the end of the calling process).
    """
    if error is None:
        return "ok"
    if isinstance(error, ServiceError):
        return error.outcome
    if isinstance(error, simpy.Interrupt) or not isinstance(error, Exception):
        return "cancelled"
    return next((said[each] for each in type(error).__mro__ if each in said), "error")


def declared(
    more: Declared,
) -> tuple[tuple[type[Exception], ...], Mapping[type, str]]:
    """Return all types of failures, and the outcomes of some, when `more` are failures, too.

    Raises:
        TypeError: One is no type of exception, covers interrupts, or is given an outcome although
            it has its own.
        ValueError: An outcome is none that a failure can have.
    """
    types = tuple(more) if isinstance(more, tuple | Mapping) else (more,)
    for each in types:
        if not (isinstance(each, type) and issubclass(each, Exception)):
            message = (
                f"failures={more!r}; give exception types: (httpx.HTTPError,), or a dict from "
                'types to outcomes: {httpx.TimeoutException: "timeout"}'
            )
            raise TypeError(message)
        if issubclass(simpy.Interrupt, each):
            message = (
                f"failures={more!r} covers interrupts, which are no failures; name the types that "
                "the code raises: (OSError, RuntimeError)"
            )
            raise TypeError(message)
    said: dict[type, str] = {}
    if isinstance(more, Mapping):
        said = {each: more[each] for each in more}
    for each, outcome in said.items():
        if issubclass(each, ServiceError):
            message = (
                f"failures={{{each.__name__}: {outcome!r}}}: a ServiceError is a failure anyway, "
                "and says its outcome itself; set outcome in its class"
            )
            raise TypeError(message)
        if outcome not in FAILED:
            message = f"failures={{{each.__name__}: {outcome!r}}}: {_why_not(outcome)}"
            raise ValueError(message)
    return (*FAILURES, *types), {**_PLAIN, **said}


def _why_not(outcome: Any) -> str:
    """Return why a failure cannot have an outcome, and what it can have."""
    if outcome == "ok":
        why = "what is ok is no failure"
    elif outcome == "cancelled":
        why = "an interrupt cancels, and nobody counts it or tries again; a failure is another end"
    else:
        meant = nearest(str(outcome), FAILED, 1)
        why = f"did you mean {meant[0]!r}?" if meant else "there is no such outcome"
    return f"{why}; give {', '.join(map(repr, FAILED))}"
