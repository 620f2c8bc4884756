"""Virtual time: the engine, its processes and timers, randomness, traffic and faults."""
