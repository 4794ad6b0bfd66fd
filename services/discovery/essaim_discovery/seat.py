"""A storage node as placement sees it: where it is, where it moves to, and what can be expected of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Seat:
    """`now` and `then` are swarm ids (NOW and NEXT), None for no place."""

    node_id: bytes
    now: int | None
    then: int | None
    alive: bool = True
    """It gave a sign of life within `away_seconds`."""
    departing: bool = False
    """It leaves, was expelled, or is gone: it takes no new place, and another shall have its own."""
    gone: bool = False
    """It does not come back: an authority said so, or it was silent for `drop_seconds`."""
    willing: bool = True
    """It is ACTIVE."""
    shown: bool = True
    """A view has listed it, so that it was registered before anybody knew the hash that draws the order of spares."""

    @property
    def spare(self) -> bool:
        """It has no place, and may take one."""
        return self.willing and self.shown and self.now is None and self.then is None

    @property
    def fit(self) -> bool:
        """A move can go on with it."""
        return self.alive and not self.departing
