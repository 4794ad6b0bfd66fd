"""Paths and guards: no rule is ever bent, and an enemy gains nothing by churn or by failing."""

import random
import sys
from itertools import combinations, product
from pathlib import Path as FilePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from essaim.protocol.view import Role
from essaim.testing.effort import examples
from essaim.testing.randomness import SeededRandom
from essaim.testing.views import NOW_MS
from essaim_client.network.guard import RETRY_MS, SAMPLE_MAX, GuardSet
from essaim_client.network.lanes import Lanes
from essaim_client.network.path import PATH_LIFE_MS, NoPathError, PathChoice, SecondHops, may_share_path, prefix_of

sys.path.insert(0, str(FilePath(__file__).parents[1] / "unit"))
from paper_view import paper_node, paper_view

DAY_MS = 86_400_000


def storage(count=3):
    """A swarm whose members share no operator, prefix or region with any relay."""
    places = range(200, 200 + count)
    return [paper_node(at, Role.STORAGE, operator=at, prefix=at, region=at, swarm_id=1) for at in places]


def drawn(view, destination, seed):
    source = SeededRandom(seed)
    guards = GuardSet()
    guards.refresh(view, NOW_MS, source)
    candidates = guards.candidates(view, NOW_MS)
    seconds = SecondHops()
    seconds.refresh(view, candidates, NOW_MS, source)
    return PathChoice(view, candidates, seconds.nodes(view), destination), source


networks = st.builds(
    lambda places, stores, operators, prefixes, regions: paper_view(
        [
            *(paper_node(at, operator=o, prefix=p, region=r) for at, (o, p, r) in enumerate(places)),
            *(paper_node(at, Role.STORAGE, o, p, r, swarm_id=1) for at, (o, p, r) in enumerate(stores)),
        ],
        distinct_operators=operators,
        distinct_prefixes=prefixes,
        distinct_regions=regions,
    ),
    st.lists(st.tuples(*[st.integers(0, 4)] * 3), max_size=12),
    st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


@settings(max_examples=examples(150), deadline=None)
@given(networks, st.integers(0, 2**32))
def test_paths_keep_every_rule_or_are_refused(view, seed):
    destination = view.storage()[0]
    choice, source = drawn(view, destination, seed)
    try:
        path = choice.draw(NOW_MS, source)
    except NoPathError:
        for guard, middle, last in product(choice.guards, view.relays(), view.relays()):
            together = combinations((guard, middle, last, destination), 2)
            assert not all(may_share_path(view, *pair) for pair in together), "a path was possible"
        return
    nodes = (*path.hops, destination)
    assert len({node.node_id for node in nodes}) == 4
    assert not {hop.node_id for hop in path.hops} & {node.node_id for node in view.storage()}
    rules = view.parameters
    for wanted, name in (
        (rules.distinct_operators, lambda node: node.operator_id),
        (rules.distinct_prefixes, prefix_of),
        (rules.distinct_regions, lambda node: node.region),
    ):
        assert not wanted or len({name(node) for node in nodes}) == 4


def test_ten_thousand_paths_break_no_rule():
    relays = [paper_node(at, operator=at % 9, prefix=at % 11, region=at % 7) for at in range(60)]
    view = paper_view([*relays, *storage()], distinct_operators=True, distinct_prefixes=True, distinct_regions=True)
    guards, seconds, exits = set(), set(), set()
    choice, source = drawn(view, view.storage()[0], 5)
    for _ in range(10_000):
        path = choice.draw(NOW_MS, source)
        nodes = (*path.hops, view.storage()[0])
        assert all(may_share_path(view, *pair) for pair in combinations(nodes, 2))
        guards.add(path.guard.node_id)
        seconds.add(path.middle.node_id)
        exits.add(path.exit.node_id)
    assert len(guards) == 1
    assert len(seconds) <= 4
    assert len(exits) > 20


def test_exit_in_the_destination_s_swarm_is_never_taken():
    relays = [paper_node(at, swarm_id=1) for at in range(3)] + [paper_node(at) for at in range(3, 6)]
    view = paper_view([*relays, *storage()])
    barred = {node.node_id for node in relays[:3]}
    for seed in range(50):
        choice, source = drawn(view, view.storage()[0], seed)
        try:
            path = choice.draw(NOW_MS, source)
        except NoPathError:
            assert {guard.node_id for guard in choice.guards} <= barred
            continue
        assert not {hop.node_id for hop in path.hops} & barred


@pytest.mark.parametrize("seed", range(3))
def test_guards_are_few_under_months_of_churn(seed):
    source, dice = SeededRandom(seed), random.Random(seed)
    alive, born = list(range(40)), 40
    guards, primaries = GuardSet(), []
    for day in range(365):
        if dice.randrange(5) == 0:  # a relay goes for good, another comes
            alive.remove(dice.choice(alive))
            alive.append(born)
            born += 1
        view = paper_view([paper_node(number) for number in alive])
        guards.refresh(view, NOW_MS + day * DAY_MS, source)
        primary = guards.candidates(view, NOW_MS + day * DAY_MS)[0].node_id
        if not primaries or primaries[-1] != primary:
            primaries.append(primary)
    # A life is 90 to 120 days; beyond that only a guard's own death brings another.
    assert len(set(primaries)) <= 9, f"seed {seed}"


def test_flood_of_new_relays_does_not_enter_the_sample():
    source = SeededRandom(8)
    honest = [paper_node(number) for number in range(30)]
    guards = GuardSet()
    guards.refresh(paper_view(honest), NOW_MS, source)
    before = guards.encode()
    for day in range(30):
        hostile = [paper_node(1_000 + 100 * day + at) for at in range(100)]
        view = paper_view([*honest, *hostile])
        guards.refresh(view, NOW_MS + day * DAY_MS, source)
        assert guards.candidates(view, NOW_MS)[0].node_id in {node.node_id for node in honest}
    sampled = {guard.node_id for guard in GuardSet.decode(guards.encode())._guards}
    assert len(sampled) <= SAMPLE_MAX
    assert {guard.node_id for guard in GuardSet.decode(before)._guards} <= sampled


def test_failing_destinations_and_relays_never_change_the_guards():
    view = paper_view([*(paper_node(number) for number in range(30)), *storage()])
    now = [NOW_MS]
    source = SeededRandom(2)
    lanes = Lanes(GuardSet(), SecondHops(), lambda: now[0], source)
    first = lanes.path(b"lane", view, view.storage()[0])
    before = [(guard.node_id, guard.down_until_ms) for guard in lanes.guards._guards]
    for number in range(200):
        path = lanes.path(bytes([number]), view, view.storage()[number % 3])
        assert path.guard == first.guard
        lanes.failed(path, (path.middle.node_id, path.exit.node_id), guard=False)
        assert lanes.path(bytes([number]), view, view.storage()[0]).exit != path.exit
        now[0] += 30_000
    assert [(guard.node_id, guard.down_until_ms) for guard in lanes.guards._guards] == before


def test_guard_that_is_down_is_passed_over_and_tried_again():
    view = paper_view([*(paper_node(number) for number in range(30)), *storage()])
    guards = GuardSet()
    guards.refresh(view, NOW_MS, SeededRandom(3))
    first, second, third = guards.candidates(view, NOW_MS)
    guards.failed(first.node_id, NOW_MS)
    assert list(guards.candidates(view, NOW_MS + 1)) == [second, third, first]
    assert list(guards.candidates(view, NOW_MS + RETRY_MS + 1)) == [first, second, third]
    assert GuardSet.decode(guards.encode()).encode() == guards.encode()


@pytest.mark.parametrize("text", [b"", b"{", b"5", b"[5]", b'[{"a":1}]', b"\xff"])
def test_state_that_cannot_be_read_begins_anew(text):
    assert GuardSet.decode(text).encode() == b"[]"
    assert SecondHops.decode(text).encode() == b"[]"


def test_lane_keeps_its_path_for_ten_minutes_and_no_other_lane_s():
    view = paper_view([*(paper_node(number) for number in range(60)), *storage()])
    now = [NOW_MS]
    lanes = Lanes(GuardSet(), SecondHops(), lambda: now[0], SeededRandom(4))
    [target, *_] = view.storage()
    path = lanes.path(b"a", view, target)
    assert lanes.path(b"a", view, target) is path
    assert len({lanes.path(bytes([lane]), view, target).exit.node_id for lane in range(20)}) > 5
    now[0] += PATH_LIFE_MS
    assert lanes.path(b"a", view, target) is not path
    lanes.drop(b"a")
    kept = lanes.path(b"a", view, target)
    gone = paper_view([node for node in view.nodes.values() if node != kept.exit])
    assert kept.exit not in lanes.path(b"a", gone, target).hops
