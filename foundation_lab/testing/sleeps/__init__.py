"""The sleep auditor: where tests wait for the wall clock, for what, and what to write instead.

`audit` reads files and finds; nothing of them is imported or run. `changes` rewrites what can go
safely, and `measure` runs a suite to see what it really sleeps.
"""

from foundation_lab.testing.sleeps.audit import audit, audit_text
from foundation_lab.testing.sleeps.finding import Audit, Finding, Problem, Replacement
from foundation_lab.testing.sleeps.fixes import Change, Fix, changes
from foundation_lab.testing.sleeps.measure import Changed, Measurement, SuiteFailed, measure
from foundation_lab.testing.sleeps.purposes import MEANINGS, Purpose

__all__ = [
    "MEANINGS",
    "Audit",
    "Change",
    "Changed",
    "Finding",
    "Fix",
    "Measurement",
    "Problem",
    "Purpose",
    "Replacement",
    "SuiteFailed",
    "audit",
    "audit_text",
    "changes",
    "measure",
]
