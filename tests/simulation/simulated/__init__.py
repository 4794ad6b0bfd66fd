"""A swarm in one thread: the real machines, on a simulated network, clock and disk, from one seed."""
