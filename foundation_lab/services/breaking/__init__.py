"""What circuit breakers are made of: states, counting, probes, and how long a break lasts."""
