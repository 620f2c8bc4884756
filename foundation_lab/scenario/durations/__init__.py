"""Distributions in a scenario file: what each kind may say, and how it is built."""
