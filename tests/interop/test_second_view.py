"""The second client's view reader and ours must come to one verdict, for one reason, whatever they are given."""

import json
import random
from pathlib import Path

import pytest
from google.protobuf.message import DecodeError

from essaim.protocol.view import Genesis, ViewKeeper, ViewRefusedError
from essaim.view.v1 import view_pb2
from second_view import Protos, Refused, ViewReader

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "view.json").read_text())
GENESIS, DIFF = bytes.fromhex(VECTORS["genesis"]), bytes.fromhex(VECTORS["diff"])
FIRST, SECOND = (bytes.fromhex(VECTORS[which]["answer"]) for which in ("first", "second"))
NOW_MS = VECTORS["now_ms"]
SEED = 20261123


@pytest.fixture(scope="module")
def protos():
    return Protos()


def second_verdict(protos, *answers):
    """The last answer's: header hash, or reason."""
    reader = ViewReader(protos, GENESIS)
    for answer in answers[:-1]:
        reader.accept(answer, NOW_MS)
    try:
        return reader.accept(answers[-1], NOW_MS).hash.hex()
    except Refused as refused:
        return refused.reason


def our_verdict(*answers):
    keeper = ViewKeeper(Genesis.parse(GENESIS))
    for answer in answers[:-1]:
        keeper.accept(view_pb2.ViewAnswer.FromString(answer), NOW_MS)
    try:
        return keeper.accept(view_pb2.ViewAnswer.FromString(answers[-1]), NOW_MS).hash.hex()
    except ViewRefusedError as refused:
        return refused.reason


def test_second_reader_comes_to_the_second_view_by_itself_and_by_the_diff(protos):
    newest = VECTORS["second"]["header_hash"]
    assert second_verdict(protos, FIRST) == VECTORS["first"]["header_hash"]
    assert second_verdict(protos, FIRST, DIFF) == second_verdict(protos, FIRST, SECOND) == newest
    assert second_verdict(protos, SECOND, FIRST) == "ROLLBACK"
    assert second_verdict(protos, DIFF) == "WRONG_CHAIN"
    for each in VECTORS["placement"]:
        reader = ViewReader(protos, GENESIS)
        members = reader.accept(SECOND, NOW_MS).swarm(bytes.fromhex(each["mailbox_id"]))
        assert {node.swarm_id for node in members} == {each["swarm_id"]}


def mutations(answer, rng):
    """Parsed and altered somewhere: a field's bytes, a piece gone, repeated, moved; signatures dropped."""
    message = view_pb2.ViewAnswer.FromString(answer)
    header = message.whole.header if message.HasField("whole") else message.diff.latest
    groups = [node.pieces for node in message.whole.nodes] + [change.pieces for change in message.diff.changed]
    lists = [header.signatures, message.whole.nodes, message.diff.changed, message.diff.removed, message.diff.headers]
    chosen = rng.choice([each for each in [*groups, *lists] if each])
    match rng.randrange(4):
        case 0:
            del chosen[rng.randrange(len(chosen))]
        case 1:
            chosen.append(rng.choice(chosen))
        case 2:
            chosen.append(chosen.pop(rng.randrange(len(chosen))))
        case 3:
            header.header = flipped(header.header, rng)
    return message.SerializeToString()


def flipped(data, rng):
    made = bytearray(data)
    made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    return bytes(made)


@pytest.mark.parametrize("held", [(), (FIRST,), (SECOND,)], ids=["nothing", "first", "second"])
@pytest.mark.parametrize("offered", [FIRST, SECOND, DIFF], ids=["whole-1", "whole-2", "diff"])
def test_both_readers_agree_on_altered_answers(protos, held, offered):
    rng = random.Random(SEED)
    seen = set()
    for number in range(60):
        altered = mutations(offered, rng) if number % 2 else flipped(offered, rng)
        try:
            view_pb2.ViewAnswer.FromString(altered)
        except DecodeError:  # our keeper takes parsed answers
            assert second_verdict(protos, *held, altered) == "MALFORMED"
            continue
        verdicts = {our_verdict(*held, altered), second_verdict(protos, *held, altered)}
        assert len(verdicts - {"MALFORMED"}) <= 1, (SEED, number, verdicts)  # MALFORMED has no place in the order
        assert len(verdicts) == 1 or all(map(str.isupper, verdicts)), (SEED, number, verdicts)
        seen |= verdicts
    assert len(seen) > 1
