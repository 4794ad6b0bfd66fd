"""Randomness that can be had again: a test prints its seed and fails the same way twice."""

import random


class SeededRandom:
    """Stands for os.urandom: `SeededRandom(7)(32)` are 32 bytes. Never for keys that protect anybody."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._source = random.Random(seed)

    def __call__(self, size: int) -> bytes:
        return self._source.randbytes(size)

    def __repr__(self) -> str:
        return f"SeededRandom({self.seed})"
