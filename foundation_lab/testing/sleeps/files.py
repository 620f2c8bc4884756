"""Which files an audit reads, and how."""

from __future__ import annotations

import io
import os
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SKIPPED = frozenset(
    {
        "__pycache__",
        "__pypackages__",
        "build",
        "dist",
        "env",
        "node_modules",
        "site-packages",
        "venv",
    }
)
"""Folders that hold nothing that was written by hand; hidden ones are skipped as well."""

LARGEST = 4_000_000
"""Bytes; a larger file was made by a program."""


class Text(NamedTuple):
    """A file that was read."""

    path: str
    text: str


def python_files(paths: Iterable[Path]) -> list[Path]:
    """Return the Python files at and below the paths, each file once, sorted.

    Links to folders are followed only where they are given as a path: a link below may lead in a
    circle. Links to files are followed, and a file that is reached twice is audited once, under
    its own name before that of a link.
    """
    found: dict[str, Path] = {}
    files = [file for path in paths for file in sorted(_below(path))]
    for file in sorted(files, key=os.path.islink):  # what is no link goes first
        found.setdefault(os.path.realpath(file), file)
    return sorted(found.values())


def read(path: Path) -> str:
    """Return the text of a Python file, in the encoding that it declares.

    Raises:
        ValueError: It is too large, binary, or not in its encoding.
        OSError: It cannot be read.
    """
    if not path.is_file():
        raise ValueError("no regular file")
    size = path.stat().st_size
    if size > LARGEST:
        raise ValueError(f"{size:,} bytes are more than the {LARGEST:,} that are audited")
    raw = path.read_bytes()
    if b"\0" in raw:
        raise ValueError("binary: it holds null bytes")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        return raw.decode(encoding)
    except (SyntaxError, LookupError) as error:
        raise ValueError(f"undecodable: {error}") from error


def _below(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(each for each in folders if not _is_skipped(Path(folder, each)))
        for name in files:
            if name.endswith((".py", ".pyw")):
                yield Path(folder, name)


def _is_skipped(folder: Path) -> bool:
    return (
        folder.name in SKIPPED
        or folder.name.startswith(".")
        or folder.name.endswith((".egg-info", ".dist-info"))
        or (folder / "pyvenv.cfg").exists()
    )
