"""Times of a Poisson process: who sees some of them learns nothing of the next."""

import math

from essaim_client.network.guard import Randomness, draw

STEPS = 1 << 32


def next_in(mean: float, random: Randomness) -> float:
    """How long until the next time, in the unit of `mean`: exponentially distributed, at most 22 times the mean."""
    return -mean * math.log((draw(random, STEPS) + 1) / STEPS)
