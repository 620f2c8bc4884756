"""What there is in the models of `random_models`: events, processes and resources, with names."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import simpy

from tests.simulation.random_models import RESOURCES, STORES, Expression, Model

EVENTS = 3

CLASSES = {
    "resource": "Resource",
    "priority": "PriorityResource",
    "preemptive": "PreemptiveResource",
    "store": "Store",
    "priority_store": "PriorityStore",
    "filter_store": "FilterStore",
    "container": "Container",
}

METHODS = {
    "Event": "event",
    "Timeout": "timeout",
    "Process": "process",
    "AllOf": "all_of",
    "AnyOf": "any_of",
}
"""The methods of an environment that make what; resources are made by methods of their own name."""

Way = Callable[[simpy.Environment, str], Callable[..., Any]]
"""How something is made in an environment, given the name of its class."""


def by_class_of_simpy(env: simpy.Environment, name: str) -> Callable[..., Any]:
    made: Callable[..., Any] = getattr(simpy, name)
    return lambda *arguments: made(env, *arguments)


def by_own_class(env: simpy.Environment, name: str) -> Callable[..., Any]:
    from foundation_lab.simulation import events, process, resources

    made: Callable[..., Any] = next(
        getattr(module, name) for module in (events, process, resources) if hasattr(module, name)
    )
    return lambda *arguments: made(env, *arguments)


def by_method(env: simpy.Environment, name: str) -> Callable[..., Any]:
    method: Callable[..., Any] = getattr(env, METHODS.get(name, name))
    return method


def resources_of_simpy(env: simpy.Environment, name: str) -> Callable[..., Any]:
    return (by_method if name in METHODS else by_class_of_simpy)(env, name)


class Things:
    """What there is in a run of a model.

    Args:
        env: Where it runs.
        make: How things are made, one after the other.
        model: The model.
    """

    def __init__(self, env: simpy.Environment, make: Iterator[Way], model: Model) -> None:
        self.env = env
        self.known: list[Any] = []
        self.processes: list[Any] = []
        self.held: list[Any] = []
        self._make = make
        self._labels: dict[int, str] = {}
        self._count = Counter[str]()
        self.events = [self.label(self.new("Event"), "event") for _ in range(EVENTS)]
        self.resources = {
            kind: self.new(CLASSES[kind], model.capacity * (1 if kind in RESOURCES else 2))
            for kind in [*RESOURCES, *STORES]
        }
        self.released: list[Any] = []
        self._focus = dict.fromkeys(RESOURCES, model.focus[0]) | dict.fromkeys(
            STORES, model.focus[1]
        )

    # -- in words -----------------------------------------------------------------------------

    def label(self, event: Any, kind: str) -> Any:
        """Give an event a name; it is kept, so that no other takes its place in memory."""
        if id(event) not in self._labels:
            self._labels[id(event)] = f"{kind} {self._count[kind]}"
            self._count[kind] += 1
            self.known.append(event)
        return event

    def plain(self, value: Any) -> Any:
        """Return the same for the same thing, on whatever it runs."""
        plain = value
        match value:
            case simpy.Event():
                plain = self._labels.get(id(value), "an event without a name")
            case simpy.events.ConditionValue():
                plain = [(self.plain(event), self.plain(each)) for event, each in value.items()]
            case simpy.resources.resource.Preempted():
                assert value.resource is self.resources["preemptive"]
                plain = ("preempted", self.plain(value.by), value.usage_since)
            case BaseException():
                plain = (type(value).__name__, *map(self.plain, value.args))
            case str():
                plain = re.sub(r" object at 0x[0-9a-f]+", "", value)
            case list() | tuple():
                plain = [self.plain(each) for each in value]
        return plain

    def inspect(self, event: Any) -> tuple[Any, ...]:
        """Return what an event says of itself."""
        value = (event.ok, event.value) if event.triggered else None
        return (event.triggered, event.processed, event.defused, self.plain(value))

    def state(self) -> Iterator[Any]:
        """Tell who has and who waits for what; nothing of a resource that nobody uses."""
        for kind in RESOURCES:
            resource = self.resources[kind]
            if resource.users or resource.queue:
                yield kind, resource.count, self.plain(resource.users), self.plain(resource.queue)
        for kind in STORES:
            store = self.resources[kind]
            content = store.level if kind == "container" else store.items
            if content or store.put_queue or store.get_queue:
                yield kind, *map(self.plain, (content, store.put_queue, store.get_queue))

    # -- making and finding -------------------------------------------------------------------

    def new(self, name: str, *arguments: Any) -> Any:
        """Make something of the class that has this name."""
        return next(self._make)(self.env, name)(*arguments)

    def build(self, expression: Expression) -> Any:
        """Make or find an event; nobody but who waits for it keeps one that is quiet."""
        kind, *arguments = expression
        return getattr(self, f"_{kind}")(*arguments)

    def by_hand(self, which: int) -> Any:
        """Return an event that may be triggered by hand: no process, and nobody's request."""
        event = self._event(which)
        if isinstance(event, (simpy.Process, simpy.resources.base.Put)):
            event = self.events[which % EVENTS] = self.label(self.new("Event"), "event")
        return event

    def _event(self, which: int) -> Any:
        return self.events[which % EVENTS]

    def _process(self, which: int) -> Any:
        return self.processes[which % len(self.processes)]

    def _held(self, which: int) -> Any:
        known = self.held or self.events
        return known[which % len(known)]

    def _request(self, kind: str, priority: int, preempt: bool) -> Any:  # noqa: FBT001  (SimPy's)
        request = self.label(self._quiet_request(kind, priority, preempt), "request")
        self.held.append(request)
        return request

    def _quiet_request(self, kind: str, priority: int, preempt: bool) -> Any:  # noqa: FBT001
        kind = self._focus[kind] or kind
        resource = self.resources[kind]
        keywords = {} if kind == "resource" else {"priority": priority, "preempt": preempt}
        return resource.request(**keywords)

    def _release(self, which: int) -> Any:
        if not self.held:
            return self._event(which)
        request = self._held(which)
        if request in self.released:  # a second time is an error here, and nothing on SimPy
            return self._event(which)
        self.released.append(request)
        return self.label(request.resource.release(request), "release")

    def _timeout(self, delay: float, value: int | None) -> Any:
        return self.label(self._quiet_timeout(delay, value), "timeout")

    def _quiet_timeout(self, delay: float, value: int | None) -> Any:
        return self.new("Timeout", delay, value)

    def _all(self, *parts: Expression) -> Any:
        return self.label(self.new("AllOf", [self.build(part) for part in parts]), "all")

    def _any(self, *parts: Expression) -> Any:
        return self.label(self.new("AnyOf", [self.build(part) for part in parts]), "any")

    def _and(self, one: Expression, other: Expression) -> Any:
        return self.label(self.build(one) & self.build(other), "and")

    def _or(self, one: Expression, other: Expression) -> Any:
        return self.label(self.build(one) | self.build(other), "or")

    def _put(self, kind: str, number: int) -> Any:
        kind = self._focus[kind] or kind
        ranked = kind == "priority_store"
        item = simpy.PriorityItem(number % 2, len(self.known)) if ranked else number
        return self.label(self.resources[kind].put(item), "put")

    def _get(self, kind: str, number: int) -> Any:
        kind = self._focus[kind] or kind
        wanted: list[Any] = []
        if kind == "filter_store":
            wanted = [lambda item: item % 2 == number % 2]
        elif kind == "container":
            wanted = [number]
        return self.label(self.resources[kind].get(*wanted), "get")
