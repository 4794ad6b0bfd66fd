"""When what members say against a request is believed."""

from types import SimpleNamespace

import pytest

from essaim.protocol.status import Refusal
from essaim_client.mailbox.refusals import Refusals, SwarmRefusedError
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.network.failure import DestinationRefusedError

NODES = [SimpleNamespace(node_id=bytes([number])) for number in range(5)]
MAILBOX = bytes(32)


class PaperViews:
    """A view that is nothing but one swarm; counts what it is asked for."""

    def __init__(self, size):
        self.current = SimpleNamespace(swarm_of=lambda _: SimpleNamespace(members=NODES[:size]))
        self.asked = []

    async def refresh(self, *, direct=False):
        self.asked.append("view")

    async def correct_clock(self):
        self.asked.append("clock")


def refusals(size=3, solve=None):
    views = PaperViews(size)
    return Refusals(Swarms(None, views, None, None), MAILBOX, solve), views


def said(reason, code=3):
    return DestinationRefusedError(Refusal(code, reason))


@pytest.mark.parametrize(("size", "needed"), [(1, 1), (2, 1), (3, 2), (5, 3)])
async def test_refusal_is_believed_from_r_minus_w_plus_one_members(size, needed):
    heard, _ = refusals(size)
    for node in NODES[: needed - 1]:
        assert not await heard.heard(node, said("QUOTA"))
        assert not await heard.heard(node, said("QUOTA"))  # once more is no second member
    with pytest.raises(SwarmRefusedError) as caught:
        await heard.heard(NODES[needed - 1], said("QUOTA"))
    assert caught.value.refused_reason == "QUOTA"


async def test_members_that_differ_are_not_believed():
    heard, _ = refusals()
    for node, reason in zip(NODES, ("QUOTA", "EXPIRY_REFUSED", "MALFORMED"), strict=False):
        assert not await heard.heard(node, said(reason))
    heard.settle()


async def test_refusal_of_who_is_no_member_does_not_count():
    heard, _ = refusals()
    assert not await heard.heard(NODES[4], said("QUOTA"))
    assert not await heard.heard(NODES[0], said("QUOTA"))


async def test_at_the_end_all_that_answered_are_believed():
    heard, _ = refusals()
    assert not await heard.heard(NODES[0], said("QUOTA"))
    with pytest.raises(SwarmRefusedError):
        heard.settle()


@pytest.mark.parametrize("other", [said("BUSY", 8), said("TIMEOUT", 4), said("WRONG_SWARM", 9)])
async def test_at_the_end_one_that_answers_otherwise_keeps_the_request(other):
    heard, _ = refusals()
    await heard.heard(NODES[1], other)
    assert not await heard.heard(NODES[0], said("QUOTA"))
    heard.settle()


async def test_each_member_is_obeyed_once_in_a_round():
    heard, views = refusals()
    assert await heard.heard(NODES[0], said("WRONG_SWARM", 9))
    assert not await heard.heard(NODES[0], said("CLOCK", 9))
    assert await heard.heard(NODES[1], said("CLOCK", 9))
    heard.begin_round()
    assert await heard.heard(NODES[0], said("CLOCK", 9))
    assert views.asked == ["view", "clock", "clock"]


async def test_puzzle_that_nobody_solves_is_a_refusal():
    heard, _ = refusals()
    assert not await heard.heard(NODES[0], said("PUZZLE_REQUIRED", 8))
    with pytest.raises(SwarmRefusedError):
        await heard.heard(NODES[1], said("PUZZLE_REQUIRED", 8))
