"""Workloads that are not just open: users in loops, in sessions, at a pace, and traces."""
