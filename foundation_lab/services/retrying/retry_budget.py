"""How many retries all calls together may cost: what keeps retries from becoming a storm.

A budget is a small state machine on virtual time. One budget may be given to several retries, which
then draw on it together. Nothing here waits or emits.

Each failed attempt is told to the budget (`failed`), each answer too (`succeeded`); before another
attempt the retry asks for one (`withdraw`), and tells of each call before its first attempt
(`admit`), which an `AdaptiveThrottle` (adaptive_throttle.py) may refuse.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from foundation_lab.services.arguments import positive, whole
from foundation_lab.simulation.ability import able

if TYPE_CHECKING:
    import random

_ROUNDING = 1e-9


class RetryBudget(Protocol):
    """What retries may cost."""

    label: str

    def admit(self, now: float, stream: random.Random) -> bool:
        """Note that a call begins; return whether its first attempt may be made."""

    def failed(self, now: float, *, retryable: bool) -> None:
        """Note that an attempt failed, and whether with an error that may be tried again."""

    def withdraw(self, now: float, stream: random.Random, *, timed_out: bool) -> float | None:
        """Return what one more attempt costs, and take it; ``None`` when it may not be made.

        `timed_out` tells whether the attempt before it failed with a timeout.
        """

    def succeeded(self, now: float, paid: float | None) -> None:
        """Note that an attempt succeeded; `paid` is what it cost, ``None`` for a first attempt."""


class WindowBudget:
    """So many retries a second, and a share of the calls, over a sliding window.

    The retries of the last `ttl` seconds are never more than ``min_per_second * ttl`` and `share`
    of the calls of the last `ttl` seconds. As Finagle's ``RetryBudget`` (whose defaults these are),
    with an exact window in place of its ten slices. A call of time t counts while now < t + `ttl`.

    Envoy's ``retry_budget`` is of another kind: a share of the requests that are active.

    Args:
        share: How many retries each call adds.
        min_per_second: How many retries a second are always allowed.
        ttl: Length of the window in seconds.
        label: What the budget is called in events.
    """

    def __init__(
        self,
        share: float = 0.2,
        *,
        min_per_second: float = 10.0,
        ttl: float = 10.0,
        label: str = "window",
    ) -> None:
        self.share = positive("share", share, zero=True)
        self.min_per_second = positive("min_per_second", min_per_second, zero=True)
        self.ttl = positive("ttl", ttl)
        self.label = label
        self._calls: deque[float] = deque()
        self._retries: deque[float] = deque()

    def balance(self, now: float) -> float:
        """Return how many retries could be made now."""
        for times in (self._calls, self._retries):
            while times and now >= times[0] + self.ttl:
                times.popleft()
        earned = self.min_per_second * self.ttl + self.share * len(self._calls)
        return earned - len(self._retries)

    def admit(self, now: float, stream: random.Random) -> bool:  # noqa: ARG002  (no chance in it)
        """Note that a call begins; its first attempt may always be made."""
        self._calls.append(now)
        return True

    def failed(self, now: float, *, retryable: bool) -> None:
        """Do nothing: failures cost nothing by themselves."""

    def withdraw(
        self,
        now: float,
        stream: random.Random,  # noqa: ARG002  (no chance in it)
        *,
        timed_out: bool,  # noqa: ARG002  (all retries cost the same)
    ) -> float | None:
        """Return 1 and count the retry; ``None`` when it may not be made."""
        if self.balance(now) < 1 - _ROUNDING:
            return None
        self._retries.append(now)
        return 1.0

    def succeeded(self, now: float, paid: float | None) -> None:
        """Do nothing: what was withdrawn stays so until it leaves the window."""


class ThrottleTokens:
    """Tokens that failures take and successes bring back: gRPC's ``retryThrottling``.

    It begins with `max_tokens`. A failed attempt takes one, a successful one brings `token_ratio`;
    retries are made only while there are more than half of `max_tokens`. Like gRPC's own
    implementations it counts thousandths, so that nothing is lost by rounding. An error that is
    not tried again takes nothing. Source: gRPC proposal A6, "Throttling Retry Attempts and Hedged
    RPCs".

    Args:
        max_tokens: How many tokens there are at most and at first; gRPC allows up to 1000.
        token_ratio: What a success brings, in tokens; three decimals count.
        label: What the budget is called in events.
    """

    def __init__(
        self, max_tokens: float = 10.0, *, token_ratio: float = 0.1, label: str = "throttle"
    ) -> None:
        self.max_tokens = _thousandth("max_tokens", max_tokens)
        self.token_ratio = _thousandth("token_ratio", token_ratio)
        self.label = label
        self._most = round(1000 * max_tokens)
        self._gain = round(1000 * token_ratio)
        self._thousandths = self._most

    @property
    def tokens(self) -> float:
        """How many tokens there are."""
        return self._thousandths / 1000

    def admit(self, now: float, stream: random.Random) -> bool:  # noqa: ARG002  (first ones are free)
        """Return that the first attempt may be made."""
        return True

    def failed(self, now: float, *, retryable: bool) -> None:  # noqa: ARG002  (time plays no part)
        """Take a token for a failure that might be tried again."""
        if retryable:
            self._thousandths = max(0, self._thousandths - 1000)

    def withdraw(
        self,
        now: float,  # noqa: ARG002  (time plays no part)
        stream: random.Random,  # noqa: ARG002  (nor does chance)
        *,
        timed_out: bool,  # noqa: ARG002  (all failures cost the same)
    ) -> float | None:
        """Return 0 while more than half of the tokens are there, else ``None``."""
        return 0.0 if 2 * self._thousandths > self._most else None

    def succeeded(self, now: float, paid: float | None) -> None:  # noqa: ARG002  (each brings as much)
        """Bring `token_ratio` tokens back."""
        self._thousandths = min(self._most, self._thousandths + self._gain)


class RetryQuota:
    """A quota that retries are paid from and that success refills: the AWS SDKs' standard mode.

    A retry costs `cost`, or `timeout_cost` after a timeout. A success gives back what the last
    retry of its call cost; one at the first attempt brings `refill`. What failed in the end is
    lost. Source: AWS SDKs and Tools Reference Guide, "Retry behavior"; botocore's
    ``RetryQuotaChecker``.

    Args:
        capacity: How much there is at most and at first.
        cost: What a retry costs.
        timeout_cost: What it costs after a timeout.
        refill: What a success at the first attempt brings.
        label: What the budget is called in events.
    """

    def __init__(
        self,
        capacity: int = 500,
        *,
        cost: int = 5,
        timeout_cost: int = 10,
        refill: int = 1,
        label: str = "quota",
    ) -> None:
        self.capacity = whole("capacity", capacity)
        self.cost = whole("cost", cost, 0)
        self.timeout_cost = whole("timeout_cost", timeout_cost, 0)
        self.refill = whole("refill", refill, 0)
        self.label = label
        self.available: float = capacity

    def admit(self, now: float, stream: random.Random) -> bool:  # noqa: ARG002  (first ones are free)
        """Return that the first attempt may be made."""
        return True

    def failed(self, now: float, *, retryable: bool) -> None:
        """Do nothing: a failure costs only when it is tried again."""

    def withdraw(
        self,
        now: float,  # noqa: ARG002  (time plays no part)
        stream: random.Random,  # noqa: ARG002  (nor does chance)
        *,
        timed_out: bool,
    ) -> float | None:
        """Return what the retry cost; ``None`` when less than that is available."""
        cost = self.timeout_cost if timed_out else self.cost
        if cost > self.available:
            return None
        self.available -= cost
        return float(cost)

    def succeeded(self, now: float, paid: float | None) -> None:  # noqa: ARG002  (time plays no part)
        """Give back what the last retry cost, or bring `refill`."""
        gain = self.refill if paid is None else paid
        self.available = min(self.capacity, self.available + gain)


def as_budget(budget: RetryBudget | None) -> RetryBudget | None:
    """Return a budget as it is, or none.

    Raises:
        TypeError: It is something else.
    """
    remedy = "give a WindowBudget(), a RetryQuota(), or another retry budget"
    return None if budget is None else able("budget", budget, "withdraw", remedy)


def _thousandth(name: str, value: float) -> float:
    if positive(name, value) < 0.001:
        message = f"{name}={value!r}; a thousandth is the least that counts"
        raise ValueError(message)
    return value
