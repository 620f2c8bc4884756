"""The children of a supervisor, in the order of their start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.errors import UnknownName
from foundation_lab.services.service import Service
from foundation_lab.services.supervision.child import Child, ChildInfo, Ward
from foundation_lab.services.supervision.restarts import affected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Family:
    """What a supervisor knows of its children.

    Args:
        name: The supervisor's name, for errors.
        children: Its first children; a service alone is a ``transient`` child, a supervisor alone
            a ``permanent`` one.
        strategy: Who is restarted with whom.
        auto_shutdown: What is made of significant children.

    Raises:
        ValueError: What is said of a child makes no sense.
    """

    def __init__(
        self, name: str, children: Iterable[Service | Child], strategy: str, auto_shutdown: str
    ) -> None:
        self.name = name
        self.strategy = strategy
        self.auto_shutdown = auto_shutdown
        self.specs = [self.spec(child) for child in children]
        self.wards: list[Ward] = []

    def spec(self, child: Service | Child) -> Child:
        """Return what is asked of the supervisor for a child.

        Raises:
            ValueError: It makes no sense.
            TypeError: It is no service.
        """
        service = child.service if isinstance(child, Child) else child
        if not isinstance(service, Service):
            message = f"child {service!r} of supervisor {self.name!r} is no service; give one"
            raise TypeError(message)
        if not isinstance(child, Child):
            child = Child(child, "permanent" if child.kind == "supervisor" else "transient")
        child.check(self.auto_shutdown)
        if service.supervisor not in {None, self.name}:
            message = (
                f"child {service.name!r} of supervisor {self.name!r} has a supervisor already, "
                f"{service.supervisor!r}; give it one"
            )
            raise ValueError(message)
        return child

    def __iter__(self) -> Iterator[Ward]:
        """Return the children in the order of their start."""
        return iter(self.wards)

    def backwards(self) -> list[Ward]:
        """Return the children in the order of their end."""
        return self.wards[::-1]

    def of(self, service: Service) -> Ward | None:
        """Return what is known of a service; ``None`` when it is no child."""
        return next((ward for ward in self.wards if ward.service is service), None)

    def named(self, name: str) -> Ward:
        """Return a child by its name.

        Raises:
            UnknownName: There is none.
        """
        for ward in self.wards:
            if ward.name == name:
                return ward
        raise UnknownName.among("child", name, [ward.name for ward in self.wards])

    def at_rest(self, name: str) -> Ward:
        """Return a child that is down and will not be restarted.

        Raises:
            UnknownName: There is none of this name.
            RuntimeError: It is not at rest.
        """
        ward = self.named(name)
        if ward.alive:
            state = ward.info().state
            message = f"child {name!r} of supervisor {self.name!r} is {state}; terminate it before"
            raise RuntimeError(message)
        return ward

    def add(self, ward: Ward) -> None:
        """Add a child, as the last one.

        Raises:
            ValueError: There is one of its name.
        """
        if any(other.name == ward.name for other in self.wards):
            message = f"supervisor {self.name!r} has a child called {ward.name!r} already"
            raise ValueError(message)
        self.wards.append(ward)
        ward.service.supervisor = self.name

    def remove(self, ward: Ward) -> None:
        """Forget a child, if it is known."""
        if ward in self.wards:
            self.wards.remove(ward)
            ward.service.supervisor = None

    def affected(self, ward: Ward) -> list[Ward]:
        """Return who is restarted with a child, in the order of their start."""
        return affected(self.strategy, self.wards, ward)

    def keeps_up_without(self, ward: Ward) -> bool:
        """Return whether the supervisor goes on after a child ended that is not restarted."""
        if not ward.spec.significant:
            return True
        others = any(other.spec.significant and other.alive for other in self.wards)
        return others and self.auto_shutdown == "all_significant"

    def infos(self) -> list[ChildInfo]:
        """Return how each child is."""
        return [ward.info() for ward in self.wards]

    def counts(self) -> dict[str, int]:
        """Return how many children there are, by what they are and do."""
        infos = self.infos()
        supervisors = sum(info.kind == "supervisor" for info in infos)
        return {
            "specs": len(infos),
            "active": sum(info.state == "running" for info in infos),
            "supervisors": supervisors,
            "workers": len(infos) - supervisors,
        }
