"""Swarms: their sizes, and that nobody is moved who need not be."""

from hypothesis import given, settings
from hypothesis import strategies as st

from essaim.protocol.view import SwarmSizes
from essaim.protocol.view.swarm import RING
from essaim.testing.effort import examples
from essaim_discovery.placement import Assignment, age, assign, new_id

TESTNET = SwarmSizes(3, 3, 5)


def nodes(count: int, first: int = 0) -> list[bytes]:
    return [number.to_bytes(32, "big") for number in range(first, first + count)]


def place(previous: Assignment, listed: list[bytes], sizes: SwarmSizes = TESTNET) -> Assignment:
    return assign(previous, sorted(listed), listed, sizes)


def sizes_of(assignment: Assignment) -> list[int]:
    ids = list(assignment.values())
    return sorted(ids.count(each) for each in set(ids))


def test_six_are_two_swarms_nine_are_three_and_six_again_are_two() -> None:
    nine = nodes(9)
    six = place({}, nine[:6])
    assert sizes_of(six) == [3, 3]
    grown = place(six, nine)
    assert sizes_of(grown) == [3, 3, 3]
    assert {node: grown[node] for node in six} == six
    for gone in (nine[:3], nine[3:6], nine[6:], [nine[0], nine[3], nine[6]], [nine[1], nine[4], nine[2]]):
        left = [node for node in nine if node not in gone]
        assert sizes_of(place(grown, left)) == [3, 3]


def test_nodes_one_by_one_come_to_the_same_as_all_at_once() -> None:
    assignment: Assignment = {}
    for count in range(1, 10):
        assignment = place(assignment, nodes(count))
    assert assignment == place({}, nodes(9))


def test_spares_wait_until_they_are_a_swarm() -> None:
    sizes = SwarmSizes(5, 7, 10)
    assert place({}, nodes(6), sizes) == {}
    seven = place({}, nodes(7), sizes)
    assert sizes_of(seven) == [7]
    assert place(seven, nodes(13), sizes) == seven
    assert sizes_of(place(seven, nodes(14), sizes)) == [7, 7]


def test_spare_takes_the_place_of_one_that_is_gone() -> None:
    seven = nodes(7)
    before = place({}, seven)
    assert len(before) == 6
    (spare,) = set(seven) - set(before)
    after = place(before, [node for node in seven if node != seven[1]])
    assert after[spare] == before[seven[1]]
    assert {node: after[node] for node in before if node != seven[1]} == {
        node: before[node] for node in before if node != seven[1]
    }


def test_last_swarm_stays_however_small() -> None:
    three = place({}, nodes(3))
    assert place(three, nodes(1)) == {nodes(1)[0]: 0}
    assert place(three, []) == {}


def test_ids_halve_the_largest_gap() -> None:
    ids: list[int] = []
    for _ in range(8):
        ids.append(new_id(ids))
    assert ids == [at * RING // 8 for at in (0, 4, 2, 6, 1, 3, 5, 7)]
    assert sorted(ids, key=age) == ids


@settings(max_examples=examples(150), deadline=None)
@given(
    st.sampled_from([TESTNET, SwarmSizes(5, 7, 10), SwarmSizes(1, 1, 1), SwarmSizes(2, 5, 9)]),
    st.lists(st.tuples(st.booleans(), st.integers(0, 39)), max_size=60),
    st.sets(st.integers(0, 39), max_size=4),
)
def test_random_comings_and_goings(sizes: SwarmSizes, steps: list[tuple[bool, int]], away: set[int]) -> None:
    every = nodes(40)
    listed: set[bytes] = set()
    before: Assignment = {}
    for comes, number in steps:
        (listed.add if comes else listed.discard)(every[number])
        ready = listed - {every[each] for each in away}
        after = assign(before, sorted(listed), ready, sizes)
        check(before, after, listed, ready, sizes)
        assert assign(after, sorted(listed), ready, sizes) == after  # nothing moves without a reason
        before = after


def check(before: Assignment, after: Assignment, listed: set[bytes], ready: set[bytes], sizes: SwarmSizes) -> None:
    assert set(after) <= listed
    spares = ready - set(after)
    assert len(spares) < sizes.target
    standing = set(after.values())
    for node, swarm in after.items():
        stayed = before.get(node)
        if stayed != swarm:  # moved: from a swarm that is no more, or from nowhere
            assert stayed not in standing or stayed is None
            assert node in ready
    for swarm in standing:
        size = list(after.values()).count(swarm)
        assert size <= max(sizes.maximum, sizes.target)
        assert size >= sizes.minimum or not spares
    for node in before:
        if node in listed and before[node] in standing:
            assert after[node] == before[node]
