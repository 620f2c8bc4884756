"""Calls: what a request of a workload goes through, from the outside in."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from foundation_lab.scenario.services.service import ServiceSection
    from foundation_lab.services.service import Service


def call_through(
    path: Sequence[str],
    specs: Mapping[str, ServiceSection],
    services: Mapping[str, Service],
    facts: Mapping[str, Callable[[], Any]],
) -> Callable[[], Any]:
    """Return a call that goes through wrappers to the service at the end.

    Args:
        path: The names of the services, the outermost first; the last one is asked.
        specs: What each of them is.
        services: The services themselves.
        facts: What a request tells the services that want to know it, by its name; each is a
            function that gives it for one more request.
    """
    make = route(path, specs, services)
    wanted = {fact for name in path for fact in specs[name].wants(specs)}
    if wanted.isdisjoint(facts):
        return make({})

    def call() -> Any:
        return make({fact: give() for fact, give in facts.items()})()

    return call


def route(
    path: Sequence[str], specs: Mapping[str, ServiceSection], services: Mapping[str, Service]
) -> Callable[[Mapping[str, Any]], Callable[[], Any]]:
    """Return what makes a call out of what is known of a request.

    Arguments are those of `call_through`. A service that wants to know more than is known of a
    request does without.
    """
    stages = [(specs[name].enter(services[name]), specs[name].wants(specs)) for name in path]

    def make(known: Mapping[str, Any]) -> Callable[[], Any]:
        *wrappers, call = (_telling(method, wanted, known) for method, wanted in stages)
        for wrapper in reversed(wrappers):
            call = partial(wrapper, call)
        return call

    return make


def _telling(
    method: Callable[..., Any], wanted: Sequence[str], known: Mapping[str, Any]
) -> Callable[..., Any]:
    told = {fact: known[fact] for fact in wanted if fact in known}
    return partial(method, **told) if told else method
