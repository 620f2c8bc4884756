"""The machine: what the numbers were measured with."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("foundation-lab", "simpy", "polars", "pandas", "numpy", "msgspec")


def machine() -> str:
    """Return one line: processor, Python, packages, date."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{_processor()}, {os.cpu_count()} cores; Python {platform.python_version()} "
        f"({platform.python_implementation()}, {platform.system()}); {packages}; "
        f"{datetime.now(UTC):%Y-%m-%d}"
    )


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
