"""Who tests whom: the draw, as discovery makes it and as a node reads it off its view."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from essaim.protocol.kdf import blake2b256
from essaim.protocol.view import Move, NetworkView, NodeState, Role, ViewKeeper
from essaim.protocol.view.testers import TESTERS, Candidate, TestKind, candidates_of, draw, drawn_for
from essaim.testing.views import NOW_MS, PaperNetwork, small_parameters
from essaim.view.v1 import view_pb2

SEED = bytes(range(32))
AWAY_MS = 900_000


def crowd(count: int, swarm_size: int = 0, expelled: frozenset[int] = frozenset()) -> list[Candidate]:
    return [
        Candidate(blake2b256(b"node", bytes([at])), at not in expelled, at // swarm_size if swarm_size else None)
        for at in range(count)
    ]


@pytest.mark.parametrize(("count", "each"), [(1, 0), (2, 1), (3, 2), (6, 5), (7, 5), (40, 5)])
def test_each_node_has_up_to_five_testers_and_never_itself(count: int, each: int) -> None:
    drawn = draw(SEED, crowd(count))
    assert len(drawn) == count
    for (kind, node_id), testers in drawn.items():
        assert kind == TestKind.REACHABILITY and node_id not in testers
        assert len(testers) == len(set(testers)) == each


def test_storage_is_tested_within_the_swarm_alone() -> None:
    candidates = crowd(9, swarm_size=3)
    swarm_of = {each.node_id: each.swarm_id for each in candidates}
    stored = {
        node_id: testers for (kind, node_id), testers in draw(SEED, candidates).items() if kind == TestKind.STORAGE
    }
    assert len(stored) == 9
    for node_id, testers in stored.items():
        assert len(testers) == 2 and {swarm_of[tester] for tester in testers} == {swarm_of[node_id]}


def test_expelled_node_is_tested_and_tests_nobody() -> None:
    candidates = crowd(8, expelled=frozenset([3]))
    drawn = draw(SEED, candidates)
    assert len(drawn[TestKind.REACHABILITY, candidates[3].node_id]) == TESTERS
    assert all(candidates[3].node_id not in testers for testers in drawn.values())


@given(st.integers(0, 30), st.randoms(use_true_random=False), st.sets(st.integers(0, 29)))
def test_order_of_the_candidates_changes_nothing(count: int, dice, expelled: set[int]) -> None:
    candidates = crowd(count, swarm_size=4, expelled=frozenset(expelled))
    mixed = list(candidates)
    dice.shuffle(mixed)
    assert draw(SEED, mixed) == draw(SEED, candidates)


def test_another_seed_draws_others_and_everybody_is_drawn_as_often() -> None:
    candidates = crowd(20)
    drawn = [draw(bytes([at]) * 32, candidates) for at in range(50)]
    first = (TestKind.REACHABILITY, candidates[0].node_id)
    assert len({each[first] for each in drawn}) > 40
    for each in drawn:
        for candidate in candidates:
            assert sum(candidate.node_id in testers for testers in each.values()) == TESTERS


# As a node reads it


def view_of(draws: bool = True) -> tuple[PaperNetwork, NetworkView]:
    """A second view: 6 relays, 3 storage nodes in a swarm, one that joins it, one that is away, one that is new."""
    net = PaperNetwork(parameters=small_parameters())
    old = NOW_MS - AWAY_MS
    entries = [net.entry(net.pieces(at, registered_ms=old)) for at in range(6)]
    entries += [net.entry(net.pieces(at, Role.STORAGE, 0, registered_ms=old)) for at in range(6, 9)]
    entries.append(net.entry(net.pieces(9, Role.STORAGE, None, Move(0, 2), registered_ms=old)))
    entries.append(net.entry(net.pieces(10, state=NodeState.AWAY, registered_ms=old)))
    entries.append(net.entry(net.pieces(11, registered_ms=old + 1)))
    keeper = ViewKeeper(net.genesis)
    first = keeper.accept(view_pb2.ViewAnswer(whole=net.whole(entries)), NOW_MS)
    second = net.whole(entries, first.header, draws_tests=draws)
    return net, keeper.accept(view_pb2.ViewAnswer(whole=second), NOW_MS)


def test_node_reads_its_drawn_forf_a_view_that_draws() -> None:
    net, view = view_of()
    ids = [net.identity(at).public.raw for at in range(12)]
    assert {each.node_id for each in candidates_of(view)} == set(ids[:10])
    told = [(kind, node_id, tester) for tester in ids for kind, node_id in drawn_for(view, tester)]
    drawn = draw(view.header.previous_hash, candidates_of(view))
    assert sorted(told) == sorted((*subject, tester) for subject, testers in drawn.items() for tester in testers)
    stored = {node_id for kind, node_id, _ in told if kind == TestKind.STORAGE}
    assert stored == set(ids[6:9]), "who joins has nothing to show yet"


def test_view_that_draws_nothing_asks_for_nothing() -> None:
    net, view = view_of(draws=False)
    assert not view.header.draws_tests
    assert drawn_for(view, net.identity(1).public.raw) == []
