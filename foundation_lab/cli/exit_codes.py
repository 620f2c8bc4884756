"""The exit codes of the command line."""

from typing import Final

OK: Final = 0
MISSED: Final = 1
"""The run finished, but an objective was missed or a comparison failed."""
UNUSABLE: Final = 2
"""Wrong usage, or a file that cannot be used."""
FAILED: Final = 3
"""The simulation failed."""
INTERRUPTED: Final = 130
"""Ctrl-C; what happened up to there is saved."""
