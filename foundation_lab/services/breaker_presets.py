"""Circuit breakers as other libraries come: the defaults of each, as arguments of `CircuitBreaker`.

``CircuitBreaker(sim, "db", **polly())`` is a breaker with Polly's defaults, and
``CircuitBreaker(sim, "db", **(polly() | {"reset_timeout": 10}))`` one that differs in one of them.
Every call gives arguments of its own, since a window cannot be shared between breakers.

What counts as a failure stays what it is here, a failure of the simulated world; the libraries
count, by default, every exception.
"""

from __future__ import annotations

from typing import Any

from foundation_lab.services.breaking.counting import CountWindow, TimeWindow
from foundation_lab.services.retrying.backoff import exponential_backoff


def resilience4j() -> dict[str, Any]:
    """Return the defaults of resilience4j.

    The last 100 calls, judged when there are 100 of them, open it at 50 % of failures or when all
    took longer than 60 s. After 60 s the next call makes it half-open; 10 probes are judged by the
    same rates.

    Source: https://resilience4j.readme.io/docs/circuitbreaker, "Create and configure a
    CircuitBreaker".
    """
    return {
        "counting": CountWindow(100, failure_rate=0.5, slow_rate=1.0, minimum_calls=100),
        "slow_call_duration": 60.0,
        "reset_timeout": 60.0,
        "automatic_half_open": False,
        "half_open_calls": 10,
        "half_open_rule": "rate",
    }


def polly() -> dict[str, Any]:
    """Return the defaults of Polly, version 8.

    It opens at 10 % of failures among the calls of the last 30 s, if there are 100 of them. After
    5 s the next call is a probe, the only one, and decides.

    Source: https://www.pollydocs.org/strategies/circuit-breaker, "Defaults". Two differences:
    Polly's window drops its calls in steps, this one slides; and there only a failure opens it,
    while here a success that completes the minimum does, too.
    """
    return {
        "counting": TimeWindow(30.0, failure_rate=0.1, minimum_calls=100),
        "reset_timeout": 5.0,
        "automatic_half_open": False,
        "half_open_calls": 1,
    }


def finagle() -> dict[str, Any]:
    """Return what Finagle's failure accrual does with failures in a row.

    Five in a row mark a node dead; one probe decides whether it is alive again. Each time that it
    is not the break doubles, from 5 s to 300 s.

    Source: https://twitter.github.io/finagle/guide/Clients.html, "Failure Accrual", and the
    documentation of its ``Backoff.equalJittered``. Two differences: Finagle draws each break after
    the first between the one before and the one that it is here, and it marks a node dead as well
    when its rate of success is below 80 %.
    """
    return {
        "failure_threshold": 5,
        "reset_timeout": exponential_backoff(5.0, cap=300.0),
        "half_open_calls": 1,
    }
