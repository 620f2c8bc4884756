"""Limits as state machines: of how often, and of how many at the same time."""
