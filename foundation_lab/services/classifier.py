"""Which errors a policy is about."""

from __future__ import annotations

from collections.abc import Callable

Classifier = (
    type[BaseException] | tuple[type[BaseException], ...] | Callable[[BaseException], bool]
)
"""Exception types, or a predicate on the exception."""


def classifier(
    argument: str,
    wanted: Classifier,
    ignore: tuple[type[BaseException], ...] = (),
) -> Callable[[BaseException], bool]:
    """Return a predicate on exceptions.

    Args:
        argument: The name of the argument that `wanted` was given as, for the error message.
        wanted: Exception types, or a predicate.
        ignore: Exception types that never count.

    Raises:
        TypeError: `wanted` is neither.
    """
    types = wanted if isinstance(wanted, tuple) else (wanted,)
    if all(isinstance(t, type) and issubclass(t, BaseException) for t in types):
        return lambda error: isinstance(error, types) and not isinstance(error, ignore)
    if callable(wanted):
        return lambda error: wanted(error) and not isinstance(error, ignore)
    message = f"{argument}={wanted!r}; give exception types, or a predicate on the exception"
    raise TypeError(message)
