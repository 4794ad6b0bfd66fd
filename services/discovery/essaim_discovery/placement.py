"""Which swarm a storage node is in: a pure function of the assignment before and of the nodes listed now.

Swarms that stand are never reshuffled: a change moves the members of a dissolved swarm, and spares, and nobody else.
Spares wait, without a swarm, until a swarm lacks members or `target` of them can form a new one.
"""

from collections.abc import Collection, Mapping, Sequence

from essaim.protocol.view import SwarmSizes
from essaim.protocol.view.swarm import RING

Assignment = dict[bytes, int]


def assign(
    previous: Mapping[bytes, int], listed: Sequence[bytes], ready: Collection[bytes], sizes: SwarmSizes
) -> Assignment:
    """Swarm ids by node id; nodes without one are spares.

    `listed` are all storage nodes, in order of node id: a member that is listed keeps its place, away or not. Only
    those in `ready` take a new place.
    """
    swarms: dict[int, list[bytes]] = {}
    for node_id in listed:
        if node_id in previous:
            swarms.setdefault(previous[node_id], []).append(node_id)
    spares = [node_id for node_id in listed if node_id not in previous and node_id in ready]
    spares = sorted(spares + _dissolve(swarms, len(spares), ready, sizes.minimum))
    _fill(swarms, spares, sizes.minimum)
    while len(spares) >= sizes.target:
        swarms[new_id(swarms)] = spares[: sizes.target]
        del spares[: sizes.target]
    return {node_id: swarm_id for swarm_id, members in swarms.items() for node_id in members}


def _dissolve(swarms: dict[int, list[bytes]], spares: int, ready: Collection[bytes], minimum: int) -> list[bytes]:
    """Take swarms apart until the nodes suffice for those that are left; the members that can serve elsewhere."""
    freed: list[bytes] = []
    while len(swarms) > 1 and sum(map(len, swarms.values())) + spares + len(freed) < len(swarms) * minimum:
        smallest = min(swarms, key=lambda swarm_id: (len(swarms[swarm_id]), tuple(-part for part in age(swarm_id))))
        freed += [node_id for node_id in swarms.pop(smallest) if node_id in ready]
    return freed


def _fill(swarms: dict[int, list[bytes]], spares: list[bytes], minimum: int) -> None:
    """The smallest swarm first, until none is below its minimum or no spare is left."""
    while spares and swarms:
        neediest = min(swarms, key=lambda swarm_id: (len(swarms[swarm_id]), swarm_id))
        if len(swarms[neediest]) >= minimum:
            return
        swarms[neediest].append(spares.pop(0))


def new_id(existing: Collection[int]) -> int:
    """0 for the first swarm, then the middle of the largest gap on the ring, the lowest of several."""
    if not existing:
        return 0
    ids = sorted(existing)
    gaps = [((after - before) % RING or RING, before) for before, after in zip(ids, ids[1:] + ids[:1], strict=True)]
    width, start = max(gaps, key=lambda gap: (gap[0], -gap[1]))
    return (start + width // 2) % RING


def age(swarm_id: int) -> tuple[int, int]:
    """Grows with how late a swarm was made: middles of smaller gaps come later, of equal ones the higher."""
    halvings = 0 if swarm_id == 0 else 64 - ((swarm_id & -swarm_id).bit_length() - 1)
    return halvings, swarm_id
