"""SimPy's shared resources, made of lean events: the same spelling, the same order of things.

`Resource(sim, capacity=1)` and `sim.Resource(capacity=1)` are the same. Whoever gives a slot back
triggers an event of its own, as in SimPy, and only when that is processed does the next in line
get its turn: among the events of one instant, that order can be seen.
"""

from __future__ import annotations

from heapq import heappush
from typing import TYPE_CHECKING, Any

import simpy
from simpy.core import BoundClass
from simpy.events import PENDING
from simpy.resources import container, resource, store

from foundation_lab.simulation.events import GONE, Event

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from foundation_lab.simulation.virtual_time import VirtualTime


class Request(resource.Request, Event):
    """Somebody's request for a slot of a resource; a context manager that gives it back.

    Args:
        resource: The resource.

    Attributes:
        resource: The resource.
        proc: The process that asked.
        usage_since: The virtual time at which the slot was granted, in seconds.
    """

    resource: Resource
    given_back = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Withdraw the request, or give the slot back."""
        lender = self.resource
        if self._value is PENDING:
            lender.put_queue.remove(self)
        if kind is GeneratorExit:
            return  # a generator that is cleared away gives nothing back
        if not lender._is_plain:
            before, self.given_back = self.given_back, False  # a block may end as it likes
            lender.release(self)
            self.given_back = before
            return
        users = lender.users
        if self in users:  # it is not, when it was withdrawn
            users.remove(self)
        done = lender._return
        if done._waiter is not GONE:
            done = lender._another_return()
        done._waiter = lender._serve if lender.put_queue else None
        self.env._ready.append(done)


class _QuickRequest(Request):
    """A request as `Resource.request` makes it: without a constructor, which would cost more."""

    __init__ = object.__init__


_QuickRequest.__name__ = _QuickRequest.__qualname__ = "Request"


class PriorityRequest(resource.PriorityRequest, Request):
    """A request with a priority: the smaller the number, the sooner."""


class Release(resource.Release, Event):
    """The return of a slot; happens at once."""

    def __init__(self, resource: Resource, request: Request) -> None:
        if getattr(request, "given_back", False):
            message = f"{request} was given back twice"
            raise RuntimeError(message)
        request.given_back = request in resource.users
        super().__init__(resource, request)


class _Return(Event):
    """The return of a slot that nobody waits for; a resource uses it again and again."""

    def __init__(self, env: VirtualTime) -> None:
        super().__init__(env)
        self._value = None
        self._waiter = GONE


_REPLACEABLE = frozenset({"release", "_do_put", "_do_get", "_trigger_put", "_trigger_get"})
"""What a resource that does all at once would not ask for."""


class Resource(resource.Resource):
    """Slots that processes take and give back; whoever finds none waits in line.

    A subclass, or a resource whose methods were replaced, does what SimPy's own one does step by
    step, with lean events.

    Args:
        env: The simulation.
        capacity: How many slots there are.
    """

    _env: VirtualTime
    _is_plain = False

    def __init__(self, env: VirtualTime, capacity: int = 1) -> None:
        super().__init__(env, capacity)
        self._serve = self._trigger_put
        self._return = _Return(env)
        self._is_plain = type(self) is Resource
        env.know(self)

    def __init_subclass__(cls) -> None:
        """Let subclasses do as SimPy's resources do, but for what they do themselves."""
        super().__init_subclass__()
        plain: Any = cls
        if plain.request is Resource.request:
            plain.request = BoundClass(Request)
        if plain._trigger_put is Resource._trigger_put:
            plain._trigger_put = resource.Resource._trigger_put

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _REPLACEABLE:  # as SimPy's guide to monitoring does
            super().__setattr__("_is_plain", False)
        super().__setattr__(name, value)

    def request(self) -> Request:
        """Return the event that a slot is granted."""
        env = self._env
        request: Any = _QuickRequest()
        request.env = env
        request.resource = self
        request.proc = env._active_proc
        request._waiter = None
        users = self.users
        if len(users) < self._capacity and not self.put_queue:
            users.append(request)
            request.usage_since = env._now
            request._value = None
            env._ready.append(request)
        else:
            request._value = PENDING
            self.put_queue.append(request)
            if len(users) < self._capacity:
                self._serve(None)
            if self._return._waiter is None:
                self._return._waiter = self._serve
        return request  # type: ignore[no-any-return]

    def release(self, request: Any) -> Release:
        """Give a slot back.

        Raises:
            RuntimeError: It was given back by hand before.
        """
        return Release(self, request)

    def _trigger_put(self, _release: object) -> None:
        """Grant a slot to the first in line, if there is one."""
        queue = self.put_queue
        if queue and len(self.users) < self._capacity:
            request = queue.pop(0)
            self.users.append(request)
            request.usage_since = self._env._now
            request._value = None
            self._env._ready.append(request)

    def _another_return(self) -> _Return:
        """Return a new event for a slot's return; the one in use may have to serve the line."""
        self._return._waiter = self._serve
        self._return = _Return(self._env)
        return self._return


class PriorityResource(Resource, resource.PriorityResource):
    """A resource that serves requests with a smaller priority first."""

    def request(self, priority: int = 0, preempt: bool = True) -> PriorityRequest:  # noqa: FBT001, FBT002  (SimPy's)
        """Return the event that a slot is granted."""
        return PriorityRequest(self, priority, preempt)


class PreemptiveResource(PriorityResource, resource.PreemptiveResource):
    """A resource whose slots are taken away from users with a larger priority."""


class StorePut(store.StorePut, Event):
    """Something that is to be put into a store."""


class StoreGet(store.StoreGet, Event):
    """Something that is to be got out of a store."""


class FilterStoreGet(store.FilterStoreGet, Event):
    """Something of a certain kind that is to be got out of a store."""


class Store(store.Store):
    """A place for things: first in, first out.

    Args:
        env: The simulation.
        capacity: How many things there is room for.
    """

    def put(self, item: Any) -> StorePut:  # type: ignore[override]
        """Return the event that there is room for a thing, and that it lies there."""
        return StorePut(self, item)

    def get(self) -> Any:
        """Return the event that there is a thing, which is its value."""
        return StoreGet(self)


class PriorityStore(Store, store.PriorityStore):
    """A place for things that are got in the order of their size; see `simpy.PriorityItem`."""


class FilterStore(Store, store.FilterStore):
    """A place for things of which one may get one of a certain kind."""

    def get(self, filter: Callable[[Any], bool] = lambda _item: True) -> FilterStoreGet:  # noqa: A002  (SimPy's)
        """Return the event that there is a thing that passes the filter, which is its value."""
        return FilterStoreGet(self, filter)


class ContainerPut(container.ContainerPut, Event):
    """An amount that is to be put into a container."""


class ContainerGet(container.ContainerGet, Event):
    """An amount that is to be got out of a container."""


class Container(container.Container):
    """Holds an amount of something.

    Args:
        env: The simulation.
        capacity: How much there is room for.
        init: How much there is at first.
    """

    def put(self, amount: float) -> ContainerPut:  # type: ignore[override]
        """Return the event that there is room for an amount, and that it is in."""
        return ContainerPut(self, amount)

    def get(self, amount: float) -> ContainerGet:  # type: ignore[override]
        """Return the event that there is an amount, and that it is out."""
        return ContainerGet(self, amount)


def withdraw(event: Any) -> None:
    """Take back a request, a get or a put that nobody waits for any more.

    One that is in line leaves it. What was granted already is given back: a slot, an item, an
    amount, even where others have filled the room meanwhile. What was put stays. The parts of a
    condition are withdrawn one by one; other events are left alone.
    """
    if isinstance(event, simpy.events.Condition):
        for part in event._events:
            withdraw(part)
    if not isinstance(event, simpy.resources.base.Put | simpy.resources.base.Get):
        return
    lender = event.resource
    if not event.triggered:
        event.cancel()
    elif isinstance(event, resource.Request):
        lender.release(event)
    elif isinstance(event, store.StoreGet):
        if isinstance(lender, store.PriorityStore):
            heappush(lender.items, event.value)
        else:
            lender.items.insert(0, event.value)
        lender._trigger_get(None)
    elif isinstance(event, container.ContainerGet):
        lender._level += event.amount
        lender._trigger_get(None)
