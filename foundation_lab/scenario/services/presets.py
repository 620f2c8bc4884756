"""Services as other libraries come, as keys of a scenario file.

They say what `foundation_lab.services.breaker_presets` and `pool_presets` do, and name the sources.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from foundation_lab.services import pool_presets

if TYPE_CHECKING:
    from collections.abc import Mapping

BREAKERS: Final[dict[str, dict[str, Any]]] = {
    "resilience4j": {
        "window": {
            "kind": "count",
            "size": 100,
            "failure_rate": 0.5,
            "slow_rate": 1.0,
            "minimum_calls": 100,
        },
        "slow_call_duration": 60.0,
        "reset_timeout": 60.0,
        "automatic_half_open": False,
        "half_open_calls": 10,
        "half_open_rule": "rate",
    },
    "polly": {
        "window": {"kind": "time", "seconds": 30.0, "failure_rate": 0.1, "minimum_calls": 100},
        "reset_timeout": 5.0,
        "automatic_half_open": False,
        "half_open_calls": 1,
    },
    "finagle": {
        "failure_threshold": 5,
        "reset_backoff": {"kind": "exponential", "base": 5.0, "cap": 300.0},
        "half_open_calls": 1,
    },
}

BREAKER_RIVALS: Final = {
    "window": ("failure_threshold",),
    "half_open_rule": ("failure_threshold",),
    "reset_backoff": ("reset_timeout", "use_retry_after"),
}
"""Keys that other keys take the place of."""

POOLS: Final = {
    "hikaricp": pool_presets.hikaricp(),
    "sqlalchemy_queue_pool": pool_presets.sqlalchemy_queue_pool(),
}


def filled_in(
    data: Any, presets: Mapping[str, Mapping[str, Any]], rivals: Mapping[str, tuple[str, ...]]
) -> Any:
    """Return what a file says of a service, with what its preset says where it says nothing.

    Args:
        data: What the file says; what makes no sense is for others to refuse.
        presets: The presets by name.
        rivals: Keys that are given up when another one is given, by the key that is given up.

    Example:
        >>> presets = {"fast": {"size": 5, "line": "lifo"}}
        >>> filled_in({"preset": "fast", "size": 9}, presets, {"line": ("order",)})
        {'size': 9, 'line': 'lifo', 'preset': 'fast'}
        >>> filled_in({"preset": "fast", "order": "fifo"}, presets, {"line": ("order",)})
        {'size': 5, 'preset': 'fast', 'order': 'fifo'}
    """
    named = data.get("preset") if isinstance(data, dict) else None
    if not isinstance(named, str) or named not in presets:
        return data
    wanted = {
        key: value
        for key, value in presets[named].items()
        if not any(rival in data for rival in rivals.get(key, ()))
    }
    return {**wanted, **data}
