"""What retries are made of: delays, their jitter, and what all of them together may cost."""
