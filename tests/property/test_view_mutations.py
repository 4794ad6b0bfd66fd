"""Ten thousand views that must not be accepted: old, forked, badly signed, expired, of another chain, altered."""

import random
from collections import Counter

import pytest
from google.protobuf.message import DecodeError

from essaim.protocol.view import Header, NetworkView, ViewHistory, ViewKeeper, ViewRefusedError
from essaim.testing.views import NOW_MS, PaperNetwork, changed_header
from essaim.view.v1 import view_pb2

ROUNDS = 10_000
SEED = 20_261_123


class Scene:
    """A keeper that holds serial 3, the answers that are right for it, and all that a liar could make of them."""

    def __init__(self, authorities: int, seed: int) -> None:
        self.net = net = PaperNetwork(authorities, seed)
        self.stranger = PaperNetwork(authorities, seed + 1)
        entries = [net.entry(net.pieces(number)) for number in range(4)]
        wholes: list[view_pb2.WholeView] = []
        self.headers: list[Header] = []
        for serial in range(5):
            entries[serial % 4] = net.entry(net.pieces(serial % 4))
            wholes.append(net.whole(entries, self.headers[-1] if self.headers else None))
            self.headers.append(Header.parse(wholes[-1].header.header))
        self.entries = entries
        self.older = [view_pb2.ViewAnswer(whole=whole) for whole in wholes[:2]]
        self.held = view_pb2.ViewAnswer(whole=wholes[2])
        self.next = view_pb2.ViewAnswer(whole=wholes[3])
        self.newest = view_pb2.ViewAnswer(whole=wholes[4])
        history, keeper = ViewHistory(), ViewKeeper(net.genesis)
        for whole in wholes:
            history.add(keeper.accept(view_pb2.ViewAnswer(whole=whole), NOW_MS))
        diff = history.answer(1, 3)
        assert diff is not None and len(diff.diff.headers) == 1
        self.diff = diff

    def keeper(self) -> ViewKeeper:
        keeper = ViewKeeper(self.net.genesis)
        keeper.accept(self.held, NOW_MS)
        return keeper

    def resigned(self, answer: view_pb2.ViewAnswer, raw: bytes, signers: list[int] | None = None):
        """The same answer under another header, properly signed."""
        copy = view_pb2.ViewAnswer()
        copy.CopyFrom(answer)
        signed = self.net.sign(raw, signers)
        (copy.whole.header if copy.HasField("whole") else copy.diff.latest).CopyFrom(signed)
        return copy


@pytest.fixture(scope="module", params=[1, 4, 7])
def scene(request) -> Scene:
    return Scene(request.param, SEED)


def rollback(scene: Scene, dice: random.Random):
    return dice.choice(scene.older), NOW_MS, {"ROLLBACK"}


def fork(scene: Scene, dice: random.Random):
    raw = changed_header(scene.headers[2], valid_from_ms=NOW_MS - dice.randrange(1, 10**9))
    return scene.resigned(scene.held, raw), NOW_MS, {"FORK"}


def below_threshold(scene: Scene, dice: random.Random):
    enough = scene.net.genesis.threshold
    chosen = dice.sample(range(len(scene.net.keys)), enough - 1)
    if chosen and dice.random() < 0.5:
        chosen += [dice.choice(chosen)] * dice.randrange(1, 8)  # one authority many times
    answer = dice.choice([scene.next, scene.newest, scene.diff])
    return scene.resigned(answer, _header_of(answer), chosen), NOW_MS, {"BELOW_THRESHOLD"}


def wrong_signers(scene: Scene, dice: random.Random):
    answer = view_pb2.ViewAnswer()
    answer.CopyFrom(dice.choice([scene.next, scene.newest, scene.diff]))
    signed = answer.whole.header if answer.HasField("whole") else answer.diff.latest
    forged = scene.stranger.sign(signed.header)
    if dice.random() < 0.5:  # a right signature under another's number
        forged = scene.net.sign(signed.header)
        for each in forged.signatures:
            each.authority += dice.randrange(1, 9)
    signed.CopyFrom(forged)
    return answer, NOW_MS, {"BELOW_THRESHOLD"}


def expired(scene: Scene, dice: random.Random):
    answer = dice.choice([scene.next, scene.newest, scene.diff])
    return answer, scene.headers[-1].valid_until_ms + dice.randrange(10**9), {"EXPIRED"}


def wrong_chain(scene: Scene, dice: random.Random):
    match dice.randrange(4):
        case 0:  # the next serial, of another past
            return scene.resigned(scene.next, _other_past(scene.headers[3], dice)), NOW_MS, {"WRONG_CHAIN"}
        case 1:  # a diff whose last header follows another one
            return scene.resigned(scene.diff, _other_past(scene.headers[4], dice)), NOW_MS, {"WRONG_CHAIN"}
        case 2:  # a header in between is missing
            answer = view_pb2.ViewAnswer()
            answer.CopyFrom(scene.diff)
            del answer.diff.headers[:]
        case _:  # or is another one
            answer = view_pb2.ViewAnswer()
            answer.CopyFrom(scene.diff)
            answer.diff.headers[0] = _other_past(scene.headers[3], dice)
    return answer, NOW_MS, {"WRONG_CHAIN"}


def wrong_network(scene: Scene, dice: random.Random):
    answer = dice.choice([scene.next, scene.newest, scene.diff])
    raw = changed_header(Header.parse(_header_of(answer)), network_id=dice.randbytes(32))
    return scene.resigned(answer, raw), NOW_MS, {"WRONG_NETWORK"}


def bit_flip(scene: Scene, dice: random.Random):
    """Anywhere in the transported bytes."""
    source = dice.choice([scene.next, scene.newest, scene.diff])
    data = bytearray(source.SerializeToString(deterministic=True))
    while True:
        at = dice.randrange(len(data) * 8)
        data[at // 8] ^= 1 << at % 8
        try:
            return view_pb2.ViewAnswer.FromString(bytes(data)), NOW_MS, None
        except DecodeError:
            data[at // 8] ^= 1 << at % 8


def resigned_lie(scene: Scene, dice: random.Random):
    """The authorities sign a root; somebody on the way changes, swaps, removes or adds an entry."""
    answer = view_pb2.ViewAnswer()
    answer.CopyFrom(dice.choice([scene.next, scene.newest]))
    nodes = answer.whole.nodes
    match dice.randrange(4):
        case 0:
            del nodes[dice.randrange(len(nodes))]
        case 1:
            nodes.append(nodes[dice.randrange(len(nodes))])
        case 2:
            del nodes[dice.randrange(len(nodes))].pieces[-1:]
        case _:
            nodes[dice.randrange(len(nodes))].pieces[:] = scene.net.pieces(dice.randrange(4))
    return answer, NOW_MS, {"MALFORMED"}


KINDS = [
    rollback, fork, below_threshold, wrong_signers, expired,
    wrong_chain, wrong_network, bit_flip, resigned_lie,
]  # fmt: skip


def _header_of(answer: view_pb2.ViewAnswer) -> bytes:
    return (answer.whole.header if answer.HasField("whole") else answer.diff.latest).header


def _other_past(header: Header, dice: random.Random) -> bytes:
    return changed_header(header, previous_hash=dice.randbytes(32))


def _same(view: NetworkView, other: NetworkView) -> bool:
    return view.hash == other.hash and [e.pieces for e in view.entries.values()] == [
        e.pieces for e in other.entries.values()
    ]


def test_keeper_accepts_none_of_ten_thousand_lies(scene: Scene) -> None:
    print(f"seed {SEED}, {len(scene.net.keys)} authorities")
    dice, refused = random.Random(SEED), Counter[str]()
    keeper = scene.keeper()
    held = keeper.current
    for number in range(ROUNDS // 3 + 1):
        kind = KINDS[number % len(KINDS)]
        answer, now_ms, reasons = kind(scene, dice)
        try:
            keeper.accept(answer, now_ms)
        except ViewRefusedError as error:
            assert reasons is None or error.reason in reasons, f"round {number}: {kind.__name__} gave {error.reason}"
            refused[error.reason] += 1
        else:
            raise AssertionError(f"round {number}: {kind.__name__} was accepted")
        assert keeper.current is held
    assert held is not None
    every = {"ROLLBACK", "FORK", "BELOW_THRESHOLD", "EXPIRED", "WRONG_CHAIN", "WRONG_NETWORK", "MALFORMED"}
    assert every <= set(refused)


def test_keeper_accepts_the_honest_answers_that_the_lies_were_made_of(scene: Scene) -> None:
    by_whole, by_diff = scene.keeper(), scene.keeper()
    whole, diff = by_whole.accept(scene.newest, NOW_MS), by_diff.accept(scene.diff, NOW_MS)
    assert (whole.epoch, whole.serial) == (1, 5)
    assert _same(whole, diff)
