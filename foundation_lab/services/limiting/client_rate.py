"""The sending rate of a client that learns from refusals: the AWS SDKs' adaptive retry mode.

Three small state machines on virtual time, and one that joins them. Nothing here waits or emits.
Source: botocore (github.com/boto/botocore), ``retries/adaptive.py``, ``retries/throttling.py`` and
``retries/bucket.py``, whose constants the defaults are. The curve is that of TCP CUBIC (RFC 9438).
"""

from __future__ import annotations

import math

from foundation_lab.services.arguments import positive
from foundation_lab.services.limiting.limits import covers, wait_until


class CubicRate:
    """A rate that drops when it was too much, comes back fast, lingers, and goes on to explore.

    t seconds after the last refusal the rate is ``scale * (t - k) ** 3 + w_max``: `w_max` is the
    rate at which the refusal came, and k, the cube root of ``w_max * (1 - beta) / scale``, the time
    until it is reached again. A refusal takes the rate to ``beta * w_max``.

    Args:
        start: The virtual time from which t counts until the first refusal.
        w_max: The rate that stands for that of a last refusal until the first one.
        scale: How steep the curve is.
        beta: What is left of the rate after a refusal, a share.
    """

    def __init__(
        self, start: float, w_max: float = 0.0, *, scale: float = 0.4, beta: float = 0.7
    ) -> None:
        self.w_max = positive("w_max", w_max, zero=True)
        self.scale = positive("scale", scale)
        if not 0 < beta < 1:
            message = f"beta={beta!r}; give a share between 0 and 1"
            raise ValueError(message)
        self.beta = beta
        self.last_refusal = start

    @property
    def k(self) -> float:
        """Seconds from a refusal until its rate is reached again."""
        return math.pow(self.w_max * (1 - self.beta) / self.scale, 1 / 3)

    def succeeded(self, now: float) -> float:
        """Return the rate at an answer that was no refusal."""
        return self.scale * math.pow(now - self.last_refusal - self.k, 3) + self.w_max

    def refused(self, now: float, rate: float) -> float:
        """Note a refusal at a sending rate, and return the rate to go on with."""
        self.w_max = rate
        self.last_refusal = now
        return rate * self.beta


class RateMeter:
    """How many answers come in a second: measured in buckets of time, and smoothed.

    With the first answer of a bucket the rate of the time since the last such bucket is taken in;
    that answer is counted with it.

    Args:
        start: The virtual time at the start; the first bucket begins at the whole second before.
        smoothing: The share that the newest measurement has in the rate.
        bucket: Length of a bucket in seconds.
    """

    def __init__(self, start: float, *, smoothing: float = 0.8, bucket: float = 0.5) -> None:
        if not 0 < smoothing <= 1:
            message = f"smoothing={smoothing!r}; give a share, above 0 and up to 1"
            raise ValueError(message)
        self.smoothing = smoothing
        self.bucket = positive("bucket", bucket)
        self.rate = 0.0
        self._last = float(math.floor(start))
        self._count = 0

    def record(self, now: float) -> float:
        """Count an answer, and return the rate in answers a second."""
        begin = math.floor(now / self.bucket) * self.bucket
        self._count += 1
        if begin > self._last:
            newest = self._count / (begin - self._last)
            self.rate = newest * self.smoothing + self.rate * (1 - self.smoothing)
            self._count = 0
            self._last = begin
        return self.rate


class FillingBucket:
    """Tokens that come at a rate which changes; empty at the start.

    It holds as many tokens as come in a second, at least 1. What came before a change of the rate
    came at the old one.

    Args:
        now: The virtual time.
        rate: Tokens a second.
        least: The lowest rate; a lower one is raised to it.
    """

    def __init__(self, now: float, rate: float = 1.0, *, least: float = 0.5) -> None:
        self.least = positive("least", least)
        self.tokens = 0.0
        self._at = now
        self.rate = self.capacity = 1.0
        self.set_rate(now, rate)

    def set_rate(self, now: float, rate: float) -> None:
        """Let tokens come at another rate."""
        self._fill(now)
        self.rate = max(rate, self.least)
        self.capacity = max(rate, 1.0)
        self.tokens = min(self.tokens, self.capacity)

    def wait_for(self, now: float) -> float:
        """Return the seconds until there is a token, if the rate stays; 0 when there is one."""
        if covers(self._at_time(now), 1.0):
            return 0.0
        due = now + (1.0 - self._at_time(now)) / self.rate
        return wait_until(now, due, lambda time: covers(self._at_time(time), 1.0))

    def take(self, now: float) -> None:
        """Take a token; only when `wait_for` says 0."""
        self._fill(now)
        self.tokens = max(0.0, self.tokens - 1.0)

    def give_back(self, now: float) -> None:
        """Give a token back that was taken and not used."""
        self._fill(now)
        self.tokens = min(self.capacity, self.tokens + 1.0)

    def _fill(self, now: float) -> None:
        self.tokens, self._at = self._at_time(now), now

    def _at_time(self, now: float) -> float:
        return min(self.capacity, self.tokens + (now - self._at) * self.rate)


class ClientRate:
    """How fast a client sends: unlimited until the first refusal, then what it learns.

    With each answer the rate becomes what the curve says, at most twice what is measured. A refusal
    counts as one of the measured rate, or of the present one where that is lower.

    Args:
        now: The virtual time.
        cubic: The curve.
        meter: What measures.
        bucket: The tokens.
    """

    def __init__(
        self,
        now: float,
        *,
        cubic: CubicRate | None = None,
        meter: RateMeter | None = None,
        bucket: FillingBucket | None = None,
    ) -> None:
        self.cubic = CubicRate(now) if cubic is None else cubic
        self.meter = RateMeter(now) if meter is None else meter
        self.bucket = FillingBucket(now) if bucket is None else bucket
        self.enabled = False

    @property
    def rate(self) -> float:
        """Tokens a second; an attempt takes one once there was a refusal."""
        return self.bucket.rate

    def answered(self, now: float, *, refused: bool) -> None:
        """Learn from an answer."""
        measured = self.meter.record(now)
        if refused:
            sending = min(measured, self.bucket.rate) if self.enabled else measured
            rate = self.cubic.refused(now, sending)
            self.enabled = True
        else:
            rate = self.cubic.succeeded(now)
        self.bucket.set_rate(now, min(rate, 2.0 * measured))
