"""Comparisons: whether two rounds of one test have told the same story, and who is to blame."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from foundation_lab.recording.recording import Recording
    from foundation_lab.testing.plugin.rounds import Round

WATCHED = {
    "the wall clock": (
        *("time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns"),
        *("time.perf_counter", "time.perf_counter_ns"),
    ),
    "the random generator that all share": (
        *("random.random", "random.uniform", "random.randint", "random.randrange"),
        *("random.choice", "random.choices", "random.sample", "random.shuffle"),
        *("random.gauss", "random.expovariate", "random.getrandbits"),
    ),
    "chance that nobody can repeat": (
        *("uuid.uuid1", "uuid.uuid4", "os.urandom", "secrets.token_hex", "secrets.token_bytes"),
        "secrets.randbelow",
    ),
    "addresses": ("builtins.id",),
    "hashes": ("builtins.hash",),
}
"""What makes a test another one each time: for each cause the functions that tell of it."""

OTHER_HASHES = "sets of strings are gone through in another order, or hash() of a string is used"


@contextmanager
def suspicion(found: dict[str, None]) -> Iterator[None]:
    """Note, while the block lasts, the user's lines that ask for what differs in each run.

    Args:
        found: Where they are noted, as keys, in words.
    """
    import importlib  # noqa: PLC0415  (only here)

    from foundation_lab.simulation.event_loop.task_waits import calling_line  # noqa: PLC0415

    def watching(real: Callable[..., Any], cause: str, name: str) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            line = calling_line()
            if is_the_users(line):
                found[f"{cause}: {name.removeprefix('builtins.')}() at {line}"] = None
            return real(*args, **kwargs)

        return watched

    with ExitStack() as patches:
        for cause, names in WATCHED.items():
            for name in names:
                module, _, function = name.rpartition(".")
                place = importlib.import_module(module)
                real = getattr(place, function)
                patches.enter_context(
                    mock.patch.object(place, function, watching(real, cause, name))
                )
        yield


def is_the_users(line: str) -> bool:
    """Return whether a line is in a test or in the code under test, and not in a library."""
    import sysconfig  # noqa: PLC0415  (only here)

    paths = sysconfig.get_paths()
    libraries = (paths["stdlib"], paths["purelib"], paths["platlib"], "<")
    return "site-packages" not in line and not line.startswith(libraries)


def outcome(done: Round) -> str:
    """Return how a round ended, with the first line of what went wrong."""
    for report in done.reports:
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            words = report.longreprtext if crash is None else crash.message
            return f"{report.when} failed: {words.splitlines()[0] if words else ''}"
    return "skipped" if done.skipped else "passed"


def recordings(done: Round) -> list[Recording]:
    """Return what the simulations of a round have recorded, those that kept their events."""
    return [sim.recording for sim in done.bench.sims if sim.keep == "events"]


def what_differs(
    one: tuple[str, list[Recording]], other: tuple[str, list[Recording]]
) -> str | None:
    """Return in what two rounds differ, in words, ``None`` when they do not.

    Args:
        one: The outcome of the first and its recordings.
        other: Those of the second.
    """
    from foundation_lab.recording.difference import first_difference  # noqa: PLC0415  (heavy)

    if len(one[1]) != len(other[1]):
        return f"{len(one[1])} simulations were made, and then {len(other[1])}"
    for left, right in zip(one[1], other[1], strict=True):
        difference = first_difference(left, right)
        if difference is not None:
            return str(difference)
        if left.facts.until != right.facts.until:
            return f"it ended at t={left.facts.until:.9g}, and then at t={right.facts.until:.9g}"
    return f"it {one[0]}, and then it {other[0]}" if one[0] != other[0] else None
