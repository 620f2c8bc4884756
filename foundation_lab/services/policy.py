"""Policies: several services put around a call, as one object with a `call` of its own.

```python
policy = pipeline(timeout, retry, breaker, bulkhead)
answer = yield from policy.call(database.request)
```

is short for ``timeout.call(lambda: retry.call(lambda: breaker.call(lambda: bulkhead.call(...))))``.
The order is the meaning: a timeout outside of a retry limits all attempts together, one inside of
it limits each.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from foundation_lab.simulation.invocation import invoke

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class Caller(Protocol):
    """What can stand around a call: most services, and pipelines themselves."""

    def call(self, fn: Callable[[], Any]) -> Generator[Any, Any, Any]:
        """Call `fn` (``yield from``)."""


class Pipeline:
    """Services around a call; made by `pipeline`."""

    def __init__(self, stages: tuple[Caller | Callable[..., Any], ...]) -> None:
        self.stages = stages
        self._inwards = [_around(stage) for stage in reversed(stages)]

    def call(self, fn: Callable[[], Any]) -> Generator[Any, Any, Any]:
        """Call `fn` through all stages (``yield from``).

        Args:
            fn: Returns a generator, a SimPy event, or a plain value.

        Returns:
            What the outermost stage makes of it; without stages, what `fn` came to.
        """
        for around in self._inwards:
            fn = partial(around, fn)
        return (yield from invoke(fn))

    def __repr__(self) -> str:
        """Return one line: the stages, the outermost first."""
        return f"pipeline({', '.join(map(repr, self.stages))})"


def pipeline(*stages: Caller | Callable[..., Any]) -> Pipeline:
    """Return an object that calls through all `stages`, the first of which is the outermost.

    Args:
        *stages: Services with a `call`, other pipelines, or functions that take the call and return
            a generator: ``lambda fn: cache.call(fn, key="prices")``.

    Raises:
        TypeError: A stage is none of them.
    """
    return Pipeline(stages)


def _around(stage: Caller | Callable[..., Any]) -> Callable[..., Any]:
    around: Any = getattr(stage, "call", stage)
    if not callable(around) or isinstance(stage, type):
        message = f"{stage!r} cannot stand around a call; give a service with `call`, or a function"
        raise TypeError(message)
    return around  # type: ignore[no-any-return]
