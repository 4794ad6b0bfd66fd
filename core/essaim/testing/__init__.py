"""Doubles of the outside world for tests: a clock, seeded randomness, a network and a store. Never imported by code that runs."""
