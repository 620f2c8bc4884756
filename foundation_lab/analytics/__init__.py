"""Analyses of a recording: pure functions from a frame to a frame or to a few numbers."""

from foundation_lab.analytics.alignment import align
from foundation_lab.analytics.anomalies import anomalies
from foundation_lab.analytics.averages import ewma, moving_average
from foundation_lab.analytics.batches import ConfidenceInterval, batch_means, confidence_interval
from foundation_lab.analytics.correlation import BestLag, best_lag, lag_correlation
from foundation_lab.analytics.finite_queues import (
    BoundedQueue,
    ClosedQueue,
    interactive_response_time,
    machine_repairman,
    mmck,
)
from foundation_lab.analytics.impatience import ImpatientQueue, mmc_d
from foundation_lab.analytics.joins import affected, correlate, journeys
from foundation_lab.analytics.percentiles import percentiles
from foundation_lab.analytics.queueing import (
    Queue,
    erlang_b,
    erlang_c,
    md1,
    mg1,
    mm1,
    mmc,
    priority_waits,
    processor_sharing,
)
from foundation_lab.analytics.stays import LittlesLaw, littles_law
from foundation_lab.analytics.trends import Trend, trend
from foundation_lab.analytics.windows import tumbling

__all__ = [
    "BestLag",
    "BoundedQueue",
    "ClosedQueue",
    "ConfidenceInterval",
    "ImpatientQueue",
    "LittlesLaw",
    "Queue",
    "Trend",
    "affected",
    "align",
    "anomalies",
    "batch_means",
    "best_lag",
    "confidence_interval",
    "correlate",
    "erlang_b",
    "erlang_c",
    "ewma",
    "interactive_response_time",
    "journeys",
    "lag_correlation",
    "littles_law",
    "machine_repairman",
    "md1",
    "mg1",
    "mm1",
    "mmc",
    "mmc_d",
    "mmck",
    "moving_average",
    "percentiles",
    "priority_waits",
    "processor_sharing",
    "trend",
    "tumbling",
]
