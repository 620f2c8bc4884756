"""What a workload sends: when requests arrive, how fast that goes on, and who keeps the books."""
