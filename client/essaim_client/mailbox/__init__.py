"""The calls of a mailbox, made to its swarm: quorum reads, following, writing, prekeys. It knows nothing of people."""
