"""Reporting: what a recording says, as a summary, as tables, as a page and as files.

Of a run whose events were not kept there is a smaller summary, of its aggregates.

The charts are in `foundation_lab.reporting.charts`, which imports plotly; import it where it is
used.
"""

from foundation_lab.reporting.aggregate_summary import AggregateSummary, summarise_aggregates
from foundation_lab.reporting.export import FORMATS, export
from foundation_lab.reporting.report import write_report
from foundation_lab.reporting.summary import Summary, summarise
from foundation_lab.reporting.tables import Table, cell_text, tables

__all__ = [
    "FORMATS",
    "AggregateSummary",
    "Summary",
    "Table",
    "cell_text",
    "export",
    "summarise",
    "summarise_aggregates",
    "tables",
    "write_report",
]
