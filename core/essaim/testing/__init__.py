"""Doubles of the outside world, for tests alone: a clock, seeded randomness, a servicer served over real TLS."""
