"""Analyses of a recording: pure functions from a frame to a frame or to a few numbers."""

from foundation_lab.analytics.alignment import align
from foundation_lab.analytics.anomalies import anomalies
from foundation_lab.analytics.averages import ewma, moving_average
from foundation_lab.analytics.batches import ConfidenceInterval, batch_means, confidence_interval
from foundation_lab.analytics.correlation import BestLag, best_lag, lag_correlation
from foundation_lab.analytics.joins import affected, correlate, journeys
from foundation_lab.analytics.percentiles import percentiles
from foundation_lab.analytics.queueing import Queue, erlang_b, erlang_c, mm1, mmc
from foundation_lab.analytics.stays import LittlesLaw, littles_law
from foundation_lab.analytics.trends import Trend, trend
from foundation_lab.analytics.windows import tumbling

__all__ = [
    "BestLag",
    "ConfidenceInterval",
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
    "journeys",
    "lag_correlation",
    "littles_law",
    "mm1",
    "mmc",
    "moving_average",
    "percentiles",
    "trend",
    "tumbling",
]
