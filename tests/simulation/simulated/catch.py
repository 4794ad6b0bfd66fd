"""How soon a planted bug is found."""

from dataclasses import dataclass

from simulated.bug import BUGS, world_of
from simulated.history import BrokenPromiseError


@dataclass(frozen=True)
class Caught:
    """By the first seed that breaks a promise; None: by none that was tried."""

    bug: str
    seed: int | None
    promise: str = ""

    def __str__(self) -> str:
        how = f"by seed {self.seed}: {self.promise}" if self.seed is not None else "NOT FOUND"
        return f"{self.bug}: {how}"


def catch(bug: str, seeds: int) -> Caught:
    """Try seeds from 0 on."""
    for seed in range(seeds):
        try:
            world_of(bug)(seed, BUGS[bug]).run()
        except BrokenPromiseError as error:
            return Caught(bug, seed, str(error))
    return Caught(bug, None)
