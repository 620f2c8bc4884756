"""Cores that jobs share equally, in exact virtual time.

Every job makes progress at the same pace, so it is enough to count the seconds of work that each
has been given since the cores last were idle. A job ends when that count has grown by its own work:
its end on this scale is known when it begins, and whatever changes the pace (a job more, a job
fewer, a slow-down) changes only when the scale gets there. Source: the virtual time of fair
queueing, Parekh and Gallager, IEEE/ACM Transactions on Networking 1 (3), 1993.
"""

from __future__ import annotations

from heapq import heappop, heappush


class Job:
    """Work that is being done.

    Attributes:
        ends: Where on the scale of attained work it is done.
        active: Whether it is neither done nor given up.
    """

    __slots__ = ("active", "ends", "whose")

    def __init__(self, ends: float, whose: object) -> None:
        self.ends = ends
        self.whose = whose
        self.active = True


class SharedCores:
    """A number of cores, of which a job uses one at most.

    Args:
        cores: How many; a fraction is a share of one.
    """

    def __init__(self, cores: float) -> None:
        self.cores = cores
        self.slowdown = 1.0
        self.jobs = 0
        self._attained = 0.0
        self._at = 0.0
        self._heap: list[tuple[float, int, Job]] = []
        self._number = 0

    @property
    def pace(self) -> float:
        """The seconds of work that a job gets done in a second."""
        return min(1.0, self.cores / max(self.jobs, 1)) / self.slowdown

    def begin(self, now: float, work: float, whose: object) -> Job:
        """Let a job of so many seconds of work begin."""
        self._advance(now)
        job = Job(self._attained + work, whose)
        self._number += 1
        heappush(self._heap, (job.ends, self._number, job))
        self.jobs += 1
        return job

    def give_up(self, now: float, job: Job) -> None:
        """Let a job go before it is done; nothing happens when it is gone already."""
        if job.active:
            self._advance(now)
            self._leave(job)

    def slow_down(self, now: float, factor: float) -> None:
        """From now on, let everything take so many times as long."""
        self._advance(now)
        self.slowdown = factor

    def next_end(self, now: float) -> float | None:
        """Return when the next job is done if nothing changes; ``None`` when there is none."""
        while self._heap and not self._heap[0][2].active:
            heappop(self._heap)
        if not self._heap:
            return None
        self._advance(now)
        return now + max(0.0, self._heap[0][0] - self._attained) / self.pace

    def finish(self, now: float) -> list[Job]:
        """Take out the jobs that are done at the time that `next_end` has named."""
        self._advance(now)
        due = self._heap[0][0]
        self._attained = max(self._attained, due)  # whatever the rounding of the time was
        done = []
        while self._heap and self._heap[0][0] <= self._attained:
            job = heappop(self._heap)[2]
            if job.active:
                done.append(job)
                self._leave(job)
        return done

    def _advance(self, now: float) -> None:
        if self.jobs:
            self._attained += (now - self._at) * self.pace
        self._at = now

    def _leave(self, job: Job) -> None:
        job.active = False
        self.jobs -= 1
        if not self.jobs:
            self._attained = 0.0
            self._heap.clear()
