"""Failures of the simulated world by their names: what a policy is about, in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from foundation_lab import errors

if TYPE_CHECKING:
    from collections.abc import Iterable

ErrorName = Literal[
    "BackendError",
    "BulkheadFull",
    "CheckoutTimeout",
    "CircuitOpen",
    "ConnectFailed",
    "ConnectionLost",
    "ConnectionReset",
    "CoordinationError",
    "DeadlinePassed",
    "LimitReached",
    "LoadShed",
    "NoHost",
    "QueueFull",
    "RateLimited",
    "Rejected",
    "ResourceExhausted",
    "ServiceDown",
    "ServiceError",
    "Throttled",
    "TimedOut",
]
"""A `ServiceError`; it stands for all errors below it in the tree, too."""

Errors = Annotated[list[ErrorName], Field(min_length=1)]


def error_types(names: Iterable[str]) -> tuple[type[errors.ServiceError], ...]:
    """Return the classes of errors that are called so."""
    return tuple(getattr(errors, name) for name in names)
