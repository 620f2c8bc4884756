"""Event loops for runners that make their own: each with a simulation of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from foundation_lab.simulation.asyncio_loop import VirtualLoop


class LoopFactory:
    """Makes event loops on the clocks of new simulations.

    For whoever wants a function without arguments: ``asyncio.Runner(loop_factory=LoopFactory())``,
    ``anyio.run(main, backend_options={"loop_factory": LoopFactory()})``, the hook
    ``pytest_asyncio_loop_factories``. For a simulation that there is already, its method
    `Simulation.event_loop` is such a function.

    Args:
        seed: The seed of each simulation.
        options: What each loop is made with; see `VirtualLoop`.

    Attributes:
        sim: The simulation of the last loop that was made.
    """

    def __init__(self, seed: int = 0, **options: Any) -> None:
        self.sim: Simulation | None = None
        self._seed = seed
        self._options = options

    def __call__(self) -> VirtualLoop:
        """Return a new loop."""
        self.sim = Simulation(self._seed)
        return self.sim.event_loop(**self._options)
