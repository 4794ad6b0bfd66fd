"""Which storage node belongs to which swarm: a pure function of where they were, who is there and the sizes."""

from collections.abc import Iterable, Mapping

from essaim.protocol.view.parameters import SwarmSizes
from essaim.protocol.view.swarm import RING


def assign(previous: Mapping[bytes, int], members: Iterable[bytes], sizes: SwarmSizes) -> dict[bytes, int]:
    """Swarm ids by node id. Nobody moves but to make a new swarm, to end one, or to bring one up to its minimum.

    The order of `members` does not matter. A network too small for one whole swarm is one small swarm.
    """
    listed = sorted(set(members))
    swarms: dict[int, list[bytes]] = {}
    for node_id in listed:
        if node_id in previous:
            swarms.setdefault(previous[node_id], []).append(node_id)
    waiting = [node_id for node_id in listed if node_id not in previous]
    if listed:
        waiting += _resize(swarms, swarm_count(len(swarms), len(listed), sizes))
    for node_id in sorted(waiting):
        _smallest(swarms).append(node_id)
    _level(swarms, sizes)
    return {node_id: swarm_id for swarm_id, nodes in swarms.items() for node_id in nodes}


def swarm_count(current: int, members: int, sizes: SwarmSizes) -> int:
    """How many swarms there are to be: one more where all could have the target size, or one would be too large; fewer
    only where they could not all have the minimum. Between the two the number stays."""
    count = max(1, current)
    while members >= (count + 1) * sizes.target or members > count * sizes.maximum:
        count += 1
    while count > 1 and members < count * sizes.minimum:
        count -= 1
    return count


def free_id(taken: Iterable[int]) -> int:
    """The middle of the widest gap on the ring, the first of equal ones; 0 for the first swarm."""
    ids = sorted(taken)
    if not ids:
        return 0
    ends = [*ids[1:], ids[0] + RING]
    start, end = max(zip(ids, ends, strict=True), key=lambda gap: (gap[1] - gap[0], -gap[0]))
    return (start + (end - start) // 2) % RING


def _resize(swarms: dict[int, list[bytes]], count: int) -> list[bytes]:
    """Begin or end swarms; the members of those that ended."""
    homeless: list[bytes] = []
    while len(swarms) > count:
        homeless += swarms.pop(min(swarms, key=lambda each: (len(swarms[each]), -each)))
    while len(swarms) < count:
        swarms[free_id(swarms)] = []
    return homeless


def _smallest(swarms: Mapping[int, list[bytes]]) -> list[bytes]:
    return swarms[min(swarms, key=lambda each: (len(swarms[each]), each))]


def _largest(swarms: Mapping[int, list[bytes]]) -> list[bytes]:
    return swarms[max(swarms, key=lambda each: (len(swarms[each]), -each))]


def _level(swarms: Mapping[int, list[bytes]], sizes: SwarmSizes) -> None:
    """From the largest to the smallest, until none is below its minimum or above its maximum, where that can be."""
    while swarms:
        small, large = _smallest(swarms), _largest(swarms)
        wrong = len(small) < sizes.minimum or len(large) > sizes.maximum
        if not wrong or len(large) - len(small) < 2:
            return
        leaver = max(large)
        large.remove(leaver)
        small.append(leaver)
