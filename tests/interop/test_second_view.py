"""The second client's view reader and ours must come to one verdict, for one reason, whatever they are given."""

import json
import random
import time
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import DecodeError

from essaim.protocol.view import Genesis, ViewKeeper, ViewRefusedError
from essaim.view.v1 import view_pb2
from second_client import MAILBOXES, Network
from second_view import Refused, ViewReader, now_ms

pytestmark = pytest.mark.timeout(150)  # the first test waits for a whole network

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "view.json").read_text())
GENESIS, DIFF = bytes.fromhex(VECTORS["genesis"]), bytes.fromhex(VECTORS["diff"])
FIRST, SECOND = (bytes.fromhex(VECTORS[which]["answer"]) for which in ("first", "second"))
NOW_MS = VECTORS["now_ms"]
SEED = 20261123


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


# Views of a real network


def test_view_of_the_seed_is_accepted_and_lists_the_network(network):
    roles = sorted(node.descriptor.role for node in network.view.nodes.values())
    assert roles == [1, 1, 1, 2, 2, 2]
    assert len(network.view.relays()) == 3
    assert len(network.view.swarm(bytes(32))) == 3


def seed_answer(network, *held):
    return network.ask_view(network.seeds[0], network.reader.genesis.discovery_certificates, *held)


def flip(data, at=-1):
    made = bytearray(data)
    made[at] ^= 1
    return bytes(made)


def alter_header(answer):
    answer.whole.header.header = flip(answer.whole.header.header)


def alter_signature(answer):
    answer.whole.header.signatures[0].signature = flip(answer.whole.header.signatures[0].signature)


def drop_node(answer):
    del answer.whole.nodes[0]


def repeat_node(answer):
    answer.whole.nodes.append(answer.whole.nodes[0])


def alter_descriptor(answer):
    answer.whole.nodes[0].pieces[1] = flip(answer.whole.nodes[0].pieces[1])


def drop_key_record(answer):
    del answer.whole.nodes[0].pieces[-1]


@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        (alter_header, "MALFORMED BELOW_THRESHOLD"),
        (alter_signature, "BELOW_THRESHOLD"),
        (drop_node, "MALFORMED"),
        (repeat_node, "MALFORMED"),
        (alter_descriptor, "BAD_SIGNATURE"),
        (drop_key_record, "MALFORMED"),
    ],
)
def test_altered_view_is_refused(network, testnet, protos, alter, reason):
    answer = protos["essaim.view.v1.ViewAnswer"].FromString(seed_answer(network))
    alter(answer)
    with Network(testnet.network_file, protos) as fresh, pytest.raises(Refused) as refused:
        fresh.reader.accept(answer.SerializeToString(), now_ms())
    assert refused.value.reason in reason.split()


@pytest.mark.parametrize("reason", ["ROLLBACK", "FORK", "WRONG_CHAIN", "EXPIRED"])
def test_view_that_does_not_follow_the_held_one_is_refused(network, testnet, protos, reason):
    answer = seed_answer(network)
    with Network(testnet.network_file, protos) as fresh:
        held = fresh.reader.accept(answer, now_ms())
        header = deepcopy(held.header)
        header.serial += {"ROLLBACK": 1, "WRONG_CHAIN": -1}.get(reason, 0)
        fresh.reader.held = replace(held, header=header, hash=held.hash if reason == "EXPIRED" else bytes(32))
        with pytest.raises(Refused) as refused:
            fresh.reader.accept(answer, held.header.valid_until_ms if reason == "EXPIRED" else now_ms())
    assert refused.value.reason == reason


def test_view_of_another_network_is_refused(network, protos):
    authority = Ed25519PrivateKey.generate()
    genesis = deepcopy(network.reader.genesis)
    genesis.authorities[:] = [authority.public_key().public_bytes_raw()]
    encoded = genesis.SerializeToString()
    signature = authority.sign(b"essaim/genesis-signature/v1" + encoded)
    signed = protos["essaim.view.v1.SignedGenesis"](genesis=encoded)
    signed.signatures.add(authority=0, signature=signature)
    with pytest.raises(Refused, match="WRONG_NETWORK"):
        ViewReader(protos, signed.SerializeToString()).accept(seed_answer(network), now_ms())
    signed.signatures[0].signature = flip(signature, 3)
    with pytest.raises(Refused, match="BELOW_THRESHOLD"):
        ViewReader(protos, signed.SerializeToString())


def answered_within(attempts, ask):
    """Whether the other nodes learn the new view in time: until then they refuse."""
    for attempt in range(attempts):
        try:
            return ask() is not None
        except Refused as refused:
            assert refused.reason in {"KEY_UNKNOWN", "NOT_LISTED", "UNREACHABLE"}
            time.sleep(0.1 * 2**attempt)
    return False


def empty_piece(diff):
    diff.changed[0].pieces[0].ClearField("piece")


def remove_stranger(diff):
    diff.removed.append(bytes(32))


def keep_missing_piece(diff):
    diff.changed[0].pieces[0].kept = 35


def test_restarted_relay_comes_as_a_diff_and_is_used_by_its_new_keys(testnet, protos, network, inbox):
    before, relay = network.view, testnet.node("relay-3")
    relay.kill()
    relay.start()
    relay.await_ready(30)
    answer = protos["essaim.view.v1.ViewAnswer"]()
    while not answer.HasField("diff"):
        time.sleep(0.2)
        answer.ParseFromString(seed_answer(network, *before.at))
    for alter in (empty_piece, remove_stranger, keep_missing_piece):
        forged = deepcopy(answer)
        alter(forged.diff)
        with pytest.raises(Refused, match="MALFORMED"):
            network.reader.accept(forged.SerializeToString(), now_ms())
    after = network.reader.accept(answer.SerializeToString(), now_ms())
    assert after.at > before.at
    (node_id,) = (each for each in after.nodes if after.nodes[each].keys != before.nodes[each].keys)
    assert after.nodes[node_id].descriptor.start_id != before.nodes[node_id].descriptor.start_id
    others = [node for node in network.usable() if node.node_id != node_id]
    path = [others[0], after.nodes[node_id], others[1], network.member(inbox)]
    question = inbox.read("RetrieveRequest", b"\0")
    assert answered_within(8, lambda: network.send(path, f"{MAILBOXES}.Retrieve", question))
