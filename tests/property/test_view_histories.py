"""Random histories: a diff leads from any view to the newest; placement spreads mailboxes and stays put."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from essaim.protocol.view import Entry, Role, ViewHistory, ViewKeeper
from essaim.protocol.view.swarm import RING, nearest, position_of
from essaim.testing.effort import examples
from essaim.testing.views import NOW_MS, PaperNetwork
from essaim.view.v1 import view_pb2

NET = PaperNetwork()


def _step(entries: dict[int, Entry], dice: random.Random) -> None:
    """Nodes come, go, restart, publish a further record, drop an old one."""
    for _ in range(dice.randrange(1, 4)):
        number = dice.randrange(8)
        held = entries.get(number)
        match dice.randrange(4):
            case 0 if held is not None and len(entries) > 1:
                del entries[number]
            case 1 if held is not None:
                entries[number] = NET.entry(held.pieces[:3])
            case 2 if held is not None and len(held.pieces) == 3:
                fresh = NET.entry(NET.pieces(number, Role.STORAGE, dice.randrange(RING)))
                entries[number] = NET.entry([fresh.pieces[0], *fresh.pieces[1:]])
            case _:
                entries[number] = NET.entry(NET.pieces(number))


@settings(max_examples=examples(25), deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 9))
def test_diff_from_any_view_leads_to_the_newest(seed: int, length: int) -> None:
    dice, entries = random.Random(seed), {0: NET.entry(NET.pieces(0))}
    author, history, wholes = ViewKeeper(NET.genesis), ViewHistory(), []
    for _ in range(length):
        before = author.current.header if author.current else None
        whole = NET.whole(entries.values(), before)
        wholes.append(whole)
        history.add(author.accept(view_pb2.ViewAnswer(whole=whole), NOW_MS))
        _step(entries, dice)
    newest = history.newest
    assert newest is not None
    for whole in wholes[:-1]:
        reader = ViewKeeper(NET.genesis)
        held = reader.accept(view_pb2.ViewAnswer(whole=whole), NOW_MS)
        answer = history.answer(held.epoch, held.serial)
        assert answer is not None and answer.HasField("diff")
        reached = reader.accept(view_pb2.ViewAnswer.FromString(answer.SerializeToString()), NOW_MS)
        assert reached.hash == newest.hash
        assert list(reached.entries) == list(newest.entries)
        assert reader.export() == author.export()


def test_placement_is_the_nearest_swarm_id_on_the_ring() -> None:
    assert nearest(10, [0, 20]) == 0  # a tie goes to the lower
    assert nearest(RING - 1, [5, RING // 2]) == 5  # round the end
    assert nearest(11, [0, 20]) == 20
    with pytest.raises(ValueError):
        nearest(1, [])


def test_placement_gives_even_swarms_even_shares() -> None:
    ids = [RING // 4 * each for each in range(4)]
    dice = random.Random(4)
    shares = Counter(nearest(position_of(dice.randbytes(32)), ids) for _ in range(20_000))
    assert all(4_600 < shares[each] < 5_400 for each in ids)


def test_placement_moves_only_what_a_new_swarm_takes() -> None:
    before, after = [0, RING // 2], [0, RING // 2, RING // 4]
    dice = random.Random(5)
    for _ in range(2_000):
        position = position_of(dice.randbytes(32))
        old, new = nearest(position, before), nearest(position, after)
        assert new in (old, RING // 4)
