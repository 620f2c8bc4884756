"""The cache: keeps what was loaded for a while, and loads each key once at a time.

A key that is not there is loaded in the process of the first caller who asks for it; whoever asks
meanwhile waits for the same load. When it fails, all of them get the error. When its caller is
interrupted, or a time limit outside of the cache ends it, the one who waits longest loads instead:
nobody pays for another's impatience. Without that (`single_flight=False`) every caller loads, and
the end of a popular key's time becomes a stampede.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, ClassVar, Final

import simpy

from foundation_lab.errors import DeadlinePassed, ServiceDown
from foundation_lab.services.arguments import positive, whole
from foundation_lab.services.flight import YOURS, Flight
from foundation_lab.services.service import Service
from foundation_lab.simulation.invocation import invoke
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable

    from foundation_lab.simulation.clock import Clock, NodeClock
    from foundation_lab.simulation.engine import Simulation


_NOT_OF_THE_LOAD: Final = (simpy.Interrupt, DeadlinePassed)
"""What ends a load without saying anything about the key: its caller was called off."""


class Entry:
    """What is kept under a key: a value or an error, from an instant to another."""

    __slots__ = ("error", "expires", "since", "value")

    def __init__(self, value: Any, error: Exception | None, since: float, expires: float) -> None:
        self.value = value
        self.error = error
        self.since = since
        self.expires = expires

    def answer(self) -> Any:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error.with_traceback(None)
        return self.value


class Cache(Service):
    """Keeps what was loaded, key by key.

    Args:
        sim: The simulation.
        name: The cache's name, `service_id` in its events.
        ttl: Seconds that a value is kept; at exactly that age it has expired.
        max_size: How many keys are kept; the least recently used one makes room. No limit without.
        negative_ttl: Seconds that a failure of a load is kept and raised again; without it
            errors are not kept.
        single_flight: Whether callers of one key wait for one load.
        jitter: The share by which a time to live is shortened at most, evenly spread: keys that
            were put together do not all expire together.
        clock: What tells the cache the time, when that is not the true one.
    """

    kind: ClassVar[str] = "cache"
    Hit = events.cache.Hit
    Miss = events.cache.Miss
    Put = events.cache.Put
    Evicted = events.cache.Evicted

    def __init__(
        self,
        sim: Simulation,
        name: str,
        *,
        ttl: float,
        max_size: int | None = None,
        negative_ttl: float | None = None,
        single_flight: bool = True,
        jitter: float = 0.0,
        clock: NodeClock | None = None,
    ) -> None:
        if not 0 <= jitter < 1:
            message = f"jitter={jitter!r}; give a share from 0 up to, but not including, 1"
            raise ValueError(message)
        self.ttl = positive("ttl", ttl)
        self.max_size = None if max_size is None else whole("max_size", max_size)
        self.negative_ttl = None if negative_ttl is None else positive("negative_ttl", negative_ttl)
        self.single_flight = single_flight
        self.jitter = jitter
        self._clock: Clock = sim if clock is None else clock
        self._entries: OrderedDict[Hashable, Entry] = OrderedDict()
        self._loads: dict[Hashable, list[Flight]] = {}
        self._stream = sim.stream(f"cache.{name}.jitter")
        super().__init__(sim, name)

    @property
    def clock(self) -> Clock:
        """What tells the cache the time; it can be set before the first call."""
        return self._clock

    @clock.setter
    def clock(self, clock: NodeClock) -> None:
        self._clock = clock

    def call(self, fn: Callable[[], Any], *, key: Hashable = "") -> Generator[Any, Any, Any]:
        """Return what is kept under `key`; call `fn` when there is nothing (``yield from``).

        Args:
            fn: Loads the value: returns a generator, a SimPy event, or a plain value.
            key: What the value is kept under.

        Returns:
            The value.

        Raises:
            ServiceDown: The cache was stopped, before or while the call waited for another's load.
            RuntimeError: A load asks for its own key.
            Exception: What the load raised, here or for somebody else who asked at the same time.
        """
        self.require_up()
        entry = self._look_up(key)
        if entry is not None:
            age, negative = self._age(entry), entry.error is not None
            self._emit(events.cache.Hit(self.name, str(key), age, negative))
            return entry.answer()
        loads = self._loads.get(key)
        load = loads[0] if self.single_flight and loads is not None else None
        joined = load is not None
        if load is not None:
            leads, value = yield from self._join(load, key)
            if not leads:
                return value
        else:
            load = Flight(self.sim.running_process(f"a load of cache {self.name!r}"))
            self._loads.setdefault(key, []).append(load)
        return (yield from self._lead(load, key, fn, joined=joined))

    def put(self, key: Hashable, value: Any) -> None:
        """Keep a value; a load of the same key that is under way is not kept any more.

        Raises:
            ServiceDown: The cache was stopped.
        """
        self.require_up()
        self._loads.pop(key, None)
        self._keep(key, value, None, self.ttl)

    def invalidate(self, key: Hashable) -> bool:
        """Take a key out, and let no load that is under way put it back; return whether it was in.

        Whoever waits for such a load still gets what it comes to; later callers load anew.
        """
        self._loads.pop(key, None)
        return self._evict(key, "invalidated")

    def flush(self) -> int:
        """Take every key out, and keep no load that is under way; return how many keys were in.

        Each key that was in is told as evicted. Who waits for a load still gets what it comes to.
        """
        self._loads.clear()
        keys = list(self._entries)
        for key in keys:
            self._evict(key, "flushed")
        return len(keys)

    def peek(self, key: Hashable) -> Entry | None:
        """Return what is kept under a key now, if anything; it counts as no use."""
        entry = self._entries.get(key)
        return None if entry is None or self._clock.now >= entry.expires else entry

    def __len__(self) -> int:
        """Return how many keys are kept, those left in that have expired among them."""
        return len(self._entries)

    def __bool__(self) -> bool:
        """Return true: an empty cache is a cache."""
        return True

    @property
    def loading(self) -> int:
        """How many loads are under way whose result will be kept."""
        return sum(map(len, self._loads.values()))

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {"size": len(self), "loading": self.loading}

    def violations(self) -> list[str]:
        """Return every law of caches that does not hold, in words."""
        broken = []
        if self.max_size is not None and len(self) > self.max_size:
            broken.append(f"{len(self)} keys in room for {self.max_size}")
        for key, loads in self._loads.items():
            if self.single_flight and len(loads) != 1:
                broken.append(f"key {key!r} is loaded {len(loads)} times at once")
            if any(load.leader is not None and not load.leader.is_alive for load in loads):
                broken.append(f"the load of key {key!r} was given up by a process that has ended")
        return broken

    def on_exit(self, reason: str) -> None:
        """Lose everything, and send away who waits for another's load; loads go on unkept.

        A cache that keeps its state keeps the keys, whose time goes on.
        """
        if not self.keeps_state:
            self._entries.clear()
        loads, self._loads = self._loads, {}
        for load in (load for each in loads.values() for load in each):
            load.settle(None, ServiceDown(f"cache {self.name!r} went down ({reason})"))

    # -- private -------------------------------------------------------------------------------

    def _look_up(self, key: Hashable) -> Entry | None:
        """Return what is kept under a key, and note that it is used."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._clock.now >= entry.expires:
            self._evict(key, "expired")
            return None
        self._entries.move_to_end(key)
        return entry

    def _join(self, load: Flight, key: Hashable) -> Generator[Any, Any, tuple[bool, Any]]:
        """Wait for a load; return whether it is one's own now, and otherwise what it came to."""
        process = self.sim.running_process(f"a load of cache {self.name!r}")
        if load.leader is process:
            message = f"the load of {key!r} asks cache {self.name!r} for what it loads itself"
            raise RuntimeError(message)
        turn = self.sim.wait(f"the load of {key!r} by cache {self.name!r}")
        load.line.append(turn)
        try:
            self._missed(key, joined=True)
            leads, value = yield turn
        except BaseException:
            if not turn.triggered:
                load.line.remove(turn)
            elif turn.ok and turn.value is YOURS:
                self._give_up(load, key)
            raise
        if leads:
            load.leader = process
        return leads, value

    def _lead(
        self, load: Flight, key: Hashable, fn: Callable[[], Any], *, joined: bool
    ) -> Generator[Any, Any, Any]:
        """Load a key for all who wait for it."""
        try:
            if not joined:
                self._missed(key, joined=False)
            value = yield from invoke(fn)
        except BaseException as error:
            if not isinstance(error, Exception) or isinstance(error, _NOT_OF_THE_LOAD):
                self._give_up(load, key)
                raise
            kept = self._finish(load, key) and isinstance(error, self.sim.failures)
            if kept and self.negative_ttl is not None:
                self._keep(key, None, error, self.negative_ttl)
            load.settle(None, error)
            raise
        if self._finish(load, key):
            self._keep(key, value, None, self.ttl)
        load.settle(value, None)
        return value

    def _give_up(self, load: Flight, key: Hashable) -> None:
        """Leave a load to the next in line; without one it is over."""
        if not load.hand_over():
            self._finish(load, key)

    def _finish(self, load: Flight, key: Hashable) -> bool:
        """Take a load off the list; return whether what it came to is to be kept."""
        loads = self._loads.get(key, [])
        if load not in loads:
            return False
        loads.remove(load)
        if not loads:
            del self._loads[key]
        return True

    def _keep(self, key: Hashable, value: Any, error: Exception | None, ttl: float) -> None:
        now = self._clock.now
        if self.jitter:
            ttl *= 1 - self.jitter * self._stream.random()
        self._entries[key] = Entry(value, error, now, now + ttl)
        self._entries.move_to_end(key)
        while self.max_size is not None and len(self._entries) > self.max_size:
            self._evict(next(iter(self._entries)), "least_used")
        size, negative = len(self._entries), error is not None
        self._emit(events.cache.Put(self.name, str(key), ttl, size, negative))

    def _evict(self, key: Hashable, reason: str) -> bool:
        entry = self._entries.pop(key, None)
        if entry is not None:
            age = self._age(entry)
            self._emit(events.cache.Evicted(self.name, str(key), reason, age))
        return entry is not None

    def _age(self, entry: Entry) -> float:
        """Return for how many seconds something is kept; 0 when the clock was set back."""
        return max(0.0, self._clock.now - entry.since)

    def _missed(self, key: Hashable, *, joined: bool) -> None:
        self._emit(events.cache.Miss(self.name, str(key), joined))
