"""A supervised child: what is asked of its supervisor, and what that knows of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from foundation_lab.services.supervision.restarts import RESTARTS
from foundation_lab.telemetry.context import NO_CAUSE

if TYPE_CHECKING:
    from foundation_lab.services.service import Service
    from foundation_lab.simulation.timer import Timer

BRUTAL_KILL: Final = "brutal_kill"
"""As `shutdown` of a child: it is killed at once."""


class Child(msgspec.Struct, frozen=True, eq=False):
    """A child and how it is to be looked after: OTP's child specification.

    Attributes:
        service: The child.
        restart: ``permanent``: it is always restarted when it exits. ``transient``: only after a
            crash, that is a reason other than ``normal``, ``shutdown`` and ``shutdown:…``.
            ``temporary``: never; it is forgotten when it has ended.
        shutdown: How many seconds it has for an orderly stop before it is killed;
            ``"brutal_kill"`` or infinity. By default 5, and infinity for a supervisor.
        significant: Whether its end may shut the supervisor down (`auto_shutdown`) when it is not
            restarted: the orderly end of a transient child, any end of a temporary one.
    """

    service: Service
    restart: str = "permanent"
    shutdown: float | Literal["brutal_kill"] | None = None
    significant: bool = False

    @property
    def name(self) -> str:
        """The service's name."""
        return self.service.name

    @property
    def patience(self) -> float:
        """Seconds from the order to stop until it is killed; 0 for ``brutal_kill``."""
        if self.shutdown is None:
            return math.inf if self.service.kind == "supervisor" else 5.0
        return 0.0 if isinstance(self.shutdown, str) else self.shutdown

    def check(self, auto_shutdown: str) -> None:
        """Check the specification.

        Raises:
            ValueError: `restart` or `shutdown` is nothing that is known, or `significant` makes no
                sense: a permanent child does not end, or the supervisor does not shut down.
        """
        where = f"child {self.name!r}"
        if self.restart not in RESTARTS:
            message = f"{where}: restart={self.restart!r}; use one of {', '.join(RESTARTS)}"
            raise ValueError(message)
        if isinstance(self.shutdown, str):
            good = self.shutdown == BRUTAL_KILL
        else:
            good = self.shutdown is None or self.shutdown >= 0
        if not good:
            message = f"{where}: shutdown={self.shutdown!r}; give seconds, or {BRUTAL_KILL!r}"
            raise ValueError(message)
        if self.significant and (self.restart == "permanent" or auto_shutdown == "never"):
            message = (
                f"{where} is significant; then it is transient or temporary, and its supervisor's "
                "auto_shutdown is any_significant or all_significant"
            )
            raise ValueError(message)


class ChildInfo(msgspec.Struct, frozen=True):
    """What `Supervisor.which_children` tells of a child.

    Attributes:
        name: Its name.
        pid: Its present incarnation; ``None`` when it is down.
        state: ``running``, ``restarting`` (it will be started), or ``down``.
        kind: ``worker`` or ``supervisor``.
        restart: ``permanent``, ``transient`` or ``temporary``.
    """

    name: str
    pid: str | None
    state: str
    kind: str
    restart: str


class Ward:
    """What a supervisor knows of a child.

    Attributes:
        spec: What is asked of the supervisor.
        restarting: Whether it will be started.
        timer: The start that is planned, if any.
        started: When it was last started.
        attempts: How many restarts there were in a row.
        delays: The backoff of these restarts.
        delay: The last delay in seconds.
        cause: The sequence of the event that led to its restart.
    """

    def __init__(self, spec: Child, started: float) -> None:
        self.spec = spec
        self.service = spec.service
        self.name = spec.service.name
        self.restarting = False
        self.timer: Timer | None = None
        self.started = started
        self.attempts = 0
        self.delays: Any = None
        self.delay = 0.0
        self.cause = NO_CAUSE

    @property
    def alive(self) -> bool:
        """Whether it runs or will be started."""
        return self.service.up or self.restarting

    def forget_start(self) -> None:
        """Give up the start that is planned."""
        self.restarting = False
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def info(self) -> ChildInfo:
        """Return how it is."""
        service = self.service
        state = "running" if service.up else "restarting" if self.restarting else "down"
        kind = "supervisor" if service.kind == "supervisor" else "worker"
        pid = service.pid if service.up else None
        return ChildInfo(self.name, pid, state, kind, self.spec.restart)
