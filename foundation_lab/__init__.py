"""foundation_lab: services and agents under virtual time, every operation an event in a dataframe."""

from __future__ import annotations

__version__ = "0.1.0"
