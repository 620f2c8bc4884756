"""Dates that tell the virtual time, in the place of the classes of `datetime`."""

from __future__ import annotations

import copyreg
import datetime as dt
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias
from unittest import mock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_RealDate: TypeAlias = dt.date
_RealDatetime: TypeAlias = dt.datetime
_REAL: tuple[Any, ...] = (_RealDate, _RealDatetime)


class VirtualType(type):
    """The type of dates that tell the virtual time; real dates are their instances, too."""

    def __instancecheck__(cls, instance: object) -> bool:
        base: Any = cls.__base__
        if base in _REAL:
            return isinstance(instance, base)
        return super().__instancecheck__(instance)  # a class of the user's, as any other

    def __subclasscheck__(cls, subclass: type) -> bool:
        base: Any = cls.__base__
        return issubclass(subclass, base) if base in _REAL else super().__subclasscheck__(subclass)


def virtual_dates(now: Callable[[], float]) -> tuple[Any, Any]:
    """Return what stands in for `datetime.date` and `datetime.datetime`.

    Whatever they make is a real date, so that nothing of them outlives the block.
    """

    class date(_RealDate, metaclass=VirtualType):  # noqa: N801  (as the real one)
        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            if cls is not date:
                return super().__new__(cls, *args, **kwargs)
            return _RealDate(*args, **kwargs)

        @classmethod
        def today(cls) -> Any:
            return super().fromtimestamp(now())

    class datetime(_RealDatetime, metaclass=VirtualType):  # noqa: N801  (as the real one)
        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            if cls is not datetime:
                return super().__new__(cls, *args, **kwargs)
            return _RealDatetime(*args, **kwargs)

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return super().fromtimestamp(now(), tz)

        @classmethod
        def today(cls) -> Any:
            return super().fromtimestamp(now())

        @classmethod
        def utcnow(cls) -> Any:
            return super().fromtimestamp(now(), dt.UTC).replace(tzinfo=None)

    for fake, real in ((date, _RealDate), (datetime, _RealDatetime)):
        fake.__module__, fake.__qualname__ = real.__module__, real.__qualname__
    return date, datetime


@contextmanager
def real_pickles() -> Iterator[None]:
    """Let real dates be pickled while others stand in their place, to the same bytes as ever.

    A pickle names the class of a date, and is refused when the name stands for another class.
    """

    def reduced(value: dt.date) -> Any:
        name = "datetime" if isinstance(value, _RealDatetime) else "date"
        return getattr(dt, name), *value.__reduce_ex__(4)[1:]

    as_ever: dict[Any, Any] = {_RealDate: reduced, _RealDatetime: reduced}
    with mock.patch.dict(copyreg.dispatch_table, as_ever):
        yield
