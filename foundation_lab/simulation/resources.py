"""SimPy's shared resources, made of lean events: the same spelling, the same order of things.

`Resource(sim, capacity=1)` and `sim.Resource(capacity=1)` are the same. Whoever gives a slot back
triggers an event of its own, as in SimPy, and only when that is processed does the next in line
get its turn: among the events of one instant, that order can be seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import simpy
from simpy.core import BoundClass
from simpy.events import PENDING
from simpy.resources import container, resource, store

from foundation_lab.simulation.events import GONE, Event

if TYPE_CHECKING:
    from types import TracebackType

    from foundation_lab.simulation.virtual_time import VirtualTime


class Request(resource.Request, Event):  # type: ignore[misc]
    """Somebody's request for a slot of a resource; a context manager that gives it back.

    Args:
        resource: The resource.

    Attributes:
        resource: The resource.
        proc: The process that asked.
        usage_since: The virtual time at which the slot was granted, in seconds.
    """

    resource: Resource  # type: ignore[assignment]
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
        if kind is not GeneratorExit:  # a generator that is cleared away gives nothing back
            lender._take_back(self)
            done = lender._return
            if done._waiter is not GONE:
                done = lender._another_return()
            done._waiter = lender._serve if lender.put_queue else None
            self.env._ready.append(done)


class _QuickRequest(Request):
    """A request as `Resource.request` makes it: without a constructor, which would cost more."""

    __init__ = object.__init__  # type: ignore[assignment]


_QuickRequest.__name__ = _QuickRequest.__qualname__ = "Request"


class PriorityRequest(resource.PriorityRequest, Request):  # type: ignore[misc]
    """A request with a priority: the smaller the number, the sooner."""


class Release(resource.Release, Event):  # type: ignore[misc]
    """The return of a slot; happens at once."""

    def __init__(self, resource: Resource, request: Request) -> None:
        Event.__init__(self, resource._env)
        self.resource = resource
        self.request = request
        self.proc = self.env.active_process
        self._waiter = [resource._serve]
        if False and getattr(request, "given_back", False):
            message = f"{request} was given back twice"
            raise RuntimeError(message)
        request.given_back = True
        resource._take_back(request)
        self.succeed()


class _Return(Event):
    """The return of a slot that nobody waits for; a resource uses it again and again."""

    def __init__(self, env: VirtualTime) -> None:
        super().__init__(env)
        self._value = None
        self._waiter = GONE


class Resource(resource.Resource):
    """Slots that processes take and give back; whoever finds none waits in line.

    Args:
        env: The simulation.
        capacity: How many slots there are.
    """

    _env: VirtualTime  # type: ignore[assignment]

    release = BoundClass(Release)

    def __init__(self, env: VirtualTime, capacity: int = 1) -> None:
        super().__init__(env, capacity)
        self._serve = self._trigger_put
        self._return = _Return(env)

    def request(self) -> Request:
        """Return the event that a slot is granted."""
        env = self._env
        request = _QuickRequest()
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
        return request

    def _trigger_put(self, _release: object) -> None:
        """Grant a slot to the first in line, if there is one."""
        queue = self.put_queue
        if queue and len(self.users) < self._capacity:
            request = queue.pop(0)
            self.users.append(request)
            request.usage_since = self._env._now
            request._value = None
            self._env._ready.append(request)

    def _take_back(self, request: Request) -> None:
        users = self.users
        if request in users:  # it is not, when it was withdrawn or preempted
            users.remove(request)

    def _another_return(self) -> _Return:
        """Return a new event for a slot's return; the one in use may have to serve the line."""
        self._return._waiter = self._serve
        self._return = _Return(self._env)
        return self._return


class PriorityResource(Resource, resource.PriorityResource):
    """A resource that serves requests with a smaller priority first."""

    request = BoundClass(PriorityRequest)  # type: ignore[assignment]

    def _trigger_put(self, release: Any) -> None:
        resource.PriorityResource._trigger_put(self, release)


class PreemptiveResource(PriorityResource, resource.PreemptiveResource):  # type: ignore[misc]
    """A resource whose slots are taken away from users with a larger priority."""


class StorePut(store.StorePut, Event):  # type: ignore[misc]
    """Something that is to be put into a store."""


class StoreGet(store.StoreGet, Event):  # type: ignore[misc]
    """Something that is to be got out of a store."""


class FilterStoreGet(store.FilterStoreGet, Event):  # type: ignore[misc]
    """Something of a certain kind that is to be got out of a store."""


class Store(store.Store):
    """A place for things: first in, first out.

    Args:
        env: The simulation.
        capacity: How many things there is room for.
    """

    put = BoundClass(StorePut)
    get = BoundClass(StoreGet)


class PriorityStore(Store, store.PriorityStore):
    """A place for things that are got in the order of their size; see `simpy.PriorityItem`."""


class FilterStore(Store, store.FilterStore):
    """A place for things of which one may get one of a certain kind."""

    get = BoundClass(FilterStoreGet)


class ContainerPut(container.ContainerPut, Event):  # type: ignore[misc]
    """An amount that is to be put into a container."""


class ContainerGet(container.ContainerGet, Event):  # type: ignore[misc]
    """An amount that is to be got out of a container."""


class Container(container.Container):
    """Holds an amount of something.

    Args:
        env: The simulation.
        capacity: How much there is room for.
        init: How much there is at first.
    """

    put = BoundClass(ContainerPut)
    get = BoundClass(ContainerGet)
