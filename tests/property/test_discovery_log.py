"""The same log gives the same bytes: replayed, or continued from a snapshot, or with its mappings in another order."""

import random
from dataclasses import replace

import pytest

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import SigningKey
from essaim.protocol.view import Genesis, Header, Parameters, Role, SwarmSizes, ViewKeeper
from essaim.protocol.view.header import NO_HASH
from essaim.protocol.view.transaction import sign_transaction
from essaim.testing.clock import MONDAY_MS
from essaim.testing.registrant import Registrant
from essaim.view.v1 import view_pb2
from essaim_discovery import snapshot
from essaim_discovery.apply import apply
from essaim_discovery.authority import Authority
from essaim_discovery.log import Applied
from essaim_discovery.passing import next_due_ms
from essaim_discovery.state import State
from essaim_discovery.transaction import BeginView, Resume, Tick
from essaim_discovery.unsigned_view import entries_of, header_of, pieces_of

PARAMETERS = Parameters(
    x25519_period_seconds=60,
    kem_period_seconds=300,
    swarm_sizes=SwarmSizes(3, 3, 5),
    uptime_seconds=20,
    away_seconds=60,
    drop_seconds=400,
)
AUTHORITY = SigningKey(bytes(31) + b"\7")
GENESIS = Genesis.create("paper", [AUTHORITY], PARAMETERS, [], MONDAY_MS)


def random_log(seed: int, length: int = 350) -> list[Applied]:
    """What a driver could have been given: right, repeated, late and wrong transactions, between ticks and views."""
    dice, now_ms, serial = random.Random(seed), MONDAY_MS, 0
    nodes = [Registrant(GENESIS, number, Role.STORAGE if number % 2 else Role.RELAY) for number in range(14)]
    log: list[Applied] = []
    for _ in range(length):
        now_ms += dice.choice([0, 1, 500, 7_000])
        log.append(Resume(now_ms) if dice.random() < 0.02 else Tick(now_ms))
        node = dice.choice(nodes)
        match dice.randrange(13):
            case 0 | 1 | 2:
                log.append(node.register(now_ms))
            case 7 | 8 | 9:
                serial += 1
                log.append(BeginView(serial, dice.randbytes(32)))
            case 10:
                log.append(node.complete(dice.choice([0, 1 << 63]), max(0, serial - dice.randrange(3))))
            case 11:
                log.append(node.report(max(0, serial - dice.randrange(9)), *results(dice, nodes)))
            case 12:
                log.append(ordered(dice, node, len(log)))
            case 3:
                log.append(node.publish(*node.due(now_ms)))
            case 4 | 5:
                log.append(node.prove())
            case 6:
                log.append(node.leave(gone=dice.random() < 0.5))
            case _:
                log.append(dice.choice(log))
    return log


def results(dice: random.Random, nodes: list[Registrant]) -> list[discovery_pb2.TestResult]:
    kinds = [discovery_pb2.TEST_KIND_REACHABILITY, discovery_pb2.TEST_KIND_STORAGE]
    return [
        discovery_pb2.TestResult(
            node_id=dice.choice(nodes).node_id, kind=dice.choice(kinds), passed=dice.random() < 0.5
        )
    ]


def ordered(dice: random.Random, node: Registrant, sequence: int) -> discovery_pb2.SignedTransaction:
    """What the authority says of a node."""
    act = dice.choice(
        [
            {"retire": discovery_pb2.Retire(node_id=node.node_id, gone=dice.random() < 0.5)},
            {"decommission": discovery_pb2.Decommission(node_id=node.node_id)},
            {"recommission": discovery_pb2.Recommission(node_id=node.node_id)},
        ]
    )
    body = discovery_pb2.Transaction(
        network_id=GENESIS.network_id, node_id=AUTHORITY.public.raw, sequence=sequence + 1, **act
    )
    return sign_transaction(body, AUTHORITY)


def run(state: State, log: list[Applied]) -> State:
    for each in log:
        try:
            state, _ = apply(state, each)
        except ProtocolError:
            continue
    return state


def header(state: State) -> Header:
    return header_of(state, entries_of(state, {}), None)


@pytest.mark.parametrize("seed", range(6))
def test_same_log_gives_the_same_bytes(seed: int) -> None:
    print(f"seed {seed}")
    log = random_log(seed)
    once, again = run(State.of(GENESIS), log), run(State.of(GENESIS), log)
    assert snapshot.dump(once) == snapshot.dump(again)
    assert header(once).raw == header(again).raw
    assert once.members, "the log must lead somewhere"


@pytest.mark.parametrize("seed", range(6))
def test_snapshot_continues_as_the_state_would(seed: int) -> None:
    print(f"seed {seed}")
    log = random_log(seed)
    for cut in (1, 90, 333):
        half = run(State.of(GENESIS), log[:cut])
        back = snapshot.load(snapshot.dump(half), GENESIS)
        assert back == half
        assert snapshot.dump(run(back, log[cut:])) == snapshot.dump(run(half, log[cut:]))


def test_order_of_the_mappings_changes_nothing() -> None:
    log = random_log(11)
    state = run(State.of(GENESIS), log[:300])
    mixed = replace(
        state,
        members=dict(reversed(list(state.members.items()))),
        departed=dict(reversed(list(state.departed.items()))),
    )
    assert snapshot.dump(run(mixed, log[300:])) == snapshot.dump(run(state, log[300:]))
    assert header(mixed).raw == header(state).raw


def ahead(state: State) -> tuple[object, int]:
    """What a view made now would show."""
    view, _ = apply(state, BeginView(state.serial + 1, bytes(32)))
    return pieces_of(view), view.round.serial


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_due_that_a_tick_does_not_do(seed: int) -> None:
    """Otherwise a driver would spin, or a change would wait for the next transaction."""
    state = run(State.of(GENESIS), random_log(seed))
    state = replace(state, serial=1_000)
    for _ in range(10_000):
        due_ms = next_due_ms(state)
        if due_ms is None:
            break
        assert due_ms > state.now_ms
        early, events = apply(state, Tick(due_ms - 1))
        assert not events and pieces_of(early) == pieces_of(state)
        assert ahead(early) == ahead(state), "a view that nobody would have made"
        state, _ = apply(apply(state, Tick(due_ms))[0], BeginView(state.serial + 1, bytes(32)))
    else:
        raise AssertionError("the driver would never sleep")


@pytest.mark.parametrize("seed", range(3))
def test_refusals_leave_no_trace(seed: int) -> None:
    """A log of what was applied alone, as the driver keeps it, leads to the same state."""
    state, kept = State.of(GENESIS), list[Applied]()
    for each in random_log(seed):
        try:
            state, events = apply(state, each)
        except ProtocolError:
            continue
        if events or isinstance(each, Tick | Resume | BeginView):
            kept.append(each)
    assert snapshot.dump(run(State.of(GENESIS), kept)) == snapshot.dump(state)


@pytest.mark.parametrize("seed", range(2))
def test_views_of_any_log_follow_one_another_and_every_mailbox_has_a_swarm(seed: int) -> None:
    """As a reader checks them: chain, root, and moves that say something; once there is a swarm there is always one."""
    print(f"seed {seed}")
    authority, keeper, before, formed, moved = Authority.of(GENESIS, AUTHORITY), ViewKeeper(GENESIS), None, False, False
    state = State.of(GENESIS)
    for each in random_log(seed, 250):
        if not isinstance(each, BeginView):
            state = run(state, [each])
            continue
        serial, before_hash = (before.serial + 1, before.hash) if before is not None else (1, NO_HASH)
        state, _ = apply(state, BeginView(serial, before_hash))
        entries = entries_of(state, {})
        before = header_of(state, entries, before)
        nodes = [view_pb2.NodeEntry(pieces=entry.pieces) for entry in entries.values()]
        whole = view_pb2.WholeView(header=authority.sign(before), nodes=nodes)
        view = keeper.accept(view_pb2.ViewAnswer(whole=whole), 0)
        formed = formed or bool(view.swarms)
        moved = moved or any(node.move_serial for node in view.nodes.values())
        for mailbox_id in (bytes([number]) * 32 for number in range(8 if formed else 0)):
            assert view.swarm_of(mailbox_id).members and view.next_swarm_of(mailbox_id).members
            assert view.move_of(mailbox_id) <= view.serial
    assert formed and moved, "the log must lead somewhere"
