"""Which errors a policy is about.

An interrupt cancels whoever is interrupted, and the closing of a generator ends it: neither is an
error that a policy may count or try again, however wide its classifier is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import simpy

Classifier = type[BaseException] | tuple[type[BaseException], ...] | Callable[[BaseException], bool]
"""Exception types, or a predicate on the exception."""

Types = type[BaseException] | tuple[type[BaseException], ...]
"""An exception type, or several."""

_REMEDY = "give an exception type, a tuple of them"


def classifier(
    argument: str,
    wanted: Classifier | None,
    ignore: Types = (),
    *,
    default: Classifier = (),
) -> Callable[[BaseException], bool]:
    """Return a predicate on exceptions; it is false for interrupts and for what is no error.

    Args:
        argument: The name of the argument that `wanted` was given as, for the error message.
        wanted: Exception types, or a predicate; ``None`` for the default.
        ignore: Exception types that never count.
        default: What is wanted if nothing is said.

    Raises:
        TypeError: `wanted` is neither.
    """
    left_out: tuple[type[BaseException], ...] = (simpy.Interrupt, *error_types("ignore", ignore))
    if wanted is None:
        wanted = default
    types = wanted if isinstance(wanted, tuple) else (wanted,)
    if all(isinstance(t, type) and issubclass(t, BaseException) for t in types):
        covers: Callable[[BaseException], bool] = partial(_is_one_of, types)
    elif callable(wanted):
        covers = wanted  # type: ignore[assignment]  # no type: that was looked at first
    else:
        message = f"{argument}={wanted!r}; {_REMEDY}, or a predicate on the exception"
        raise TypeError(message)
    return lambda error: (
        isinstance(error, Exception) and not isinstance(error, left_out) and bool(covers(error))
    )


def error_types(argument: str, wanted: Types) -> tuple[type[BaseException], ...]:
    """Return exception types, or the only one, as a tuple.

    Raises:
        TypeError: There is something else among them.
    """
    types = wanted if isinstance(wanted, tuple) else (wanted,)
    if not all(isinstance(each, type) and issubclass(each, BaseException) for each in types):
        message = f"{argument}={wanted!r}; {_REMEDY}"
        raise TypeError(message)
    return types


def _is_one_of(types: tuple[Any, ...], error: BaseException) -> bool:
    return isinstance(error, types)
