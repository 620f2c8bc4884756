"""Runs of pytest inside of a test, under the plugin of this project and those that are named."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING
from unittest import mock

# A run inside forgets the modules that it was the first to import, and numpy bears no second time.
import foundation_lab.recording.recording
import foundation_lab.simulation.engine  # noqa: F401
from foundation_lab.testing import plugin

if TYPE_CHECKING:
    from pytest import Pytester, RunResult  # noqa: PT013  (types alone)

PLUGIN = plugin.__name__

OPTIONS = ("-p", "no:cacheprovider", "--strict-markers", "-W", "error")


def run_pytest(pytester: Pytester, *options: str, inside: bool = True) -> RunResult:
    """Run the tests of a pytester under this plugin and no other that happens to be installed.

    Args:
        pytester: Where the tests are.
        options: More options.
        inside: Whether in this program; otherwise in one of its own.
    """
    path = os.pathsep.join(filter(None, sys.path))
    with mock.patch.dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTHONPATH=path):
        if not inside:
            return pytester.runpytest_subprocess("-p", PLUGIN, *OPTIONS, *options)
        return pytester.runpytest_inprocess(*OPTIONS, *options, plugins=(plugin,))
