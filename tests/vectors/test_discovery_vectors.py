"""discovery.json, made without our code: applied by ours, it must come to the same entries and root."""

import json
from pathlib import Path

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.view import Genesis
from essaim.protocol.view.entry import root_of
from essaim.protocol.view.testers import Candidate, draw
from essaim_discovery.apply import apply
from essaim_discovery.state import State
from essaim_discovery.transaction import BeginView
from essaim_discovery.unsigned_view import entries_of

VECTORS = json.loads(Path(__file__).with_name("discovery.json").read_text())


def test_transactions_come_to_the_root_that_the_law_gives() -> None:
    genesis = Genesis.parse(bytes.fromhex(VECTORS["genesis"]))
    assert genesis.network_id.hex() == VECTORS["network_id"]
    state = State.of(genesis)
    assert state.now_ms == VECTORS["now_ms"]
    for each in VECTORS["transactions"]:
        if isinstance(each, str):
            state, events = apply(state, discovery_pb2.SignedTransaction.FromString(bytes.fromhex(each)))
            assert events
        else:
            state, _ = apply(state, BeginView(each["begin_view"], bytes.fromhex(each["previous_hash"])))
    entries = entries_of(state, {})
    assert {node_id.hex(): entry.hash.hex() for node_id, entry in entries.items()} == VECTORS["entry_hashes"]
    assert root_of(entries.values()).hex() == VECTORS["nodes_root"]


def test_draw_is_the_one_that_the_law_gives() -> None:
    vector = VECTORS["draw"]
    candidates = [Candidate(bytes.fromhex(node), tests, swarm) for node, tests, swarm in vector["candidates"]]
    drawn = draw(bytes.fromhex(vector["seed"]), candidates)
    found = {(int(kind), node.hex()): [each.hex() for each in testers] for (kind, node), testers in drawn.items()}
    assert found == {(kind, node): testers for kind, node, testers in vector["testers"]}
