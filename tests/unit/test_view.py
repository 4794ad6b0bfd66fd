"""The signed view: thresholds, what a reader checks, what it keeps, which onion keys it uses."""

from dataclasses import replace

import pytest

from essaim.protocol.keys import AgreementKey, KemKey, SigningKey
from essaim.protocol.onion.keyring import KeyKind
from essaim.protocol.view import (
    BadSignatureError,
    BelowThresholdError,
    Entry,
    ExpiredError,
    ForkError,
    Genesis,
    Header,
    KeyRecord,
    MalformedError,
    Node,
    NodeState,
    NoSwarmError,
    Parameters,
    Role,
    RollbackError,
    SwarmSizes,
    ViewHistory,
    ViewKeeper,
    ViewRefusedError,
)
from essaim.protocol.view.authority import sign, signers, threshold
from essaim.protocol.view.descriptor import is_address
from essaim.protocol.view.entry import status_piece
from essaim.protocol.view.header import SIGNATURE_LABEL, check_signed
from essaim.protocol.view.key_record import records_of
from essaim.testing.views import NOW_MS, PaperNetwork, changed_header
from essaim.view.v1 import view_pb2


def answer_of(whole: view_pb2.WholeView) -> view_pb2.ViewAnswer:
    return view_pb2.ViewAnswer(whole=whole)


@pytest.mark.parametrize(("n", "needed"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (10, 7), (100, 67)])
def test_threshold_is_more_than_two_thirds(n: int, needed: int) -> None:
    assert threshold(n) == needed


@pytest.mark.parametrize("n", [1, 4, 7])
def test_header_needs_the_threshold_and_any_of_the_authorities_will_do(n: int) -> None:
    net = PaperNetwork(n)
    raw = net.header([net.entry(net.pieces(1))]).raw
    needed = threshold(n)
    for first in range(n):
        chosen = [(first + step) % n for step in range(needed)]
        assert check_signed(net.genesis, net.sign(raw, chosen)).raw == raw
        with pytest.raises(BelowThresholdError):
            check_signed(net.genesis, net.sign(raw, chosen[1:]))
        with pytest.raises(BelowThresholdError):
            check_signed(net.genesis, net.sign(raw, chosen[1:] + chosen[1:2] * n))


def test_header_is_not_harmed_by_signatures_of_strangers() -> None:
    net, stranger = PaperNetwork(4), SigningKey(bytes(31) + b"\x01")
    raw = net.header([net.entry(net.pieces(1))]).raw
    signed = net.sign(raw)
    signed.signatures.extend([sign(each, stranger, SIGNATURE_LABEL, raw) for each in (0, 3, 99)])
    assert check_signed(net.genesis, signed).serial == 1
    assert signers(net.genesis.authorities, signed.signatures, SIGNATURE_LABEL, raw) == {0, 1, 2}


def test_genesis_is_refused_unless_every_authority_signed() -> None:
    net = PaperNetwork(4)
    message = view_pb2.SignedGenesis.FromString(net.genesis.signed)
    assert Genesis.parse(net.genesis.signed) == net.genesis
    del message.signatures[2]
    with pytest.raises(BadSignatureError):
        Genesis.parse(message.SerializeToString())


@pytest.mark.parametrize("data", [b"", b"\xff", bytes(100), b"\x0a\x02\x0a\xff"])
def test_genesis_that_is_none_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Genesis.parse(data)


@pytest.mark.parametrize(
    "wrong",
    [
        Parameters(swarm_sizes=SwarmSizes(0, 3, 5)),
        Parameters(swarm_sizes=SwarmSizes(4, 3, 7)),
        Parameters(swarm_sizes=SwarmSizes(5, 7, 8)),  # nine nodes could be neither one swarm nor two
        Parameters(suites=()),
        Parameters(x25519_period_seconds=0),
        Parameters(x25519_period_seconds=100, kem_period_seconds=50),
        Parameters(uptime_seconds=900, away_seconds=900),
        Parameters(away_seconds=5_000, drop_seconds=5_000),
        Parameters(fresh_seconds=100, valid_seconds=100),
        Parameters(view_min_interval_ms=0),
    ],
)
def test_parameters_that_make_no_sense_are_malformed(wrong: Parameters) -> None:
    with pytest.raises(MalformedError):
        Parameters.from_message(wrong.to_message())


def test_keeper_keeps_what_bars_a_rollback_over_a_restart() -> None:
    net = PaperNetwork()
    entries = [net.entry(net.pieces(1))]
    first = net.whole(entries)
    second = net.whole(entries, Header.parse(first.header.header))
    keeper = ViewKeeper(net.genesis)
    keeper.accept(answer_of(second), NOW_MS)
    again = ViewKeeper(net.genesis)
    again.restore(keeper.export())
    with pytest.raises(RollbackError):
        again.accept(answer_of(first), NOW_MS)
    assert again.current is not None and again.current.serial == 2


def test_keeper_restores_an_expired_view_but_accepts_none() -> None:
    net = PaperNetwork()
    whole = net.whole([net.entry(net.pieces(1))])
    until = Header.parse(whole.header.header).valid_until_ms
    keeper = ViewKeeper(net.genesis)
    keeper.accept(answer_of(whole), until - 1)
    again = ViewKeeper(net.genesis)
    again.restore(keeper.export())
    with pytest.raises(ExpiredError):
        again.accept(view_pb2.ViewAnswer(unchanged=view_pb2.Unchanged()), until)


def test_fork_comes_with_evidence_that_anybody_can_verify() -> None:
    net = PaperNetwork(4)
    entries = [net.entry(net.pieces(1))]
    whole, keeper = net.whole(entries), ViewKeeper(net.genesis)
    keeper.accept(answer_of(whole), NOW_MS)
    other = view_pb2.WholeView(nodes=whole.nodes)
    other.header.CopyFrom(
        net.sign(changed_header(Header.parse(whole.header.header), valid_from_ms=NOW_MS - 5), [1, 2, 3])
    )
    with pytest.raises(ForkError) as caught:
        keeper.accept(answer_of(other), NOW_MS)
    pair = (caught.value.evidence.held, caught.value.evidence.offered)
    headers = [check_signed(net.genesis, view_pb2.SignedHeader.FromString(raw)) for raw in pair]
    assert headers[0].position == headers[1].position and headers[0].hash != headers[1].hash


@pytest.mark.parametrize(
    "answer",
    [
        view_pb2.ViewAnswer(),
        view_pb2.ViewAnswer(unchanged=view_pb2.Unchanged()),
        view_pb2.ViewAnswer(whole=view_pb2.WholeView()),
        view_pb2.ViewAnswer(diff=view_pb2.ViewDiff()),
    ],
)
def test_keeper_without_a_view_refuses_an_answer_that_brings_none(answer: view_pb2.ViewAnswer) -> None:
    keeper = ViewKeeper(PaperNetwork().genesis)
    with pytest.raises(ViewRefusedError):
        keeper.accept(answer, NOW_MS)
    assert keeper.current is None


def test_history_forgets_what_a_gap_separates() -> None:
    net, history = PaperNetwork(), ViewHistory(limit=3)
    keeper = ViewKeeper(net.genesis)
    entries, before, views = [net.entry(net.pieces(1))], None, []
    for _ in range(5):
        view = keeper.accept(answer_of(net.whole(entries, before)), NOW_MS)
        before = view.header
        views.append(view)
    for view in views[:2] + views[3:]:
        history.add(view)
    kinds = [history.answer(1, serial).WhichOneof("answer") for serial in (0, 1, 2, 4, 5)]  # type: ignore[union-attr]
    assert kinds == ["whole", "whole", "whole", "diff", "unchanged"]


# What nodes sign


def test_entry_of_another_network_is_refused() -> None:
    net, other = PaperNetwork(1, 1), PaperNetwork(1, 2)
    with pytest.raises(MalformedError):
        net.entry(other.pieces(1))


@pytest.mark.parametrize("piece", [1, 2, 3])
def test_entry_with_a_flipped_bit_in_what_the_node_signed_is_refused(piece: int) -> None:
    net = PaperNetwork()
    pieces = net.pieces(1)
    for at in range(0, len(pieces[piece]) * 8, 97):
        data = bytearray(pieces[piece])
        data[at // 8] ^= 1 << at % 8
        with pytest.raises(ViewRefusedError):
            net.entry([*pieces[:piece], bytes(data), *pieces[piece + 1 :]])


def test_entry_refuses_keys_of_another_node_or_start() -> None:
    net = PaperNetwork()
    one, other_start, other_node = net.pieces(1), net.pieces(1), net.pieces(2)
    for stolen in (other_start[2], other_node[2]):
        with pytest.raises(MalformedError):
            net.entry([one[0], one[1], stolen])


def test_entry_refuses_two_keys_for_one_period() -> None:
    net = PaperNetwork()
    pieces = net.pieces(1)
    with pytest.raises(MalformedError):
        net.entry([*pieces, pieces[2]])


def test_entry_whose_status_names_another_node_is_refused() -> None:
    net = PaperNetwork()
    status = status_piece(net.identity(2).public.raw, NodeState.ACTIVE, None, NOW_MS)
    with pytest.raises(MalformedError):
        net.entry([status, *net.pieces(1)[1:]])


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("127.0.0.1:1", True), ("[::1]:4000", True), ("::1:4000", False), ("localhost:1", False), ("1.2.3.4", False),
        ("1.2.3.4:0", False), ("1.2.3.4:65536", False), ("[1.2.3.4]:5", False), ("1.2.3.4:+5", False), (":5", False),
        ("[fe80::1%eth0]:5", False), ("[fe80::1%a,127.0.0.1:9]:5", False),
    ],
)  # fmt: skip
def test_address_is_numeric(text: str, good: bool) -> None:
    assert is_address(text) is good


# Nodes and swarms


def _keyed(net: PaperNetwork, counts: dict[KeyKind, int]) -> Entry:
    """Node 1 with real onion keys."""
    key, pieces = net.identity(1), net.pieces(1)
    start_id = net.entry(pieces).node.start_id
    periods = net.genesis.parameters.key_periods
    make = {
        KeyKind.X25519: lambda: AgreementKey(net.random(32)).public.raw,
        KeyKind.MLKEM: lambda: KemKey(net.random(64)).public.raw,
    }
    records = [
        KeyRecord(
            key.public.raw, start_id, kind, periods.current(kind, NOW_MS), tuple(make[kind]() for _ in range(count))
        )
        for kind, count in counts.items()
    ]
    return net.entry([*pieces[:2], *(each.sign(key).SerializeToString() for each in records)])


def test_hop_is_the_pair_of_the_corrected_time_and_is_kept() -> None:
    net = PaperNetwork()
    node = _keyed(net, {KeyKind.X25519: 2, KeyKind.MLKEM: 1}).node
    hour = net.genesis.parameters.x25519_period_seconds * 1_000
    now, following = node.hop(NOW_MS), node.hop(NOW_MS + hour)
    assert now is not None and following is not None
    assert now.key_id != following.key_id
    assert node.hop(NOW_MS + hour + 1) is following
    assert node.hop(NOW_MS + 2 * hour) is None
    assert node.hop(NOW_MS - hour) is None


UNUSABLE = {KeyKind.X25519: bytes(32), KeyKind.MLKEM: b"\xff" * 1184}


@pytest.mark.parametrize("kind", KeyKind)
def test_hop_with_a_key_that_nobody_can_wrap_to_is_none(kind: KeyKind) -> None:
    good = _keyed(PaperNetwork(), {KeyKind.X25519: 1, KeyKind.MLKEM: 1}).node
    assert good.hop(NOW_MS) is not None
    keys = tuple(replace(key, public=UNUSABLE[key.kind]) if key.kind == kind else key for key in good.keys)
    assert Node(good.descriptor, good.state, None, keys, good.periods).hop(NOW_MS) is None


def test_hop_without_a_key_of_each_kind_is_none() -> None:
    net = PaperNetwork()
    assert _keyed(net, {KeyKind.X25519: 1}).node.hop(NOW_MS) is None


def test_records_of_runs_of_periods() -> None:
    net = PaperNetwork()
    keys = _keyed(net, {KeyKind.X25519: 3, KeyKind.MLKEM: 1}).node.keys
    records = records_of(bytes(32), bytes(16), [keys[0], keys[2], keys[3]])
    assert [(each.kind, len(each.keys)) for each in records] == [
        (KeyKind.X25519, 1),
        (KeyKind.X25519, 1),
        (KeyKind.MLKEM, 1),
    ]
    assert [len(each.keys) for each in records_of(bytes(32), bytes(16), keys)] == [3, 1]


def test_view_lists_members_of_swarms_and_only_active_nodes_as_choices() -> None:
    net = PaperNetwork()
    storage = [net.entry(net.pieces(number, Role.STORAGE, number % 2)) for number in range(6)]
    away = status_piece(net.identity(0).public.raw, NodeState.AWAY, 0, NOW_MS)
    storage[0] = net.entry([away, *storage[0].pieces[1:]])
    view = ViewKeeper(net.genesis).accept(answer_of(net.whole([*storage, net.entry(net.pieces(9))])), NOW_MS)
    assert [len(swarm.members) for swarm in view.swarms.values()] == [3, 3]
    assert len(view.storage()) == 5 and len(view.relays()) == 1
    swarm = view.swarm_of(bytes(32))
    assert swarm.quorum == 2 and swarm.swarm_id in (0, 1)
    assert view.swarm_of_node(net.identity(3).public.raw) is view.swarms[1]
    assert view.swarm_of_node(net.identity(9).public.raw) is None


def test_view_without_storage_has_no_swarm_for_a_mailbox() -> None:
    net = PaperNetwork()
    view = ViewKeeper(net.genesis).accept(answer_of(net.whole([net.entry(net.pieces(1))])), NOW_MS)
    with pytest.raises(NoSwarmError):
        view.swarm_of(bytes(32))
