"""Lines in front of `Slots`: who is served next, and who is sent away."""
