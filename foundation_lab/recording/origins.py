"""Origins: where events come from, numbered, so that each event needs one small number for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeGuard

from foundation_lab.recording.columns import NO_CODE, Buffer

if TYPE_CHECKING:
    from foundation_lab.recording.columns import Codebook
    from foundation_lab.telemetry.context import Context, Emitter

DRAWN: Final = NO_CODE - 1
"""Stands for a correlation id that is kept as 16 bytes: 32 hexadecimal digits, as the bus draws."""


class Origins:
    """The node, the process and the correlation id of every emitter, in order of appearance.

    An emitter gets a number when it first emits, and another when its context changes.

    Attributes:
        first: The number of the first origin that is kept here.
        node: The code of each one's node.
        process: The code of its process's name.
        correlation: The code of its correlation id, `NO_CODE` or `DRAWN`.
        drawn: The ids that are kept as 16 bytes, one after the other.
    """

    def __init__(self, first: int, codebook: Codebook) -> None:
        self.first = first
        self.node = Buffer("I")
        self.process = Buffer("I")
        self.correlation = Buffer("I")
        self.drawn = bytearray()
        self._codebook = codebook
        self._next = first
        self._contexts: list[Context] = []
        self._names: list[str] = []

    def __len__(self) -> int:
        """Return how many origins there are."""
        return self._next - self.first

    def register(self, emitter: Emitter) -> int:
        """Return a new number for an emitter in its present context."""
        number = self._next
        self._contexts.append(emitter.context)
        self._names.append(emitter.name)
        self._next = number + 1
        return number

    def flush(self) -> None:
        """Number the names of the latest origins."""
        contexts, names = self._contexts, self._names
        self._contexts, self._names = [], []
        if not contexts:
            return
        self.process.extend(self._codes(names))
        if contexts.count(contexts[0]) == len(contexts):
            self.node.repeat(self._code(contexts[0].node), len(contexts))
        else:
            self.node.extend(self._codes([context.node for context in contexts]))
        ids = [context.correlation_id for context in contexts]
        if _are_drawn(ids):
            self.drawn += bytes.fromhex("".join(ids))
            self.correlation.repeat(DRAWN, len(ids))
        else:
            self.correlation.extend([self._correlation(text) for text in ids])

    @property
    def bytes(self) -> int:
        """The memory of the buffers, in bytes."""
        columns = (self.node, self.process, self.correlation)
        return len(self.drawn) + sum(column.bytes for column in columns)

    def _codes(self, texts: list[Any]) -> list[int]:
        try:
            return list(map(self._codebook.__getitem__, texts))
        except (TypeError, UnicodeError):
            return [self._code(text) for text in texts]

    def _code(self, text: Any) -> int:
        """Return the code of a name; one that no file can keep is known by its `repr`."""
        try:
            return self._codebook[text]
        except (TypeError, UnicodeError):
            return self._codebook[ascii(text)]

    def _correlation(self, text: str | None) -> int:
        if text is None:
            return NO_CODE
        if not _are_drawn([text]):
            return self._code(text)
        self.drawn += bytes.fromhex(text)
        return DRAWN


def _are_drawn(ids: list[Any]) -> TypeGuard[list[str]]:
    """Whether all of some correlation ids are such as the bus draws."""
    if not all(isinstance(text, str) and len(text) == 32 for text in ids):
        return False
    digits = "".join(ids)
    try:
        return bytes.fromhex(digits).hex() == digits
    except ValueError:
        return False
