"""Where results go: refused before a long run rather than after it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from foundation_lab.cli.counted import holds_aggregates

if TYPE_CHECKING:
    from pathlib import Path


def require_folder(target: Path, *, force: bool) -> None:
    """Refuse a folder that a recording cannot be written to.

    Raises:
        FileExistsError: There is something that is not to be replaced.
        NotADirectoryError: A file is in the way.
        PermissionError: The folder around it is read-only.
    """
    _require_new(target, "folder", force=force)
    if target.exists() and not (target / "manifest.json").is_file():
        message = (
            f"{target} is no recording: --force will not replace it; give --out another folder"
        )
        raise FileExistsError(message)
    _require_around(target)


def require_file(target: Path, *, force: bool) -> None:
    """Refuse a file that aggregates cannot be written to; raises what `require_folder` does."""
    if target.is_dir():
        message = f"{target} is a folder; give --out a file for the aggregates: {target}.json"
        raise FileExistsError(message)
    _require_new(target, "file", force=force)
    if target.exists() and not holds_aggregates(target):
        message = (
            f"{target} holds no aggregates: --force will not replace it; give --out another file"
        )
        raise FileExistsError(message)
    _require_around(target)


def require_page(target: Path, *, force: bool) -> None:
    """Refuse a file that a page cannot be written to; raises what `require_folder` does."""
    if target.is_dir():
        message = f"{target} is a folder; give --out a file: {target}.html"
        raise FileExistsError(message)
    _require_new(target, "file", force=force)
    _require_around(target)


def _require_new(target: Path, kind: str, *, force: bool) -> None:
    if target.exists() and not force:
        message = f"{target} exists already; give --out another {kind}, or --force to replace it"
        raise FileExistsError(message)


def _require_around(target: Path) -> None:
    around = next(folder for folder in target.absolute().parents if folder.exists())
    if not around.is_dir():
        message = f"{around} is a file, so {target} cannot be made; give --out another place"
        raise NotADirectoryError(message)
    if not os.access(around, os.W_OK):
        message = f"{around} cannot be written to; give --out another place"
        raise PermissionError(message)
