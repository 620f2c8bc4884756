"""The footprint of a process: its memory as the operating system counts it, in fresh processes."""

from __future__ import annotations

import gc
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MEGABYTE = 1_000_000
_STATM = Path("/proc/self/statm")


def resident() -> int:
    """Return the bytes of memory that this process holds; garbage is collected first.

    Where the system does not tell, it is the most that the process ever held.
    """
    gc.collect()
    if _STATM.exists():
        return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return peak()


def peak() -> int:
    """Return the most memory that this process ever held, in bytes."""
    import resource  # noqa: PLC0415  (not on every system)

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def in_a_fresh_process(call: Callable[..., T], *arguments: Any) -> T:
    """Return what a module's function returns in a new Python process that does nothing else."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(call, *arguments).result()
