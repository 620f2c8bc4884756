"""Spans: a piece of work as a pair of events that share a span id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import msgspec

from foundation_lab.telemetry.context import Context

if TYPE_CHECKING:
    from types import TracebackType

    from foundation_lab.telemetry.bus import Telemetry
    from foundation_lab.telemetry.context import Emitter


class Span:
    """A context manager around a piece of work; made by `Telemetry.span`.

    Events carry `span_id` and, for a span inside another one, `parent_span_id`. The start's
    sequence is the cause of the end, unless something happened in between.
    """

    def __init__(self, telemetry: Telemetry, name: str, fields: dict[str, Any]) -> None:
        self.name = name
        self.fields = fields
        self.span_id: str | None = None
        self._telemetry = telemetry
        self._emitter: Emitter | None = None
        self._outer: Context | None = None
        self._started = 0.0

    def set(self, **fields: Any) -> None:
        """Add fields that only the end of the span carries."""
        self.fields = {**self.fields, **fields}

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
        emitter.context = msgspec.structs.replace(emitter.context, span_id=self.span_id)
        self._emit("start", {}, {})
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
        if self._emitter is not None and self._outer is not None:
            self._emitter.context = self._outer

    def _emit(self, ending: str, numbers: dict[str, float], labels: dict[str, Any]) -> None:
        parent = self._outer.span_id if self._outer is not None else None
        for key, value in self.fields.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                numbers.setdefault(key, value)
            else:
                labels.setdefault(key, value)
        labels |= {"span_id": self.span_id, "parent_span_id": parent}
        self._telemetry.emit_as(self._emitter, f"{self.name}.{ending}", numbers, labels)
