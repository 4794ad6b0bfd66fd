"""How large an entry is, and what the views of a day cost a client of a network of 500 nodes.

A diff has the entries that changed, whoever else there is: so a fifth of the nodes is observed, restarting a fifth as
often, and what changes counts five times; headers count as often as 500 nodes cause one (the newest of each answer five
times, too: the sum is 1% too large). `make prove` has all 500.
"""

from collections import defaultdict

from essaim.discovery.v1 import discovery_pb2
from essaim.network.tls import Certificate
from essaim.protocol.keys import SigningKey
from essaim.protocol.onion.keyring import KeyKind
from essaim.protocol.view import Entry, Genesis, Header, NetworkView, Parameters, Role, ViewHistory, ViewKeeper
from essaim.protocol.view.parameters import X25519_BATCH_AT
from essaim.testing.clock import MONDAY_MS
from essaim.testing.effort import EFFORT
from essaim.testing.registrant import Registrant
from essaim_discovery.apply import apply
from essaim_discovery.authority import Authority
from essaim_discovery.state import State
from essaim_discovery.transaction import Tick
from essaim_discovery.unsigned_view import entries_of, header_of

NODES = 500
SHARE = 5 if EFFORT == 1 else 1
"""One of so many nodes is observed."""
HOUR_MS = 3_600_000
ENTRY_MOST = 5_400
ENTRY_MEAN = 4_000
"""Bytes, as docs/protocol/view.md says; the most just after an ML-KEM key was published in a node's first day."""
DAY_MOST = 2_000_000
RESTARTS_AN_HOUR = 3
"""Each node restarts once a week."""
VIEWS_AN_HOUR = 2 + RESTARTS_AN_HOUR
# Proofs do not show in a view: here nobody needs any.
PARAMETERS = Parameters(away_seconds=30 * 86_400, drop_seconds=60 * 86_400)
KEY = SigningKey(bytes(31) + b"\7")
GENESIS = Genesis.create("paper", [KEY], PARAMETERS, [], MONDAY_MS)
AUTHORITY = Authority.of(GENESIS, KEY)
PUBLISH_AT = {KeyKind.X25519: X25519_BATCH_AT, KeyKind.MLKEM: 0}


class Network:
    """Discovery without its driver, and nodes that publish as membership does."""

    def __init__(self) -> None:
        self.now_ms = MONDAY_MS
        self.state = State.of(GENESIS)
        self.history = ViewHistory()
        self.nodes: list[Registrant] = []
        certificate = Certificate.make().der
        for number in range(NODES // SHARE):
            node = Registrant(GENESIS, number, Role.STORAGE if number % 2 else Role.RELAY)
            node.certificate = certificate
            self.nodes.append(node)

    def do(self, transaction: Tick | discovery_pb2.SignedTransaction) -> None:
        self.state, _ = apply(self.state, transaction)

    def sign(self) -> NetworkView:
        newest = self.history.newest
        known: dict[bytes, Entry] = dict(newest.entries) if newest else {}
        entries = entries_of(self.state, known)
        header: Header = header_of(self.state, entries, newest.header if newest else None)
        view = NetworkView.build(AUTHORITY.sign(header), header, entries)
        self.history.add(view)
        return view

    def publish(self) -> None:
        """Who runs short of keys publishes the next ones."""
        periods = PARAMETERS.key_periods
        for node in self.nodes:
            short = [
                kind
                for kind, last in node.published.items()
                if last - periods.current(kind, self.now_ms) <= PUBLISH_AT[kind]
            ]
            records = node.due(self.now_ms, short)
            if records:
                self.do(node.publish(*records))

    def hour(self, restarting: list[Registrant]) -> None:
        """Two views at its begin (the moment, and what comes right after it), one for each restart."""
        self.now_ms += HOUR_MS
        self.do(Tick(self.now_ms))
        self.sign()
        self.publish()
        self.sign()
        for at, node in enumerate(restarting):
            self.do(Tick(self.now_ms + 60_000 * (at + 1)))
            self.do(node.register(self.now_ms + 60_000 * (at + 1)))
            self.sign()


def test_view_traffic_of_a_day_with_500_nodes_is_at_most_2_mb() -> None:
    network = Network()
    for hour in range(8):  # registered at different hours: their batches come at different hours, too
        network.do(Tick(network.now_ms))
        for node in network.nodes[hour::8]:
            network.do(node.register(network.now_ms))
        network.sign()
        network.hour([])
    for _ in range(8):
        network.hour([])
    whole = network.sign()
    reader, sizes, between = ViewKeeper(GENESIS), defaultdict(int), 0  # between: headers before the newest
    reader.accept(network.history.answer(0, 0), 0)  # type: ignore[arg-type]
    for hour in range(24):
        restarting = network.nodes[hour * RESTARTS_AN_HOUR // SHARE : (hour + 1) * RESTARTS_AN_HOUR // SHARE]
        network.hour(restarting)
        between += 1 + len(restarting)
        held = reader.current
        assert held is not None
        answer = network.history.answer(held.epoch, held.serial)
        assert answer is not None and answer.HasField("diff")
        for kind, pieces in (("headers", answer.diff.headers), ("changes", answer.diff.changed)):
            sizes[kind] += sum(len(each if isinstance(each, bytes) else each.SerializeToString()) for each in pieces)
        sizes["all"] += len(answer.SerializeToString())
        reader.accept(answer, 0)
    assert reader.current is not None and len(reader.current.entries) == NODES // SHARE
    largest = max(sum(map(len, entry.pieces)) for entry in reader.current.entries.values())
    total = len(whole.whole().SerializeToString()) * SHARE
    headers = sizes["headers"] * (VIEWS_AN_HOUR - 1) * 24 // between
    day = headers + SHARE * (sizes["all"] - sizes["headers"])
    print(f"a day: {day} bytes, {headers} of headers; largest entry {largest}; whole view {total}")
    assert sizes["changes"] > sizes["all"] // 2, "it is the changes that are counted several times"
    assert largest <= ENTRY_MOST
    assert total <= NODES * ENTRY_MEAN
    assert day <= DAY_MOST
