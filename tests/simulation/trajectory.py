"""Runs the models of `random_models`, and writes down what happens, one thing after the other."""

from collections.abc import Generator
from contextlib import suppress
from heapq import heapify
from itertools import cycle, repeat
from math import inf
from typing import Any

import simpy
from simpy.core import StopSimulation
from simpy.util import start_delayed, subscribe_at

from foundation_lab.simulation.engine import Simulation
from tests.simulation.model_things import EVENTS, Things, Way, by_class_of_simpy
from tests.simulation.random_models import Expression, Model, Script, Step

SEED = 34

Log = list[tuple[Any, ...]]
Steps = Generator[simpy.Event, Any, Any]


class Broken(Exception):
    """A failure that a careful process survives."""


class Fatal(Exception):
    """A failure that ends a process."""


SURVIVED = (simpy.Interrupt, Broken, RuntimeError, ValueError, AttributeError)


def on_simpy(model: Model) -> Log:
    """Run a model on SimPy as it is."""
    env = simpy.Environment(model.initial_time)
    return Course(Things(env, repeat(by_class_of_simpy), model), model).log


def on_a_simulation(model: Model, *ways: Way) -> Log:
    """Run a model on a simulation; several ways to make things take turns, as the model mixes."""
    env = Simulation(SEED, initial_time=model.initial_time)
    turns = (ways[turn % len(ways)] for turn in cycle(model.mix))
    return Course(Things(env, turns, model), model).log


class Course:
    """A run of a model."""

    def __init__(self, things: Things, model: Model) -> None:
        self.env, self.things = things.env, things
        self.log: Log = []
        self.generators: list[Steps] = []
        self.over = False
        for script in model.scripts:
            self._act_spawn(script)
        for phase in model.phases:
            if not self.is_stuck:
                self.attempt(phase)
        while not self.is_stuck and not self.attempt(("run",)):
            pass
        if not self.is_stuck:
            self.attempt(("end",))
        self.look_back()
        self.clear_away()

    def note(self, *entry: Any) -> None:
        """Write down what happened, when and in which process, and how things are then."""
        entry = (self.env.active_process, *entry)
        self.log.append((self.env.now, *map(self.things.plain, entry), *self.things.state()))

    # -- the main program ---------------------------------------------------------------------

    def attempt(self, phase: Step) -> bool:
        """Do what the main program does next; whatever ends it is written down as well."""
        kind, *arguments = phase
        goal = self.things.build(phase[1]) if kind == "until_event" else None
        done = True
        try:
            if goal is not None:
                outcome = self.env.run(until=goal)
            else:
                outcome = getattr(self, f"_main_{kind}")(*arguments)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is compared)
            outcome, done = ending(error), False
        if not isinstance(self.env, Simulation):
            forget(self.env, goal)
        self.note("main", kind, outcome)
        return done

    @property
    def is_stuck(self) -> bool:
        """Whether a failure struck before everybody was told of what they waited for.

        Nobody tells them any more, and SimPy stumbles over whoever interrupts them.
        """
        waiting = [process.target for process in self.things.processes if process.is_alive]
        return any(target is not None and target.processed for target in waiting)

    def _main_run(self) -> Any:
        return self.env.run()

    def _main_end(self) -> None:
        assert self.env.peek() == inf
        self.env.step()

    def _main_until(self, delay: float) -> Any:
        return self.env.run(until=self.env.now + delay)

    def _main_act(self, act: Step) -> Any:
        return self.act(act)

    def _main_steps(self, delay: float) -> list[float]:
        """Take the steps of a while, and return the times that were announced on the way.

        How many steps an instant takes is nobody's business.
        """
        end, announced = self.env.now + delay, [self.env.peek()]
        while announced[-1] <= end:
            self.env.step()
            if self.env.peek() != announced[-1]:
                announced.append(self.env.peek())
        return announced

    def look_back(self) -> None:
        """Write down what became of everything."""
        for event in self.things.known:
            self.note(event, self.things.inspect(event))
        for process in self.things.processes:
            self.note(process, process.is_alive, process.target)

    def clear_away(self) -> None:
        """Close what still waits, as Python does some time, and write down what that leaves."""
        self.over = True
        for generator in self.generators:
            with suppress(ValueError):  # a request that was withdrawn by hand before
                generator.close()
        self.note("cleared away")

    # -- what a process does ------------------------------------------------------------------

    def follow(self, script: Script) -> Steps:
        """Take the steps of a script; the number that is returned tells when it came to its end."""
        for number, step in enumerate(script.steps):
            kind, *arguments = step
            try:
                if hasattr(self, f"_step_{kind}"):
                    outcome = yield from getattr(self, f"_step_{kind}")(*arguments)
                else:
                    outcome = self.act(step)
            except SURVIVED as error:
                if self.over:
                    raise
                cause = None if isinstance(error, simpy.Interrupt) else error.__cause__
                self.note(number, kind, error, "caused by", cause)
                if not script.careful:
                    raise
            else:
                self.note(number, kind, outcome)
        return len(self.log)

    def _step_wait(self, expression: Expression) -> Steps:
        return (yield self.things.build(expression))

    def _step_join(self, script: Script) -> Steps:
        return (yield self._act_spawn(script))

    def _step_use(self, wanted: Expression, patience: float | None, script: Script) -> Steps:
        with self.things.build(wanted) as request:
            granted = yield from self._patiently(request, patience)
            self.note("granted", granted, request.usage_since)
            return (yield from self.follow(script)) if request.triggered else None

    def _step_ask(self, wanted: Expression, patience: float | None, ending: str) -> Steps:
        if ending == "with":
            with self.things.build(wanted) as request:
                return (yield from self._patiently(request, patience))
        request = self.things.build(wanted)
        outcome = yield from self._patiently(request, patience)
        if ending == "cancel":
            request.cancel()
        return outcome

    def _patiently(self, request: Any, patience: float | None) -> Steps:
        """Wait for an event, or for a time."""
        if patience is None:
            return (yield request)
        got = yield request | self.things.build(("timeout", patience, None))
        return request in got, got

    # -- what takes no time -------------------------------------------------------------------

    def act(self, act: Step) -> Any:
        """Do what takes no time."""
        kind, *arguments = act
        return getattr(self, f"_act_{kind}")(*arguments)

    def _act_spawn(self, script: Script) -> Any:
        self.generators.append(self.follow(script))
        process = self.things.new("Process", self.generators[-1])
        self.things.processes.append(process)
        return self.things.label(process, "process")

    def _act_delayed(self, delay: float, which: int) -> Any:
        process = start_delayed(self.env, self._step_wait(("event", which)), delay)
        return self.things.label(process, "delayed")

    def _act_signal(self, which: int, tag: int) -> None:
        self.things.by_hand(which).succeed(tag)

    def _act_break(self, which: int, tag: int) -> None:
        self.things.by_hand(which).fail(Broken(tag))

    def _act_interrupt(self, which: int, tag: int) -> None:
        process = self.things.build(("process", which))
        self.note("interrupts", process, process is self.env.active_process or process.target)
        process.interrupt(tag)

    def _act_release(self, which: int) -> Any:
        return self.things.build(("release", which))

    def _act_cancel(self, which: int) -> None:
        if self.things.held:
            self.things.build(("held", which)).cancel()

    def _act_name(self, which: int, expression: Expression) -> None:
        self.things.events[which % EVENTS] = self.things.build(expression)

    def _act_schedule(self, which: int, priority: int, delay: float, tag: int) -> None:
        event = self.things.label(self.things.new("Event"), "event")
        event._ok, event._value = True, tag
        self.things.events[which % EVENTS] = event
        self.env.schedule(event, priority, delay)  # type: ignore[arg-type]

    def _act_make(self, expression: Expression) -> None:
        self.things.build(expression)

    def _act_inspect(self, target: Expression) -> Any:
        return self.things.inspect(self.things.build(target))

    def _act_peek(self) -> float:
        return self.env.peek()

    def _act_subscribe(self, target: Expression) -> None:
        subscribe_at(self.things.build(target))

    def _act_fail(self, tag: int) -> None:
        raise Fatal(tag)

    # -- what a callback does -----------------------------------------------------------------

    def _act_callback(self, target: Expression, reaction: Step) -> None:
        event = self.things.build(target)
        if event.callbacks is not None:
            event.callbacks.append(lambda event: self._react(event, reaction))

    def _react(self, event: Any, reaction: Step) -> None:
        self.note("callback of", event, reaction[0], self.things.inspect(event))
        match reaction:
            case ("defuse",):
                event.defused = True
            case ("trigger", which):
                target = self.things.by_hand(which)
                if not target.triggered:
                    target.trigger(event)
            case ("raise", tag):
                raise Broken(tag)
            case ("look",):
                pass
            case _:
                try:
                    self.act(reaction)
                except RuntimeError as error:
                    self.note("cannot", error)


def ending(error: Exception) -> Any:
    """Return what a run was ended by; where a simulation has words of its own, only the type."""
    if type(error).__module__ == "foundation_lab.errors":
        return next(each for each in type(error).__mro__ if each.__module__ == "builtins")
    return type(error) if "until" in str(error) else error


def forget(env: simpy.Environment, goal: simpy.Event | None) -> None:
    """Let SimPy forget what the last run was to stop at, as a simulation does by itself.

    In SimPy a goal that was not reached stops a later run, and a goal that was reached is processed
    a second time, with nothing left to do.
    """
    stop = StopSimulation.callback
    if goal is not None and goal.callbacks and stop in goal.callbacks:
        goal.callbacks.remove(stop)
    env._queue[:] = [entry for entry in env._queue if entry[3].callbacks != [stop]]
    heapify(env._queue)
    while env._queue and env._queue[0][1] == -1 and not env._queue[0][3].callbacks:
        env.step()
