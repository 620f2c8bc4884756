"""Distributions of more shapes than the plain ones: heavy tails, mixtures, samples."""
