"""Scenarios: questions that can be run, written as YAML files."""
