"""From the description of a retry in a scenario to the retry."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from foundation_lab import services as made
from foundation_lab.scenario import retry_specs

if TYPE_CHECKING:
    from foundation_lab.services.backoff import Backoff
    from foundation_lab.services.jitter import Jitter
    from foundation_lab.services.retry_budget import RetryBudget
    from foundation_lab.simulation.engine import Simulation


def build_retry(sim: Simulation, name: str, spec: retry_specs.RetrySpec) -> made.Retry:
    """Return the retry that a part of a scenario describes; its budget is its own."""
    return made.Retry(
        sim,
        name,
        max_attempts=spec.max_attempts,
        backoff=build_backoff(spec.backoff),
        jitter=_jitter(spec.jitter),
        max_delay=spec.max_delay,
        use_retry_after=spec.use_retry_after,
        attempt_timeout=spec.attempt_timeout,
        total_timeout=spec.total_timeout,
        budget=build_budget(spec.budget),
    )


def build_budget(spec: Any) -> RetryBudget | None:
    """Return the budget that a part of a scenario describes."""
    match spec:
        case retry_specs.WindowBudgetSpec():
            return made.WindowBudget(spec.share, min_per_second=spec.min_per_second, ttl=spec.ttl)
        case retry_specs.ThrottleTokensSpec():
            return made.ThrottleTokens(spec.max_tokens, token_ratio=spec.token_ratio)
        case retry_specs.RetryQuotaSpec():
            return made.RetryQuota(
                spec.capacity,
                cost=spec.cost,
                timeout_cost=spec.timeout_cost,
                refill=spec.refill,
            )
        case retry_specs.AdaptiveThrottleSpec():
            return made.AdaptiveThrottle(spec.k, window=spec.window)
    return None


def build_backoff(spec: Any) -> Backoff:
    """Return the backoff that a file describes."""
    cap = inf if getattr(spec, "cap", None) is None else spec.cap
    match spec:
        case retry_specs.FixedBackoff():
            return made.fixed_backoff(spec.seconds)
        case retry_specs.LinearBackoff():
            return made.linear_backoff(spec.base, cap=cap)
        case retry_specs.FibonacciBackoff():
            return made.fibonacci_backoff(spec.base, cap=cap)
        case retry_specs.DecorrelatedBackoff():
            return made.decorrelated_backoff(spec.base, cap=cap)
        case retry_specs.DecorrelatedV2Backoff():
            return made.decorrelated_v2_backoff(spec.median, cap=cap)
    return made.exponential_backoff(spec.base, factor=spec.factor, cap=cap)


def _jitter(spec: Any) -> str | Jitter:
    match spec:
        case retry_specs.FactorJitter():
            return made.factor_jitter(spec.share)
        case retry_specs.AdditiveJitter():
            return made.additive_jitter(spec.extra)
    return str(spec)
