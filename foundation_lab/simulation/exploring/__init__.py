"""Exploration: those of one instant need not go in the order of the queue."""
