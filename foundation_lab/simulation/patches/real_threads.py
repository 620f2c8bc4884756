"""Real threads, under names of their own that stay real while virtual ones stand in their place."""

from __future__ import annotations

import _thread
from typing import Final

start_thread: Final = _thread.start_new_thread
new_lock: Final = _thread.allocate_lock
running_thread: Final = _thread.get_ident
