"""A disk that a spare began with is whole from the beginning: whoever joins can stand in for one that is gone."""

from types import SimpleNamespace

import pytest

from essaim.protocol.view import NodeState, Role
from essaim.testing.views import PaperNetwork
from essaim_storage import effects, events
from essaim_storage.arc import WHOLE
from essaim_storage.members import neighbours_of
from essaim_storage.message import Digest, Hello, Question
from essaim_storage.placement import Range
from essaim_storage.reconcile import BackgroundTimer
from simulated.stage import OWN, B, C, Stage, of, sent

D = b"d" * 32
SERIAL = 5


def newcomer(*, spare: bool) -> Stage:
    """OWN on a new disk; a view shows this start of it without a place, or none did before it had one."""
    stage = Stage(complete=False)
    stage.node = type(stage.node)(OWN, stage.store, stage.random.randbytes, stage.tuning)
    stage.do(events.Started())
    stage.do(events.ViewChanged(1, (), spare))
    stage.commit()
    return stage


def compared_with_b_alone(stage: Stage) -> list[effects.Effect]:
    """OWN, B and C are the swarm, D takes the place of C, which is gone; B has adopted and has nothing to give."""
    stage.do(events.ViewChanged(2, (Range.still((OWN, B, C)),)))
    move = Range(WHOLE, frozenset((OWN, B, C)), frozenset((OWN, B, D)), 7, SERIAL)
    found = [*stage.do(events.ViewChanged(SERIAL, (move,))), *stage.do(events.LinkUp(B))]
    for _ in range(4):
        found += stage.commit()
        found += stage.hear(B, Hello(bytes(16), incomplete=False, fresh=False, adopted=SERIAL), SERIAL)
        for question in sent(Question, found, B):
            found += stage.hear(B, Digest(question.number, ()), SERIAL)
    return found


def test_member_that_joined_as_a_spare_finishes_a_move_with_the_one_that_is_left():
    """r = 3: itself and one other are r - W + 1, though it never caught up with the one that is gone."""
    found = compared_with_b_alone(newcomer(spare=True))
    assert effects.TransferDone(7, SERIAL) in of(effects.TransferDone, found)


def test_member_whose_disk_may_have_lost_something_does_not():
    found = compared_with_b_alone(newcomer(spare=False))
    assert not of(effects.TransferDone, found)


def test_spare_says_that_it_is_not_fresh_once_that_is_on_its_disk():
    stage = newcomer(spare=True)
    assert stage.store.settled()
    stage.do(events.ViewChanged(2, (Range.still((OWN, B, C)),)))
    (hello,) = sent(Hello, stage.do(events.LinkUp(B)), B)
    assert (hello.fresh, hello.incomplete) == (False, True), "whole, and behind"


def test_spare_says_so_later_where_its_disk_was_full():
    stage = Stage(complete=False)
    stage.node = type(stage.node)(OWN, stage.store, stage.random.randbytes, stage.tuning)
    stage.do(events.Started())
    stage.do(events.ViewChanged(1, (), spare=True))
    stage.refuse()
    stage.do(events.ViewChanged(2, (Range.still((OWN, B, C)),)))
    assert not stage.store.settled()
    stage.do(events.Fired(BackgroundTimer()))
    stage.commit()
    assert stage.store.settled()


def test_member_with_a_place_is_not_taken_for_a_spare():
    stage = Stage(complete=False)
    stage.do(events.ViewChanged(2, (Range.still((OWN, B, C)),), spare=True))
    stage.commit()
    assert not stage.store.settled()


def test_record_that_goes_bad_is_a_loss_for_a_spare_too():
    stage = newcomer(spare=True)
    stage.do(events.RecordBad(bytes(32)))
    stage.commit()
    assert not stage.store.settled()
    stage.do(events.ViewChanged(3, (), True))
    stage.commit()
    assert stage.store.settled(), "but none of it is this node's to keep"


NETWORK = PaperNetwork()


@pytest.mark.parametrize("placed", [False, True])
def test_view_shows_a_spare_by_its_very_start(placed):
    entry = NETWORK.entry(NETWORK.pieces(1, Role.STORAGE, swarm_id=7 if placed else None, state=NodeState.ACTIVE))
    node = entry.node
    view = SimpleNamespace(epoch=1, serial=4, nodes={node.node_id: node})
    assert neighbours_of(view, node.node_id, node.start_id).spare is not placed
    assert not neighbours_of(view, node.node_id, b"an earlier start").spare
    assert not neighbours_of(view, b"another node", node.start_id).spare
