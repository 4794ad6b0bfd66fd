"""Swarms as networks grow, shrink and break: sizes, NOW and NEXT, ends of moves, and what no random story may do."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from essaim.protocol.view import SwarmSizes
from essaim.protocol.view.swarm import RING, nearest
from essaim.testing.effort import examples
from essaim_discovery.move import quorum
from essaim_discovery.placement import step
from essaim_discovery.ring import age, neighbours, new_id
from placement_story import LIMIT_MS, STEP_MS, TESTNET, Story, grouped, node

WIDE = SwarmSizes(5, 7, 10)
FIRST = 0
PROBES = [at * RING // 64 + 12_345 for at in range(64)]


def grown(count: int, sizes: SwarmSizes = TESTNET) -> Story:
    story = Story(sizes)
    story.join(*range(count))
    story.settle()
    return story


def moving(story: Story) -> bool:
    return any(seat.now != seat.then for seat in story.seats.values())


# Growing and shrinking


def test_testnet_grows_from_six_to_nine_and_back_to_six() -> None:
    story = grown(6)
    assert story.sizes_now() == [3, 3]
    story.join(6, 7, 8)
    story.settle()
    assert story.sizes_now() == [3, 3, 3]
    for number in (2, 7, 4):
        story.leave(number)
        story.settle()
        assert node(number) not in story.seats
    assert story.sizes_now() == [3, 3]


@pytest.mark.parametrize("leavers", [(0, 1, 2), (0, 3, 6), (2, 7, 5)])
def test_nodes_that_leave_together_are_replaced_and_listed_no_longer(leavers: tuple[int, ...]) -> None:
    story = grown(9)
    for number in leavers:
        story.leave(number)
    story.settle()
    assert story.sizes_now() == [3, 3]
    assert not {node(number) for number in leavers} & story.seats.keys()


@pytest.mark.parametrize(
    ("count", "expected"), [(4, []), (5, [5]), (6, [6]), (7, [7]), (13, [7]), (14, [7, 7]), (21, [7, 7, 7])]
)
def test_first_swarm_forms_at_the_minimum_and_fills_to_the_target(count: int, expected: list[int]) -> None:
    assert grown(count, WIDE).sizes_now() == expected


def test_nodes_one_by_one_come_to_the_same_sizes_as_all_at_once() -> None:
    story = Story()
    for number in range(12):
        story.join(number)
        story.settle()
    assert story.sizes_now() == grown(12).sizes_now() == [3, 3, 3, 3]


# Moves


def test_swarm_that_forms_later_has_no_range_until_its_quorum_is_complete() -> None:
    story = grown(3)
    story.join(3, 4, 5)
    story.view()
    story.view()
    before = story.swarms()
    assert list(before) == [FIRST] and len(story.next_swarms()) == 2
    (move,) = story.moves
    assert move.serial == story.serial
    story.complete(3)
    story.view()
    assert story.swarms() == before, "one of three is no quorum"
    story.complete(5)
    story.view()
    assert story.sizes_now() == [3, 3] and not story.moves


def test_members_that_stay_count_to_the_quorum_and_those_of_other_swarms_do_not() -> None:
    story = grown(7)
    spare = next(seat for seat in story.seats.values() if seat.now is None)
    swarms = story.swarms()
    leaver = int.from_bytes(min(swarms[FIRST]), "big")
    other = next(members for swarm_id, members in swarms.items() if swarm_id != FIRST)
    story.leave(leaver)
    story.view()
    assert story.seats[spare.node_id].then == FIRST and story.seats[node(leaver)].then is None
    for node_id in other:
        story.complete(int.from_bytes(node_id, "big"))
    story.complete(leaver)
    story.view()
    assert story.moves, "neither another swarm nor the leaver can vouch for NEXT"
    for node_id in sorted(swarms[FIRST] - {node(leaver)}):
        story.complete(int.from_bytes(node_id, "big"))
    story.view()
    assert not story.moves and story.swarms()[FIRST] == swarms[FIRST] - {node(leaver)} | {spare.node_id}


def test_at_most_r_minus_w_are_replaced_in_a_view() -> None:
    story = grown(14, SwarmSizes(7, 7, 13))
    assert story.sizes_now() == [7, 7]
    story.join(*range(14, 20))
    story.view()
    members = sorted(story.swarms()[FIRST])
    for node_id in members[:5]:
        story.leave(int.from_bytes(node_id, "big"))
    story.view()
    after = story.next_swarms()[FIRST]
    assert len(set(members) - after) == len(after - set(members)) == 3


def test_joiner_that_dies_ends_the_move_where_it_began_and_another_takes_its_place() -> None:
    story = grown(8)
    first, second = (seat.node_id for seat in story.seats.values() if seat.now is None)
    before = story.swarms()
    leaver = int.from_bytes(min(before[FIRST]), "big")
    story.leave(leaver)
    story.view()
    joiner = first if story.seats[first].then == FIRST else second
    story.die(int.from_bytes(joiner, "big"))
    placed = story.view()
    assert placed.aborted == 1 and story.swarms() == before == story.next_swarms()
    story.settle()
    assert story.swarms()[FIRST] == before[FIRST] - {node(leaver)} | ({first, second} - {joiner})


def test_move_that_takes_too_long_is_taken_back() -> None:
    story = grown(3)
    story.join(3, 4, 5)
    story.view()
    story.view()
    for _ in range(LIMIT_MS // STEP_MS):
        assert story.moves
        placed = story.view()
    assert placed.aborted == 1 and not story.moves and not moving(story)


def test_swarm_rests_for_a_view_after_a_move() -> None:
    story = grown(7)
    story.leave(int.from_bytes(min(story.swarms()[FIRST]), "big"))
    story.view()
    story.join(9)
    story.complete_all()
    story.leave(int.from_bytes(max(story.swarms()[FIRST]), "big"))
    story.view()
    assert not story.moves
    story.view()
    assert story.moves


# Losses


def test_node_gone_for_good_is_replaced_from_the_survivors() -> None:
    story = grown(7)
    (lost,) = [int.from_bytes(min(story.swarms()[FIRST]), "big")]
    story.lose(lost)
    story.view()
    assert story.seats[node(lost)].now == FIRST, "it is in NOW until NEXT is complete"
    story.settle()
    assert story.sizes_now() == [3, 3] and node(lost) not in story.seats


def test_dead_member_keeps_its_place_while_it_may_come_back() -> None:
    story = grown(7)
    before = story.swarms()
    story.die(int.from_bytes(min(before[FIRST]), "big"))
    story.settle()
    assert story.swarms() == before


def test_swarm_that_lost_its_quorum_for_good_goes_on_with_the_survivor() -> None:
    story = grown(8)
    *lost, survivor = sorted(story.swarms()[FIRST])
    for node_id in lost:
        story.lose(int.from_bytes(node_id, "big"))
    placed = story.view()
    assert placed.lost == 1 and story.swarms()[FIRST] == {survivor}
    story.settle()
    assert story.sizes_now() == [3, 3] and survivor in story.swarms()[FIRST]


def test_swarm_without_survivors_leaves_its_range_to_its_neighbours() -> None:
    story = grown(9)
    victim = max(story.swarms())
    for node_id in story.swarms()[victim]:
        story.lose(int.from_bytes(node_id, "big"))
    story.settle()
    assert victim not in story.swarms() and story.sizes_now() == [3, 3]


def test_last_swarm_stays_on_the_ring_until_others_can_take_its_place() -> None:
    story = grown(3)
    for number in range(3):
        story.lose(number)
    story.settle()
    assert story.sizes_now() == [3]
    story.join(7, 8, 9)
    story.settle()
    assert story.swarms() == {FIRST: {node(7), node(8), node(9)}}


def test_leaving_node_waits_for_somebody_to_take_its_place() -> None:
    story = grown(3)
    story.leave(1)
    story.settle()
    assert node(1) in story.swarms()[FIRST]
    story.join(5)
    story.settle()
    assert story.swarms()[FIRST] == {node(0), node(2), node(5)}


# Order


def test_new_node_waits_for_a_view_that_lists_it() -> None:
    """It could choose its id with the hash of the newest view in mind, not with that of the next."""
    story = Story()
    story.join(0, 1, 2)
    story.view()
    assert story.swarms() == {}
    story.view()
    assert story.sizes_now() == [3]


def test_order_of_spares_follows_the_hash_of_the_view_before() -> None:
    def taken(seed: bytes) -> bytes:
        story = grown(10)
        story.leave(int.from_bytes(min(story.swarms()[FIRST]), "big"))
        for number in range(20, 30):
            story.join(number)
            story.change(number, shown=True)
        placed = step(story.seats.values(), (), replace(story.turn, seed=seed))
        return min(seat.node_id for seat in placed.seats.values() if seat.now is None and seat.then == FIRST)

    assert len({taken(bytes([at]) * 32) for at in range(20)}) > 4


def test_ids_halve_the_largest_gap() -> None:
    ids: list[int] = []
    for _ in range(8):
        ids.append(new_id(ids))
    assert ids == [at * RING // 8 for at in (0, 4, 2, 6, 1, 3, 5, 7)]
    assert sorted(ids, key=age) == ids


@given(st.sets(st.integers(0, RING - 1), min_size=2, max_size=9), st.integers(0, RING - 1))
def test_only_neighbours_ranges_change_when_a_swarm_comes_or_goes(ids: set[int], position: int) -> None:
    for victim in ids:
        before, after = nearest(position, ids), nearest(position, ids - {victim})
        if before != after:
            assert before == victim and after in neighbours(victim, ids)


# A random story

ACTS = ("join", "die", "lose", "leave", "come_back", "complete", "complete_all", "view", "view")


@settings(max_examples=examples(300), deadline=None)
@given(
    st.sampled_from([SwarmSizes(3, 3, 5), WIDE, SwarmSizes(1, 1, 1), SwarmSizes(2, 5, 9)]),
    st.integers(0, 20),
    st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 29)), max_size=80),
    st.integers(0, 2**32),
)
def test_random_story(sizes: SwarmSizes, founders: int, acts: list[tuple[str, int]], seed: int) -> None:
    dice, story = random.Random(seed), Story(sizes)
    story.join(*range(founders))
    story.settle()
    for act, number in acts:
        if act == "view":
            checked_view(story, dice)
        elif act == "complete_all":
            story.complete_all()
        else:
            getattr(story, act)(number)
    story.settle()
    checked_view(story, dice)
    assert not moving(story), "whatever happened, it comes to rest when nothing more happens"


def checked_view(story: Story, dice: random.Random) -> None:
    """The next view, and what no view may do."""
    before, moves, now = dict(story.seats), story.moves, story.swarms()
    told = {key: replace(seat) for key, seat in before.items()}
    placed = story.view()
    same_in_any_order(told, moves, story, placed, dice)
    check_ranges(now, story)
    check_moves(before, moves, story, placed)


def same_in_any_order(seats, moves, story: Story, placed, dice: random.Random) -> None:
    mixed = list(seats.values())
    dice.shuffle(mixed)
    assert step(mixed, moves, story.turn) == placed


def check_ranges(now: dict[int, frozenset[bytes]], story: Story) -> None:
    """Every mailbox has a NOW and a NEXT swarm with members, once there was one."""
    if now:
        assert story.swarms() and story.next_swarms()
    for position in PROBES if story.swarms() else ():
        assert story.swarms()[nearest(position, story.swarms())]
        assert story.next_swarms()[nearest(position, story.next_swarms())]


def check_moves(before, moves, story: Story, placed) -> None:
    after = placed.seats
    busy = [swarm_id for move in placed.moves for swarm_id in move.swarms]
    assert len(busy) == len(set(busy)), "no swarm is in two moves"
    was, will_be = grouped((seat.now, seat.node_id) for seat in before.values()), story.swarms()
    for move in moves:
        if move in placed.moves:  # it goes on: nothing of it changes
            for node_id, seat in before.items():
                if move.concerns(seat):
                    assert (after[node_id].now, after[node_id].then) == (seat.now, seat.then)
    for move in placed.moves:
        for swarm_id in move.swarms:
            changed(was.get(swarm_id, frozenset()), swarm_id, move, after, story)
    for node_id, seat in before.items():
        if seat.now is not None and after[node_id].now != seat.now:
            left_rightly(seat, after, moves, before)
        if seat.now is None and after[node_id].now is not None and was:
            joined_rightly(seat, after[node_id].now, moves, before)
    assert will_be.keys() or not was


def changed(now: frozenset[bytes], swarm_id: int, move, after, story: Story) -> None:
    """At most r - W members of a swarm that stays are replaced by a move."""
    following = {node_id for node_id, seat in after.items() if seat.then == swarm_id}
    if now and following and move.serial == story.serial:
        most = max(1, len(now) - quorum(len(now)))
        assert len(now - following) <= most and len(following - now) <= most


def left_rightly(seat, after, moves, before) -> None:
    """It left NOW by a move that a quorum of each receiving swarm has completed, or because it is gone for good, or
    with a swarm of which nobody is left."""
    if seat.gone:
        return
    ended = [move for move in moves if move.concerns(seat) and move.is_complete(list(before.values()))]
    assert ended and seat.then != seat.now


def joined_rightly(seat, swarm_id: int, moves, before) -> None:
    """It came into NOW by a move that is complete; at once only where nobody is left who had the data."""
    ended = [move for move in moves if move.concerns(seat) and move.is_complete(list(before.values()))]
    members = [each for each in before.values() if each.now == swarm_id]
    assert ended or all(each.gone for each in members)
