"""The palette: one colour for each outcome, state and role, in every chart and on every page.

The colours are those of Okabe and Ito, "Color Universal Design" (2008), which people with any kind
of colour vision tell apart; no chart tells anything by colour alone.
"""

from __future__ import annotations

BLACK = "#1f2933"
GREY = "#8a8f98"
GREEN = "#009e73"
BLUE = "#0072b2"
SKY = "#56b4e9"
ORANGE = "#e69f00"
RED = "#d55e00"
PINK = "#cc79a7"
YELLOW = "#c9b400"
PURPLE = "#5e4fa2"

OUTCOME_COLOURS = {
    "ok": GREEN,
    "error": RED,
    "timeout": ORANGE,
    "rejected": PINK,
    "cancelled": GREY,
}
STATE_COLOURS = {
    "closed": GREEN,
    "open": RED,
    "half_open": ORANGE,
    "forced_open": PINK,
    "disabled": GREY,
    "metrics_only": SKY,
    "down": BLACK,
}
PERCENTILE_COLOURS = {"p50": SKY, "p95": BLUE, "p99": BLACK}
FAULT_COLOUR = PURPLE
ALERT_COLOUR = RED
RESOLVED_COLOUR = GREEN
SERIES_COLOURS = (BLUE, ORANGE, GREEN, RED, PINK, SKY, PURPLE, YELLOW, BLACK, GREY)
"""The colours of series that have none of their own, in order."""
