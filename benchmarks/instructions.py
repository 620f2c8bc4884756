"""Instructions: how many bytecodes the benchmarked models execute, whatever the clock says.

Small fixed runs of the queues, the recorded queue, the emission of events and the traffic, counted
instruction by instruction: the count is the same in every run on the same version of Python, on a
busy machine, too. `theirs` is the count of the same job in plain SimPy. A test compares the counts
with the budgets in `instruction_budget.json`; with `--write`, those of the running version of
Python are written anew.

    python benchmarks/instructions.py [--write | --counts]
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bank
import bookkeeping
import by_hand
import emission
import hour
import program
import queues
import recorded_queue
from row import Row
from waits import NATIVE

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

    Job = Callable[[], object]

BUDGETS = Path(__file__).with_name("instruction_budget.json")
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
TOLERANCE = 0.05
"""By how much a count may exceed its budget."""

CUSTOMERS, EVENTS = 300, 1200
SECONDS, TROUBLES = 16.0, [(3.0, 1.0, 0.95)]
"""About 800 requests: all is well, errors open the breaker, and it closes again."""


def jobs() -> dict[str, tuple[Job, Job | None]]:
    """Return what is counted, by name: the job here, and the same in plain SimPy."""
    drawn = {servers: list(queues.draws(CUSTOMERS, servers)) for servers in (1, 4)}

    def both(model: Callable[..., object]) -> Job:
        return lambda: [model(servers, each) for servers, each in drawn.items()]

    recorded = recorded_queue.as_in_simpy(drawn[1])
    found: dict[str, tuple[Job, Job | None]] = {
        "p1_simpy_spelling": (both(queues.ours_as_in_simpy), both(queues.plain_simpy)),
        "p2_simpy_spelling": (
            lambda: recorded_queue.as_in_simpy(drawn[1]),
            lambda: bookkeeping.with_tuples(drawn[1]),
        ),
        "p2_frames": (lambda: _frames(recorded), None),
        "p3_emit_fields": (lambda: emission.run(emission.stating, EVENTS), None),
        "p3_emit_object": (lambda: emission.run(emission.giving, EVENTS), None),
        "p4_hour": (
            lambda: hour.simulate(SECONDS, TROUBLES),
            lambda: by_hand.Shop(hour.SEED, TROUBLES).run(SECONDS),
        ),
    }
    if NATIVE:
        found["p1_native"] = (both(queues.ours_natively), both(queues.plain_simpy))
        found["p2_native"] = (
            lambda: recorded_queue.natively(drawn[1]),
            lambda: bookkeeping.with_tuples(drawn[1]),
        )
    return dict(sorted(found.items()))


def _frames(sim: Any) -> None:
    """Build the frames of a recorded queue, as for the first time."""
    sim.telemetry.emit(bank.Queued("line", 0))  # a recording is kept until something happens
    recording = sim.recording
    _ = recording.events, recording.frame(bank.Departed)


def counted(job: Job) -> int:
    """Return how many bytecode instructions a job executes, in whatever file.

    It runs once before, so that what is done only once (imports, caches) does not count. No garbage
    is collected meanwhile: when it is depends on what ran before.

    Raises:
        SystemExit: Something else traces this process.
    """
    if sys.gettrace() is not None:
        message = "something traces this process already, such as a debugger or coverage"
        raise SystemExit(message)
    job()
    gc.collect()
    gc.disable()
    try:
        return _monitored(job) if sys.version_info >= (3, 12) else _traced(job)
    finally:
        gc.enable()


def _traced(job: Job) -> int:
    """Count with `sys.settrace`.

    Every frame that is entered or resumed passes through `enter`, generators that were started
    earlier included; the frames below this function are not counted.
    """
    count = 0

    def enter(frame: FrameType, _event: str, _argument: object) -> Any:
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return inside

    def inside(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "opcode"
        return inside

    sys.settrace(enter)
    try:
        job()
    finally:
        sys.settrace(None)
    return count


def _monitored(job: Job) -> int:
    """Count with `sys.monitoring`, which Python has from 3.12 on."""
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
    tool, event = monitoring.PROFILER_ID, monitoring.events.INSTRUCTION
    own = _monitored.__code__
    count = 0

    def executed(code: CodeType, _offset: int) -> Any:
        nonlocal count
        if code is own:
            return monitoring.DISABLE
        count += 1
        return None

    monitoring.use_tool_id(tool, "instructions")
    monitoring.register_callback(tool, event, executed)
    monitoring.set_events(tool, event)
    try:
        job()
    finally:
        monitoring.set_events(tool, 0)
        monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)
    return count


def counts() -> dict[str, int]:
    """Return the counts of what is done here."""
    return {name: counted(job) for name, (job, _) in jobs().items()}


def budgets() -> dict[str, dict[str, int]]:
    """Return the stored budgets by version of Python and name."""
    return json.loads(BUDGETS.read_text(encoding="utf-8")) if BUDGETS.exists() else {}


def measure(rounds: int, size: int) -> list[Row]:  # noqa: ARG001  (a count is always the same)
    """Return a row for each job."""
    budget = budgets().get(VERSION, {})
    rows = []
    for name, (job, simpy_job) in jobs().items():
        allowed = budget.get(name)
        rows.append(
            Row(
                what=name,
                unit="instructions",
                ours=counted(job),
                theirs=None if simpy_job is None else counted(simpy_job),
                beside="SimPy",
                at_most=None if allowed is None else allowed * (1 + TOLERANCE),
                note="no budget" if allowed is None else f"budget {allowed:,}",
            )
        )
    return rows


def write() -> None:
    """Store the counts as the budgets of the running version of Python."""
    stored = {**budgets(), VERSION: counts()}
    ordered = dict(sorted(stored.items(), key=lambda item: [*map(int, item[0].split("."))]))
    BUDGETS.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")
    print(f"{BUDGETS}: {json.dumps(stored[VERSION])}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    elif sys.argv[1:] == ["--counts"]:
        print(json.dumps(counts()))
    else:
        program.run(__doc__, measure, rounds=1, size=1)
