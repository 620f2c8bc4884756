"""Aggregates: how often every event happened, and how its measurements are distributed.

This is what is left of a run whose events are not kept. It takes as much memory for a billion
events as for a million.
"""

from __future__ import annotations

import hashlib
import html
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import polars as pl

from foundation_lab.errors import UnknownName
from foundation_lab.recording.moments import Moments
from foundation_lab.recording.sketch import Sketch
from foundation_lab.recording.summary import Label, Measured, Occurred, Summary, read, write
from foundation_lab.recording.tally import FLAGS, Batch, Tally, Texts
from foundation_lab.telemetry.event import SUBJECT_FIELDS, catalogue, fields_of
from foundation_lab.telemetry.pattern import dotted, resolve
