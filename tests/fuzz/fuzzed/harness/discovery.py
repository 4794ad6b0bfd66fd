"""Transactions that anybody may send to discovery, signed by the node or authority that they name."""

from collections.abc import Iterator
from contextlib import suppress

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.keys import KeyRefusedError, SigningKey
from essaim.protocol.view import Genesis, Parameters, Role, SwarmSizes, ViewRefusedError
from essaim.protocol.view.descriptor import DESCRIPTOR_LABEL
from essaim.protocol.view.key_record import KEY_RECORD_LABEL
from essaim.protocol.view.testers import TestKind
from essaim.protocol.view.transaction import TRANSACTION_LABEL
from essaim.protocol.view.wire import parse
from essaim.testing.clock import MONDAY_MS
from essaim.testing.registrant import Registrant
from essaim.view.v1 import view_pb2
from essaim_discovery.admission import Admission
from essaim_discovery.apply import apply
from essaim_discovery.refusal import NotAdmittedError, TransactionRefusedError
from essaim_discovery.snapshot import dump, load
from essaim_discovery.state import State
from essaim_discovery.transaction import BeginView, Tick
from fuzzed.parser import Parser, chosen

AUTHORITY = SigningKey(bytes(31) + b"\7")
GENESIS = Genesis.create("fuzz", [AUTHORITY], Parameters(swarm_sizes=SwarmSizes(3, 3, 5)), [], MONDAY_MS)
NODES = [Registrant(GENESIS, number, Role.STORAGE if number > 1 else Role.RELAY) for number in range(6)]
NEWCOMER = Registrant(GENESIS, 9)
KEYS = {node.node_id: node.signing for node in (*NODES, NEWCOMER)} | {AUTHORITY.public.raw: AUTHORITY}
LISTED = Admission(nodes=frozenset(node.node_id for node in NODES))


def _begun() -> State:
    """Five nodes that are listed, one that is not, and a round of tests."""
    state, _ = apply(State.of(GENESIS), Tick(MONDAY_MS))
    for node in NODES[:5]:
        state, _ = apply(state, node.register(MONDAY_MS))
    for serial in (1, 2):
        state, _ = apply(state, Tick(MONDAY_MS + serial * 1_000_000))
        for node in NODES[:5]:
            state, _ = apply(state, node.prove())
        state, _ = apply(state, BeginView(serial, bytes([serial]) * 32))
    return state


STATE = _begun()


def transaction(data: bytes) -> object:
    """The first byte: whether it is signed by the node that it names, with its parts."""
    signs, rest = chosen(data, 2)
    signed = discovery_pb2.SignedTransaction(transaction=rest, signature=bytes(64))
    if signs:
        message = parse(discovery_pb2.Transaction, rest)
        _sign_parts(message)
        raw = message.SerializeToString() if message.WhichOneof("body") in ("register", "publish_keys") else rest
        key = KEYS.get(message.node_id)
        signature = key.sign(TRANSACTION_LABEL + raw) if key else bytes(64)
        signed = discovery_pb2.SignedTransaction(transaction=raw, signature=signature)
    with suppress(NotAdmittedError):  # it would not reach the log: what it does there must be harmless all the same
        LISTED.check(signed)
    state, _ = apply(STATE, signed)
    return _goes_on(state)


def _sign_parts(message: discovery_pb2.Transaction) -> None:
    key = KEYS.get(message.node_id)
    if key is None:
        return
    body = message.WhichOneof("body")
    if body == "register":
        descriptor = message.register.descriptor
        descriptor.signature = key.sign(DESCRIPTOR_LABEL + descriptor.descriptor)
    for record in (message.register.keys if body == "register" else message.publish_keys.keys)[:4] if body else ():
        record.signature = key.sign(KEY_RECORD_LABEL + record.record)


def _goes_on(state: State) -> State:
    """What was taken can be kept, and the next view made."""
    assert load(dump(state), GENESIS) == state, "a state that is not what was kept"
    state, _ = apply(state, Tick(state.now_ms + 1_000))
    state, _ = apply(state, BeginView(state.serial + 1, bytes(32)))
    return state


def transactions() -> Iterator[bytes]:
    storage, now_ms = NODES[2], STATE.now_ms
    other = discovery_pb2.Transaction
    signed = [
        NEWCOMER.register(now_ms),
        storage.register(now_ms),
        NODES[1].prove(),
        NODES[1].leave(),
        storage.leave(gone=True),
        storage.complete(0, 1),
        storage.report(2, discovery_pb2.TestResult(kind=int(TestKind.STORAGE), node_id=NODES[3].node_id, passed=True)),
    ]
    numbered = [other.FromString(each.transaction) for each in signed]
    for message in numbered:
        message.sequence += 10
    named = {"network_id": GENESIS.network_id, "node_id": AUTHORITY.public.raw, "sequence": 3}
    of = storage.node_id
    numbered += [
        other(retire=discovery_pb2.Retire(node_id=of), **named),
        other(decommission=discovery_pb2.Decommission(node_id=of), **named),
        other(recommission=discovery_pb2.Recommission(node_id=of), **named),
    ]
    for message in numbered:
        for record in message.register.keys:  # one key says as much as twelve
            inner = view_pb2.KeyRecord.FromString(record.record)
            if inner.kind != 2:
                record.record = inner.SerializeToString()
        yield b"\1" + message.SerializeToString()
    yield b"\0" + numbered[2].SerializeToString()


REFUSED = (TransactionRefusedError, ViewRefusedError, KeyRefusedError)
PARSERS = (Parser("discovery.transaction", transaction, REFUSED, transactions, longest=4_600),)
