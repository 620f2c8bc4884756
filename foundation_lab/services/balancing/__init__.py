"""What load balancers are made of: algorithms, hosts, and which of them are in rotation."""
