"""Small runs that the tests of recordings look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from pathlib import Path

SEED = 21


def busy(
    *,
    seed: int = SEED,
    steps: int = 40,
    row_limit: int | None = None,
    read_every: int = 0,
    spill_folder: Path | None = None,
) -> Simulation:
    """Return a finished simulation with typed, ad hoc and nested events of every kind of column."""
    sim = Simulation(seed, name="busy", row_limit=row_limit, spill_folder=spill_folder)
    emit, draw = sim.telemetry.emit, sim.stream("busy").random

    def worker(label: str) -> Any:
        with sim.telemetry.context(correlation_id=sim.telemetry.new_id(), node=f"node-{label}"):
            for step in range(steps):
                yield sim.timeout(draw())
                emit(events.retry.Backoff(label, step, draw(), "constant"))
                emit(events.circuit_breaker.CallStart(label, None if step % 3 else draw()))
                emit(events.service.HealthCheck(label, "worker", "healthy", {"step": step}))
                agents = tuple(f"agent-{n}" for n in range(step % 4))
                emit(events.coordination.Started(f"s{step}", "vote", agents))
                labels: dict[str, Any] = {"label": label, "odd": bool(step % 2)}
                if step > steps // 2:
                    labels["late"] = [step, "ünïcode"]
                emit("shop.order.placed", {"amount": step / 4}, labels)
                if read_every and step % read_every == 0:
                    _ = sim.recording.digest

    for label in ("a", "b"):
        sim.process(worker(label), name=f"worker-{label}")
    sim.run()
    return sim
