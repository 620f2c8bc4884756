"""Pool terms: what a connection manager keeps to, checked when it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from foundation_lab.services.arguments import positive, positive_or_none, share, whole

if TYPE_CHECKING:
    from foundation_lab.services.pooling.connecting import Connecting
    from foundation_lab.services.pooling.link_check import LinkCheck

Order = Literal["fifo", "lifo"]
OpenedBy = Literal["caller", "pool"]


class PoolTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How a pool opens, keeps and closes its connections; `ConnectionManager` says what each is."""

    max_overflow: int
    min_idle: int | None
    order: Order
    opened_by: OpenedBy
    connecting: Connecting
    check: LinkCheck
    validation: bool
    invalidate_all: bool
    recycle: float | None
    max_lifetime: float | None
    lifetime_variance: float
    idle_timeout: float | None
    housekeeping_period: float
    keepalive_time: float | None

    def __post_init__(self) -> None:
        """Refuse what makes no sense, alone or together."""
        whole("max_overflow", self.max_overflow, 0)
        if self.min_idle is not None:
            whole("min_idle", self.min_idle, 0)
        one_of("order", self.order, ("fifo", "lifo"))
        one_of("opened_by", self.opened_by, ("caller", "pool"))
        share("lifetime_variance", self.lifetime_variance)
        for name in ("recycle", "max_lifetime", "idle_timeout", "keepalive_time"):
            positive_or_none(name, getattr(self, name))
        positive("housekeeping_period", self.housekeeping_period)
        if self.background and self.max_overflow:
            raise ValueError(
                f"max_overflow={self.max_overflow!r} with opened_by='pool'; "
                "give a larger size and min_idle instead"
            )
        if not self.background and self.min_idle and not self.connecting.free:
            raise ValueError(
                f"min_idle={self.min_idle!r} with opened_by='caller': nobody opens connections "
                "ahead; give opened_by='pool', or leave out min_idle"
            )

    @property
    def background(self) -> bool:
        """Whether the pool opens its connections itself."""
        return self.opened_by == "pool"

    @property
    def looks_at_links(self) -> bool:
        """Whether there may be a reason not to lend an idle link."""
        return self.background or self.validation or self.invalidate_all or self.recycle is not None

    def idle_at_least(self, size: int) -> int:
        """Return how many idle connections a pool of this size begins with, or keeps."""
        if self.min_idle is not None:
            return min(self.min_idle, size)
        return size if self.background or self.connecting.free else 0


def one_of(name: str, value: str, values: tuple[str, ...]) -> None:
    """Refuse a value that is none of these.

    Raises:
        ValueError: It is none; the message names the argument.
    """
    if value not in values:
        message = f"{name}={value!r}; give one of {', '.join(map(repr, values))}"
        raise ValueError(message)
