"""Swarm ids on the ring: where the next one is made, who is next to whom, and which was made last."""

from collections.abc import Collection

from essaim.protocol.view.swarm import RING


def new_id(existing: Collection[int]) -> int:
    """0 for the first swarm, then the middle of the largest gap on the ring, the lowest of several."""
    if not existing:
        return 0
    ids = sorted(existing)
    gaps = [((after - before) % RING or RING, before) for before, after in zip(ids, ids[1:] + ids[:1], strict=True)]
    width, start = max(gaps, key=lambda gap: (gap[0], -gap[1]))
    return (start + width // 2) % RING


def neighbours(swarm_id: int, ring: Collection[int]) -> frozenset[int]:
    """The ids before and after `swarm_id` on the ring: the only ones whose range changes when it comes or goes."""
    others = sorted(set(ring) - {swarm_id}, key=lambda other: (other - swarm_id) % RING)
    return frozenset((others[0], others[-1])) if others else frozenset()


def age(swarm_id: int) -> tuple[int, int]:
    """Grows with how late a swarm was made: middles of smaller gaps come later, of equal ones the higher."""
    halvings = 0 if swarm_id == 0 else 64 - ((swarm_id & -swarm_id).bit_length() - 1)
    return halvings, swarm_id
