"""Calls that do not fit a signature, and an error that tells what would.

Whoever comes from another library tries its names first. Of a wrong one Python says only that it
was not expected.
"""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


def telling(function: Callable[P, T]) -> Callable[P, T]:
    """Return a function that says what it takes when it is given something else.

    Args:
        function: A function, or the ``__init__`` of a class.

    >>> @telling
    ... def pause(seconds, *, jitter=0): ...
    >>> pause(1, jiter=1)
    Traceback (most recent call last):
      ...
    TypeError: pause() got an unexpected keyword argument 'jiter'; it takes seconds, *, jitter=0
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            signature = inspect.signature(function)
            try:
                signature.bind(*args, **kwargs)
            except TypeError:
                message = f"{error}; it takes {_parameters(signature)}"
            else:
                raise  # the error is of what the function did
        raise TypeError(message)

    return call


def _parameters(signature: inspect.Signature) -> str:
    """Return the parameters as they are written down, without types."""
    bare = [
        parameter.replace(annotation=parameter.empty)
        for name, parameter in signature.parameters.items()
        if name != "self"
    ]
    return str(inspect.Signature(bare)).strip("()")
