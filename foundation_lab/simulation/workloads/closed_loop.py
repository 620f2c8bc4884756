"""A closed loop: users who wait for each answer, think, and ask again.

The load depends on the answers: with N users, a mean response time R and a mean think time Z, the
throughput is N / (R + Z) (the interactive response time law; Lazowska and others, "Quantitative
System Performance", 1984, section 3.4). Slow answers slow the users down, so that a closed loop
never grows a long line; an open one (`Workload`) does.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import simpy

from foundation_lab.simulation.ability import a_function
from foundation_lab.simulation.distributions import Distribution, as_distribution
from foundation_lab.simulation.traffic.sender import Sender, load_factor
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.process import Process
    from foundation_lab.simulation.timer import Timer


class _User:
    """Somebody who asks and thinks in turn."""

    __slots__ = ("leaving", "owed", "process", "thinking")

    process: Process

    def __init__(self) -> None:
        self.leaving = False
        self.owed = False  # an answer, after which he leaves
        self.thinking = False


class ClosedLoop(Sender):
    """Users who ask, wait for the answer, think, and ask again.

    A user asks when he comes, and thinks after each answer, whatever it was. One who is to leave
    while he waits for an answer leaves when it is there; one who thinks leaves at once. Who came
    last leaves first.

    Args:
        sim: The simulation.
        name: Who sends: `client` in the events.
        users: How many users there are at first.
        call: What each request does; returns a generator, a SimPy event, or a plain value.
        think_time: What the time between an answer and the next request is drawn from, or a number
            of seconds.
        stages: Pairs of (seconds, users), one after the other: within so many seconds the number of
            users changes to that one, evenly, the last of them at the end. 0 seconds is at once.
        node: The simulated node that the requests run on.

    Raises:
        ValueError: There is a workload of this name, or a number is out of range.
    """

    def __init__(
        self,
        sim: Simulation,
        name: str,
        *,
        users: int,
        call: Callable[[], Any],
        think_time: float | Distribution = 0.0,
        stages: Sequence[tuple[float, int]] = (),
        node: str | None = None,
    ) -> None:
        for target in (users, *(target for _, target in stages)):
            _number(target)
        for seconds, _ in stages:
            _seconds(seconds)
        self.think_time = as_distribution(think_time)
        a_function("call", call)
        super().__init__(sim, name, node=node)
        self.call = call
        self._stream = sim.stream(f"workload.{name}.think_time")
        self._users: list[_User] = []
        self._leaving = 0
        self._wanted = users
        self._factor = 1.0
        self._running = True
        self._ramp: Timer | None = None
        self._adjust()
        if stages:
            self._follow(_ramps(sim.now, users, stages))

    @property
    def users(self) -> int:
        """How many users there are, without those who are about to leave."""
        return len(self._users)

    @property
    def leaving(self) -> int:
        """How many wait for the answer to their last request."""
        return self._leaving

    @property
    def status(self) -> str:
        """How many users there are, and how many requests they have sent."""
        return f"{self.users} users, {self.sent:,} sent"

    def set_users(self, users: int) -> None:
        """Change the number of users now; stages that are still to come are forgotten.

        Raises:
            ValueError: It is no whole number from 0.
        """
        self._forget_ramp()
        self._wanted = _number(users)
        self._adjust()

    def ramp_to(self, users: int, seconds: float) -> None:
        """Change the number of users evenly within some seconds, the last of them at the end.

        Stages that are still to come are forgotten.

        Raises:
            ValueError: A number is out of range.
        """
        self._forget_ramp()
        _seconds(seconds)
        self._follow(_ramps(self.sim.now, self._wanted, [(seconds, _number(users))]))

    def change_load(self, factor: float) -> None:
        """Have `factor` times as many users as were asked for, rounded; 0 sends all of them away.

        Raises:
            ValueError: The factor is negative or no finite number.
        """
        self._factor = load_factor(factor)
        self._set()

    def stop(self) -> None:
        """Send all users away, until `start`; what they wait for is answered first."""
        if self._running:
            self._running = False
            self._set()

    def start(self) -> None:
        """Let the users come back after a `stop`."""
        if not self._running:
            self._running = True
            self._set()

    def violations(self) -> list[str]:
        """Return every law of workloads that does not hold, in words."""
        broken = super().violations()
        alive = sum(user.process.is_alive for user in self._users)
        if alive != len(self._users):
            broken.append(f"{len(self._users)} users, of whom {alive} are there")
        if not 0 <= self.in_flight <= len(self._users) + self._leaving:
            broken.append(f"{self.users} users have {self.in_flight} requests in flight")
        return broken

    # -- private -------------------------------------------------------------------------------

    def _set(self) -> None:
        self._adjust()
        factor = self._factor if self._running else 0.0
        self.sim.telemetry.emit(events.workload.LoadChanged(self.name, factor))

    def _adjust(self) -> None:
        """Let users come or go until there are as many as there should be."""
        target = math.floor(self._wanted * self._factor + 0.5) if self._running else 0
        before = len(self._users)
        while len(self._users) < target:
            user = _User()
            user.process = self.sim.process(self._live(user), name=self.name)
            self._users.append(user)
        gone = self._users[target:]
        del self._users[target:]
        for user in gone:
            user.leaving = True
            if user.thinking:
                user.process.interrupt("leaves")
            else:
                user.owed = True
                self._leaving += 1
        if before != len(self._users):
            self._emit_users()

    def _live(self, user: _User) -> Generator[Any, Any, None]:
        try:
            while not user.leaving:
                self._on_its_own(user.process)
                yield from self._request(self.call)
                if not user.leaving:
                    yield from self._think(user)
        finally:
            self._leaving -= user.owed

    def _think(self, user: _User) -> Generator[Any, Any, None]:
        seconds = self.think_time.sample(self._stream)
        user.thinking = True
        try:
            yield seconds
        except simpy.Interrupt:
            if not user.leaving:
                raise
        finally:
            user.thinking = False

    def _follow(self, plan: Iterator[tuple[float, int]]) -> None:
        """Do the steps of a plan, each at its time."""
        for time, users in plan:
            if time > self.sim.now:
                self._ramp = self.sim.call_at(time, lambda n=users: self._step(n, plan))  # type: ignore[misc]
                return
            self._wanted = users
            self._adjust()
        self._ramp = None

    def _step(self, users: int, plan: Iterator[tuple[float, int]]) -> None:
        self._wanted = users
        self._adjust()
        self._follow(plan)

    def _forget_ramp(self) -> None:
        if self._ramp is not None:
            self._ramp.cancel()
            self._ramp = None

    def _emit_users(self) -> None:
        users, leaving = len(self._users), self._leaving
        self.sim.telemetry.emit(events.workload.UsersChanged(self.name, users, leaving))


def _ramps(
    start: float, users: int, stages: Sequence[tuple[float, int]]
) -> Iterator[tuple[float, int]]:
    """Yield when there are how many users: one more or one less at a time."""
    for seconds, target in stages:
        steps = abs(target - users)
        sign = 1 if target > users else -1
        for step in range(1, steps + 1):
            yield start + seconds * step / steps, users + sign * step
        start += seconds
        users = target


def _number(users: int) -> int:
    if isinstance(users, bool) or not isinstance(users, int) or users < 0:
        message = f"users={users!r}; give a whole number from 0"
        raise ValueError(message)
    return users


def _seconds(seconds: float) -> None:
    if not (math.isfinite(seconds) and seconds >= 0):
        message = f"seconds={seconds!r}; give the length of a stage, 0 or more"
        raise ValueError(message)
