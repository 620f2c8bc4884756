"""The command line: ``foundation-lab run | report | export | events | audit-sleeps | ...``.

Data goes to stdout, everything else to stderr. Exit codes: 0 all is well; 1 the run finished, but
an objective was missed or a comparison failed; 2 wrong usage or an unusable file; 3 the simulation
failed; 130 interrupted, with what happened up to there saved.

Nothing heavy is imported before a command needs it.
"""

from foundation_lab.cli import auditing, catalogue, comparing, recordings, running
from foundation_lab.cli.app import app, main

__all__ = ["app", "auditing", "catalogue", "comparing", "main", "recordings", "running"]
