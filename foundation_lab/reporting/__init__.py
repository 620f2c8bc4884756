"""Reporting: what a recording says, as a summary, as charts, as a page and as files.

The charts are in `foundation_lab.reporting.charts`, which imports plotly.
"""

from foundation_lab.reporting.summary import Summary, summarise

__all__ = [
    "Summary",
    "summarise",
]
