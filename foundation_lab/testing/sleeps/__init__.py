"""The sleep auditor."""
from foundation_lab.testing.sleeps.audit import audit, audit_text
