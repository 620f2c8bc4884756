"""Virtual time: the engine, its processes and timers, randomness, traffic and faults.

A module here is a noun that others build on; a folder holds what one of them is made of, or more
of its kind:

- `durations`: more `distributions`
- `event_loop` and `memory_network`: what `asyncio_loop` is made of
- `exploring`: an `engine` that takes those of one instant in another order
- `faults`: what can be wrong, and when
- `lines`: who waits in front of `slots`, and who is served next
- `patches`: `time` and `threading` for code that is not written for virtual time
- `traffic`: when the requests of a `workload` arrive, and who sends them
- `workloads`: users in loops and in sessions, at a pace, and traces replayed
"""
