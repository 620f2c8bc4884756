"""What replica sets and autoscalers are made of: replicas, rollouts, and how many are wanted."""
