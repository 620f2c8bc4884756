"""Spans: a piece of work as a pair of events that share a span id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import msgspec

from foundation_lab.telemetry.event import check_field_name

if TYPE_CHECKING:
    from types import TracebackType

    from foundation_lab.telemetry.bus import Telemetry
    from foundation_lab.telemetry.context import Emitter


OWN_FIELDS = ("span_id", "parent_span_id", "duration", "kind", "error")
"""The fields that a span fills itself."""


class Span:
    """A context manager around a piece of work; made by `Telemetry.span`.

    Events carry `span_id` and, for a span inside another one, `parent_span_id`. The start's
    sequence is the cause of the end, unless something happened in between.
    """

    def __init__(self, telemetry: Telemetry, name: str, fields: dict[str, Any]) -> None:
        self.name = name
        self.fields = _checked(fields)
        self.span_id: str | None = None
        self._telemetry = telemetry
        self._emitter: Emitter = telemetry.main
        self._outer = telemetry.main.context
        self._started = 0.0

    @property
    def emitter(self) -> Emitter:
        """Who entered it."""
        return self._emitter

    def set(self, **fields: Any) -> None:
        """Add fields that only the end of the span carries.

        Raises:
            ValueError: The span fills a field of this name itself.
        """
        self.fields = {**self.fields, **_checked(fields)}

    def __enter__(self) -> Self:
        """Emit the start."""
        if self.span_id is not None:
            message = f"span {self.name!r} was entered before; make a new one with telemetry.span()"
            raise RuntimeError(message)
        telemetry = self._telemetry
        emitter = telemetry.running
        self._emitter, self._outer = emitter, emitter.context
        self.span_id = telemetry.new_id()
        self._started = telemetry.now
        self._emit("start", {}, {})
        telemetry.open_spans[self] = None
        emitter.context = msgspec.structs.replace(emitter.context, span_id=self.span_id)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Emit the stop, or the exception that ends the span; never swallow it."""
        duration = {"duration": self._telemetry.now - self._started}
        if error is None:
            self._emit("stop", duration, {})
        else:
            ending = "closed" if isinstance(error, GeneratorExit) else type(error).__name__
            self._emit("exception", duration, {"kind": ending, "error": str(error)})
        self._emitter.context = self._outer
        self._telemetry.open_spans.pop(self, None)

    def _emit(self, ending: str, numbers: dict[str, float], labels: dict[str, Any]) -> None:
        for key, value in self.fields.items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            (numbers if is_number else labels)[key] = value
        labels |= {"span_id": self.span_id, "parent_span_id": self._outer.span_id}
        self._telemetry.emit_as(self._emitter, f"{self.name}.{ending}", numbers, labels)


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    for name in fields:
        if name in OWN_FIELDS:
            message = f"a span fills its field {name!r} itself; rename yours"
            raise ValueError(message)
        check_field_name("a span", name)
    return fields
