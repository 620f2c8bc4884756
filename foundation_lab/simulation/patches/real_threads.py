"""Real threads, under names of their own that stay real while virtual ones stand in their place."""

from __future__ import annotations

import _thread
from importlib import import_module
from importlib.util import find_spec
from typing import Final

start_thread: Final = _thread.start_new_thread
new_lock: Final = _thread.allocate_lock
running_thread: Final = _thread.get_ident


def keep_trio_real() -> None:
    """Import trio, where it is installed, before anything is replaced.

    It waits in real time, and needs the locks and clocks for it.
    """
    if find_spec("trio") is not None:
        import_module("trio")
