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
    stages = [
        (_method(services[name], last=number == len(path)), wanted)
        for number, name in enumerate(path, 1)
        for wanted in [[fact for fact in specs[name].takes if fact in facts]]
    ]
    if not any(wanted for _, wanted in stages):
        return _nested([method for method, _ in stages])

    def call() -> Any:
        told = {fact: give() for fact, give in facts.items()}
        bound = [
            partial(method, **{fact: told[fact] for fact in wanted}) for method, wanted in stages
        ]
        return _nested(bound)()

    return call


def _method(service: Any, *, last: bool) -> Callable[..., Any]:
    return service.request if last else service.call  # type: ignore[no-any-return]


def _nested(methods: Sequence[Callable[..., Any]]) -> Callable[[], Any]:
    *wrappers, call = methods
    for wrapper in reversed(wrappers):
        call = partial(wrapper, call)
    return call
