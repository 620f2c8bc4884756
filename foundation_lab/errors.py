"""The exception classes of the package; those that only one part raises are beside it.

```
FoundationLabError
├── ServiceError                 something failed inside the simulated world (outcome "error")
│   ├── BackendError             a backend answered with an error
│   ├── ServiceDown              the service is stopped, crashed or in an outage
│   ├── ConnectFailed            a connection could not be opened
│   ├── ConnectionLost           a connection died, its pool was closed, or no answer came over it
│   │   └── ConnectionReset      it broke in the middle of a request
│   ├── Rejected                 turned away without being tried (outcome "rejected")
│   │   ├── CircuitOpen          the circuit breaker is open, or its probes are all taken
│   │   ├── RateLimited          the limiter has no permit left; carries ``retry_after``
│   │   ├── BulkheadFull         no place of the bulkhead came free in time
│   │   ├── LimitReached         as many calls in flight as the adaptive limit allows
│   │   ├── Throttled            the client's own retry budget allows no attempt
│   │   ├── NoHost               a load balancer has no host to send the request to
│   │   ├── QueueFull            the waiting line has reached its limit
│   │   ├── LoadShed             dropped so that others are served in time; carries ``reason``
│   │   └── ResourceExhausted    no token left and the caller did not want to wait
│   ├── CoordinationError        agents could not come to a result
│   └── TimedOut                 a deadline passed (outcome "timeout")
│       ├── CheckoutTimeout      no connection came free in time
│       └── DeadlinePassed       a limit further outside is over; never tried again
├── UnknownName                  an event, field or service name that does not exist (a ValueError)
├── InvalidFile                  a scenario, rule or data file that cannot be used (a ValueError)
├── InvalidRecording             a folder that is no readable recording (a ValueError)
├── EventsNotKept                a recording is asked for, but only aggregates were kept
├── MissingExtra                 an optional dependency is not installed (an ImportError)
├── DeadlockError                nothing is left to run, but somebody still waits
├── LivelockError                things go on happening, but time does not
├── TaskFailed                   a task failed, and nobody has awaited it
├── SimulationFailed             a model raised; carries what was recorded up to there
├── InvariantError               a conservation law does not hold
└── SchedulingError              a model asked the engine for something impossible in time
```

A failure *inside* the simulated world is one of `FAILURES`, a `ServiceError` as a rule: services
count it, retry it and report it. A programmer's mistake is a `ValueError` or `TypeError` and always
comes through, so that a bug never passes for a simulated fault.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


class FoundationLabError(Exception):
    """The root of every exception that this package defines."""


class ServiceError(FoundationLabError):
    """A failure inside the simulated world.

    `outcome` is how a call that ends with this exception is classified: one of ``error``,
    ``rejected`` and ``timeout``.
    """

    outcome: ClassVar[str] = "error"


class BackendError(ServiceError):
    """A backend did the work and answered with an error."""


class ServiceDown(ServiceError):
    """The service is stopped, crashed or in an outage."""


class ConnectionLost(ServiceError):
    """A connection died, its pool was closed while it was out, or no answer came over it."""


class ConnectionReset(ConnectionLost):
    """A connection broke in the middle of a request; what was done for it is lost."""


class ConnectFailed(ServiceError):
    """A connection could not be opened."""


class Rejected(ServiceError):
    """The call was turned away without being tried."""

    outcome: ClassVar[str] = "rejected"


class CircuitOpen(Rejected):
    """The circuit breaker is open, or all probes of its half-open state are taken.

    Args:
        message: What was refused.
        retry_after: Seconds until the breaker is half-open; ``None`` when it is already.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0])


class RateLimited(Rejected):
    """The rate limiter has no permit left.

    Args:
        message: What was refused.
        retry_after: Seconds until the same request would be allowed.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0])


class BulkheadFull(Rejected):
    """All places of a bulkhead are taken, and none came free in time."""


class LimitReached(Rejected):
    """As many calls are in flight as the adaptive limiter allows, and none ended in time."""


class Throttled(Rejected):
    """The client's own retry budget allows no attempt, not even a first one."""


class NoHost(Rejected):
    """A load balancer has no host left to send the request to."""


class QueueFull(Rejected):
    """The waiting line in front of a service has reached its limit."""


class LoadShed(Rejected):
    """The work was dropped, at its arrival or out of a line, so that others are served in time.

    Args:
        message: What was dropped.
        reason: Why: the word of the line or of the shedder, such as ``deadline``.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message, reason)
        self.reason = reason

    def __str__(self) -> str:
        return str(self.args[0])


class ResourceExhausted(Rejected):
    """No token of a limited resource is left, and the caller did not want to wait."""


class TimedOut(ServiceError):
    """A deadline passed before the work was done."""

    outcome: ClassVar[str] = "timeout"


class CheckoutTimeout(TimedOut):
    """No connection came free within the checkout timeout."""


class DeadlinePassed(TimedOut):
    """The time of a block further outside is over; on its way to whoever set the limit.

    What it passes through may count it as a failure, but must not try again: nobody waits for the
    answer any more.
    """


class CoordinationError(ServiceError):
    """A coordination session of agents ended without a result."""


class UnknownName(FoundationLabError, ValueError):
    """An event, field or service name that does not exist; the message lists the nearest ones.

    `few` is how many names are listed when none of them is near.
    """

    few: ClassVar[int] = 12

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str]) -> UnknownName:
        """Return the error for `name`, with the nearest of the `known` names as a hint.

        When none is near, a few are all listed.

        Args:
            kind: What the name should have been, for instance ``"event"``.
            name: The name that was given.
            known: All names that would have been right.
        """
        names = list(known)
        near = nearest(name, names)
        if near:
            hint = f"; did you mean {' or '.join(map(repr, near))}?"
        elif 0 < len(names) <= cls.few:
            hint = f"; there are: {', '.join(map(repr, names))}"
        else:
            hint = ""
        return cls(f"unknown {kind} {name!r}{hint}")


class InvalidFile(FoundationLabError, ValueError):
    """A scenario, rule or data file that cannot be used.

    Args:
        *problems: Everything that is wrong with it, in the order in which it is to be shown: a
            message each, or an object whose `str` is one.
    """

    def __init__(self, *problems: object) -> None:
        super().__init__(*problems)
        self.problems: tuple[object, ...] = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


class InvalidRecording(FoundationLabError, ValueError):
    """A folder that is not a readable recording: missing, cut short, or of a newer format."""


class EventsNotKept(FoundationLabError, RuntimeError):
    """A recording is asked for, but its simulation keeps aggregates only."""


class MissingExtra(FoundationLabError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""

    @classmethod
    def of(cls, module: str, extra: str) -> MissingExtra:
        """Return the error for a missing `module` that the optional `extra` installs."""
        return cls(
            f"this needs the package {module!r}, which is not installed: "
            f"pip install 'foundation-lab[{extra}]'"
        )


class DeadlockError(FoundationLabError, RuntimeError):
    """Nothing is left to run, but the run should have gone on; names who waits for what."""


class LivelockError(FoundationLabError, RuntimeError):
    """Things go on happening, but time does not; names who goes round in circles."""


class TaskFailed(FoundationLabError, RuntimeError):
    """Tasks or callbacks of asyncio code have failed, and nobody has awaited them.

    Args:
        message: A line for each of them.
        errors: What they raised.
    """

    def __init__(self, message: str, errors: Iterable[BaseException] = ()) -> None:
        super().__init__(message)
        self.errors = tuple(errors)


class SimulationFailed(FoundationLabError, RuntimeError):
    """A model raised an exception that nothing in the simulated world handled.

    Args:
        message: When, and what it raised.
        recording: What happened up to there, a `foundation_lab.recording.recording.Recording`.
        aggregates: What was counted up to there, where no events were kept.
    """

    def __init__(self, message: str, recording: Any = None, aggregates: Any = None) -> None:
        super().__init__(message)
        self.recording = recording
        self.aggregates = aggregates


class InvariantError(FoundationLabError, AssertionError):
    """A conservation law does not hold; the message lists every violated one."""


class SchedulingError(FoundationLabError, ValueError):
    """A model asked the engine for something impossible, such as a time in the past."""


def nearest(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Return up to `most` of the `known` names that look like `name`, the nearest first.

    >>> nearest("circut_breaker", ["retry", "circuit_breaker"])
    ['circuit_breaker']
    """
    candidates = list(known)
    found = difflib.get_close_matches(name, candidates, n=most, cutoff=0.6)
    if found:
        return found
    tails = {candidate.rsplit(".", 1)[-1]: candidate for candidate in candidates}
    ends = difflib.get_close_matches(name.rsplit(".", 1)[-1], list(tails), n=most, cutoff=0.6)
    return [tails[end] for end in ends]


FAILURES: Final[tuple[type[Exception], ...]] = (ServiceError, ConnectionError, TimeoutError)
"""What fails inside the simulated world: any other exception is a bug, and ends the run.

Python's own two are what code fails with that talks over a network or has a timeout.
`Simulation(failures=...)` adds those of a library.
"""
