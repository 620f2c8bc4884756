"""What an argument must be able to do, checked where it is given, not where it is first used."""

from __future__ import annotations

from types import GeneratorType
from typing import Any, TypeVar

T = TypeVar("T")


def able(argument: str, value: T, method: str, remedy: str) -> T:
    """Return `value` if it has a method; a class in place of an object is a common slip.

    Args:
        argument: The name of the argument, for the error message.
        value: What was given.
        method: What will be asked of it.
        remedy: What to give instead, for the error message.

    Raises:
        TypeError: It is a class, or has no such method.
    """
    if isinstance(value, type) or not callable(getattr(value, method, None)):
        message = f"{argument}={value!r}; {remedy}"
        raise TypeError(message)
    return value


def a_function(argument: str, value: T, remedy: str = "give a function without arguments") -> T:
    """Return `value` if it can be called.

    Raises:
        TypeError: It cannot.
    """
    if not callable(value):
        called: Any = value
        if isinstance(called, GeneratorType):
            remedy = "give the function itself, without calling it"
        message = f"{argument}={value!r}; {remedy}"
        raise TypeError(message)
    return value
