"""Arcs and ranges say the same as the view's own rule: the nearest swarm id keeps a mailbox, now and next."""

import random

from essaim.protocol.view.swarm import RING, nearest
from essaim_storage.arc import WHOLE, Arcs, arcs_by_swarm
from essaim_storage.placement import Place, ranges_of

IDS = (0, 1, 2, 3, 1 << 61, (1 << 61) + 1, 1 << 62, 1 << 63, (1 << 63) + 1, 3 << 62, RING - 1)


def points(rng: random.Random, ids: list[int]) -> list[int]:
    """Random positions, and those around every id and every middle between two."""
    middles = [(one + other) // 2 + turn for one in ids for other in ids for turn in (0, RING // 2)]
    edges = [(at + step) % RING for at in (*ids, *middles) for step in (-1, 0, 1)]
    return [*edges, *(rng.randrange(RING) for _ in range(20))]


def test_arcs_are_what_is_nearest_to_each_id():
    rng = random.Random(1)
    for _ in range(200):
        pool = [*IDS, *(rng.randrange(RING) for _ in range(5))]
        ids = rng.sample(sorted(set(pool)), rng.randint(1, 6))
        arcs = arcs_by_swarm(ids)
        for position in points(rng, ids):
            assert [each for each in ids if position in arcs[each]] == [nearest(position, ids)]


def test_arcs_are_sets():
    rng = random.Random(2)
    for _ in range(300):
        one, other = (
            Arcs.of(tuple(sorted((rng.randrange(60), rng.randrange(60)))) for _ in range(rng.randrange(4)))
            for _ in range(2)
        )
        ones, others = ({at for at in range(60) if at in each} for each in (one, other))
        for result, wanted in (
            (one | other, ones | others),
            (one & other, ones & others),
            (one - other, ones - others),
        ):
            assert {at for at in range(60) if at in result} == wanted
            assert result == Arcs.of(result.parts)
        assert (one <= other) == (ones <= others)
    assert WHOLE.rest == Arcs() and Arcs().rest == WHOLE


def test_ranges_are_the_places_of_the_view():
    rng = random.Random(3)
    for _ in range(100):
        ids = rng.sample(IDS, 3)
        nodes = [bytes((at,)) * 32 for at in range(9)]
        places = {}
        for node in nodes:
            now = rng.choice([*ids[:2], None])
            following = now if rng.random() < 0.6 else rng.choice([*ids, None])
            places[node] = Place(now, following, 0 if now == following else 7)
        check(rng, nodes, places)


def check(rng: random.Random, nodes: list[bytes], places: dict[bytes, Place]) -> None:
    now_ids = sorted({each.swarm_id for each in places.values() if each.swarm_id is not None})
    next_ids = sorted({each.next_id for each in places.values() if each.next_id is not None}) or now_ids
    ranges = {node: ranges_of(places, node) for node in nodes}
    for position in points(rng, [*now_ids, *next_ids])[:60]:
        now_id = nearest(position, now_ids) if now_ids else None
        next_id = nearest(position, next_ids) if next_ids else None
        old = {node for node, each in places.items() if each.swarm_id == now_id} if now_ids else set()
        new = {node for node, each in places.items() if each.next_id == next_id} or old
        for node in nodes:
            found = [each for each in ranges[node] if position in each.arcs]
            if node in old | new:
                (only,) = found
                assert (set(only.now), set(only.next)) == (old, new)
                assert bool(only.move_serial) == only.moves
            else:
                assert found == []
