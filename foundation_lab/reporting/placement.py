"""Placement: a file or folder is written aside and renamed, so that it is there whole or not."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def placed(target: Path) -> Iterator[Path]:
    """Give a path to write to, and put what is there in the place of `target` at the end.

    What was at `target` is replaced. Nothing changes there when the block raises.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = tempfile.TemporaryDirectory(
        prefix=f".{target.name[:60]}.", suffix=".partial", dir=target.parent
    )
    with aside as folder:
        made = Path(folder, "new")
        yield made
        if target.is_dir():
            target.rename(Path(folder, "old"))
        made.replace(target)
