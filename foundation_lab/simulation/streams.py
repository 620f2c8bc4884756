"""Seeded randomness: one independent stream for each name.

A stream depends on the seed and on its name only, so that adding a component, or drawing more often
in one place, never shifts what another one draws.
"""

from __future__ import annotations

import hashlib
import random


class Streams:
    """The random streams of one seed."""

    def __init__(self, seed: int) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int):
            message = f"seed={seed!r}; a seed is a whole number"
            raise TypeError(message)
        self.seed = seed
        self._streams: dict[str, random.Random] = {}

    def __call__(self, name: str) -> random.Random:
        """Return the stream called `name`: always the same object for the same name."""
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = random.Random(stream_seed(self.seed, name))
        return stream


def stream_seed(seed: int, name: str) -> int:
    """Return the seed of one stream: 128 bits of BLAKE2b over seed and name."""
    digest = hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=16).digest()
    return int.from_bytes(digest, "big")
