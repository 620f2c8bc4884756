"""What message queues are made of: messages, lines, receivers, and what becomes of failures."""
