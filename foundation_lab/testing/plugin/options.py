"""Options, settings and markers."""

from __future__ import annotations

import argparse
import math
from contextlib import ExitStack
from importlib.util import find_spec

import pytest

MARKERS = (
    (
        "lab(seed, seeds, schedule, jitter, leaks, failures): how a test of the fixture 'sim' is "
        "run: with which seed (default: --lab-seed, which is 0), or with how many from it on; who "
        "goes first at one instant (fifo, shuffle, pct); by how much delays vary (0.05: 5 %); what "
        "is a leak at the end (allow, lost, forbid); which exceptions are failures of its world"
    ),
    "seeds(n): the test is run with n seeds; short for lab(seeds=n)",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the lab, all of them ``--lab-...``."""
    group = parser.getgroup("foundation-lab", "simulations in virtual time")
    group.addoption(
        "--lab-seed",
        type=int,
        default=0,
        metavar="N",
        help="seed of the fixture 'sim' in tests without @pytest.mark.lab(seed=...) (default: 0)",
    )
    group.addoption(
        "--lab-seeds",
        type=int,
        default=1,
        metavar="N",
        help="run each test of the fixture 'sim' with N seeds, where its marker says nothing",
    )
    group.addoption(
        "--lab-replay",
        default=None,
        metavar="SEED[:SCHEDULE]",
        help="run each test of the fixture 'sim' once, as a failure of a sweep says: 17, 17:pct",
    )
    group.addoption(
        "--lab-check-determinism",
        action="store_true",
        help="run each test of the fixture 'sim' twice here and once with other hashes in a "
        "program of its own, and fail with the first event that differs",
    )
    group.addoption(
        "--lab-flaky",
        type=int,
        default=0,
        metavar="N",
        help="run each test of the fixture 'sim' again and with N other orders at each instant, "
        "and say whether it is stable, schedule-dependent, hash-dependent or nondeterministic",
    )
    group.addoption(
        "--lab-virtual",
        action="store_true",
        help="run every test in virtual time, as it is: sleeps, clocks, asyncio and threads",
    )
    group.addoption(
        "--lab-start",
        default=None,
        metavar="TIME",
        help="the date in virtual time, such as 2025-01-01T00:00:00Z (default: when pytest began)",
    )
    group.addoption(
        "--lab-read-cost",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="what each reading of the clock costs in virtual time (default: 0; 1e-6 for tests "
        "that expect the clock to move while they look at it)",
    )
    group.addoption(
        "--lab-artifacts",
        default=None,
        metavar="DIR",
        help="keep the recording of each failure there, with a report to look at",
    )
    # What one run of pytest tells another.
    group.addoption("--lab-keep", default=None, help=argparse.SUPPRESS)
    group.addoption(
        "--lab-wall-limit",
        type=float,
        default=None,
        metavar="SECONDS",
        help="seconds of real time after which a wait in virtual time is given up, and with "
        "--lab-virtual a test that stands still (default: the setting lab_wall_limit, else never, "
        "and 60 with --lab-virtual; 0: never)",
    )
    parser.addini("lab_wall_limit", "default of --lab-wall-limit", default="")
    parser.addini(
        "lab_leaks",
        "what is a leak at the end of a test of the fixture 'sim': lost (what cannot be given back "
        "any more), forbid (whatever is still out), allow",
        default="lost",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Let what modules make from now on, when they are imported, serve virtual threads, too."""
    if early_config.known_args_namespace.lab_virtual and find_spec("greenlet") is not None:
        from foundation_lab.simulation.patches.virtual_threads import locks_for_all_threads  # noqa: PLC0415  (heavy)

        block = ExitStack()
        block.enter_context(locks_for_all_threads())
        early_config.add_cleanup(block.close)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and tell the test kit what the options say."""
    from foundation_lab.testing.configuration import configure  # noqa: PLC0415  (as the others)

    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    _refuse_what_cannot_be(config)
    limit = _wall_limit(config)
    if config.getoption("--lab-virtual"):
        from foundation_lab.testing.plugin.virtual import Everything, start_of  # noqa: PLC0415

        start_of(config)  # which refuses what is no date
        config.pluginmanager.register(Everything(config, limit), "foundation_lab_everything")
    verbose = config.get_verbosity() > 1
    folders = (config.rootpath, config.invocation_params.dir)
    before = configure(wall=limit or None, verbose=verbose, folders=folders)

    # A run inside of a run, such as pytester's, leaves the outer one as it was.
    def restore() -> None:
        configure(wall=before.wall, verbose=before.verbose, folders=before.folders)

    config.add_cleanup(restore)


def _refuse_what_cannot_be(config: pytest.Config) -> None:
    """Refuse options before any test is run: an error of each test would be one too late."""
    seeds, orders = config.getoption("--lab-seeds"), config.getoption("--lab-flaky")
    replay = config.getoption("--lab-replay")
    if seeds < 1:
        message = f"--lab-seeds={seeds}: give a number of seeds from 1"
        raise pytest.UsageError(message)
    if orders < 0:
        message = f"--lab-flaky={orders}: give a number of orders from 1"
        raise pytest.UsageError(message)
    if orders and config.getoption("--lab-check-determinism"):
        message = "--lab-flaky does what --lab-check-determinism does, and more: leave one out"
        raise pytest.UsageError(message)
    if replay is not None:
        from foundation_lab.testing.trial import Trial  # noqa: PLC0415  (as the others)

        try:
            Trial.parse(replay)
        except ValueError as error:
            message = f"--lab-replay={replay}: {error}"
            raise pytest.UsageError(message) from None


def _wall_limit(config: pytest.Config) -> float | None:
    """Return the limit of real time in seconds, 0 for none, ``None`` when nobody says any."""
    said = config.getoption("--lab-wall-limit")
    where, limit = "--lab-wall-limit", said
    if said is None:
        where, limit = "lab_wall_limit", config.getini("lab_wall_limit")
    if limit == "":
        return None
    try:
        seconds = float(limit)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        message = f"{where}={limit}: give seconds of real time, 0 for no limit"
        raise pytest.UsageError(message)
    return seconds
