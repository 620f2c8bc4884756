"""What backends are made of: shared cores, warm-up, and the steps of an event loop."""
