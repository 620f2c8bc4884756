"""Checks of the arguments that services are made with."""

from __future__ import annotations

import math


def whole(name: str, value: int, least: int = 1) -> int:
    """Return `value` if it is a whole number of at least `least`.

    Raises:
        ValueError: It is not; the message names the argument.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        message = f"{name}={value!r}; give a whole number from {least}"
        raise ValueError(message)
    return value


def positive(name: str, value: float, *, zero: bool = False) -> float:
    """Return `value` if it is a finite number above zero, or zero where that is allowed.

    Raises:
        ValueError: It is not; the message names the argument.
    """
    good = isinstance(value, int | float) and math.isfinite(value)
    if not good or value < 0 or (value == 0 and not zero):
        message = f"{name}={value!r}; give a finite number {'from 0' if zero else 'above 0'}"
        raise ValueError(message)
    return value


def positive_or_none(name: str, value: float | None) -> float | None:
    """Return `value` if it is a finite number above zero, or ``None``.

    Raises:
        ValueError: It is neither; the message names the argument.
    """
    return None if value is None else positive(name, value)


def share(name: str, value: float) -> float:
    """Return `value` if it is a number from 0 to 1.

    Raises:
        ValueError: It is not; the message names the argument.
    """
    if not (isinstance(value, int | float) and 0 <= value <= 1):
        message = f"{name}={value!r}; give a share from 0 to 1"
        raise ValueError(message)
    return value
