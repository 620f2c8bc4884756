"""Names of the clock: where loaded modules keep functions of `time` and classes of `datetime`.

After ``from time import sleep`` a module has a name of its own for the function. Whoever replaces
the clock must know all of them. A module is looked through once, and again when it has got more or
fewer names.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTIONS = (
    *("sleep", "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"),
    *("localtime", "gmtime", "ctime", "strftime"),
)
"""The functions of `time` that ask for the time or let it go by."""

REAL: dict[str, Any] = {
    **{f"time.{name}": getattr(time, name) for name in FUNCTIONS},
    "datetime.date": dt.date,
    "datetime.datetime": dt.datetime,
}
"""The real things."""

_BY_ID = {id(value): name for name, value in REAL.items()}


class ClockName(NamedTuple):
    """A name for something of the clock.

    Attributes:
        package: The package that has it.
        place: The module or class that has it.
        name: The name.
        what: What it is the name of, such as ``time.sleep``.
    """

    package: str
    place: Any
    name: str
    what: str


def clock_names() -> Iterator[ClockName]:
    """Yield the names of the real things in all modules but those where they are at home."""
    for module in list(sys.modules.values()):
        try:
            known = _KNOWN.get(module)
            names = vars(module)
        except TypeError:  # what pretends to be a module
            continue
        if known is None or known[0] != len(names):
            known = _KNOWN[module] = (len(names), list(_names_in(module, names)))
        yield from filter(_is_real, known[1])


def _is_real(name: ClockName) -> bool:
    """Return whether nobody has replaced it."""
    value = vars(name.place).get(name.name)
    return getattr(value, "__func__", value) is REAL[name.what]


def _names_in(module: Any, names: dict[str, Any]) -> Iterator[ClockName]:
    called = str(names.get("__name__", ""))
    package = called.partition(".")[0]
    if package in {"time", "datetime", "_datetime", "_pydatetime"}:
        return
    for name, value in list(names.items()):
        what = _BY_ID.get(id(value))
        if what is not None:
            yield ClockName(package, module, name, what)
        elif isinstance(value, type) and value.__module__ == called:
            for inner, held in list(vars(value).items()):
                real = held.__func__ if isinstance(held, staticmethod) else held
                what = _BY_ID.get(id(real))
                if what is not None:
                    yield ClockName(package, value, inner, what)


_KNOWN: WeakKeyDictionary[Any, tuple[int, list[ClockName]]] = WeakKeyDictionary()
