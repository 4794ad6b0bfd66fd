"""A node on paper, as discovery knows nodes: it signs the transactions that a real one would send."""

from collections.abc import Iterable

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.keys import KEM_SEED_SIZE, SEED_SIZE, AgreementKey, KemKey, SigningKey
from essaim.protocol.onion.keyring import KeyKind
from essaim.protocol.view import Descriptor, Genesis, KeyRecord, Role
from essaim.protocol.view.transaction import sign_transaction
from essaim.testing.randomness import SeededRandom
from essaim.view.v1 import view_pb2


class Registrant:
    """Number i has the same identity everywhere. Each `register` is a start of its own; private keys are not kept."""

    def __init__(self, genesis: Genesis, number: int, role: Role = Role.RELAY) -> None:
        self._genesis = genesis
        self._random = SeededRandom(number)
        self.signing = SigningKey(self._random(SEED_SIZE))
        self.role = role
        self.address = f"127.0.0.1:{10_000 + number}"
        self.certificate = self._random(420)
        self.operator_id = b""
        self.admission = b""
        self.start_id = bytes(16)
        self.sequence = 0
        self.published: dict[KeyKind, int] = {}

    @property
    def node_id(self) -> bytes:
        """32 bytes."""
        return self.signing.public.raw

    def register(self, now_ms: int) -> discovery_pb2.SignedTransaction:
        """A new start, with the keys that a new keyring would have."""
        self.start_id = self._random(16)
        self.published = {}
        register = discovery_pb2.Register(
            descriptor=self.descriptor(now_ms).sign(self.signing), keys=self.due(now_ms), admission=self.admission
        )
        return self.transaction(discovery_pb2.Transaction(register=register))

    def descriptor(self, now_ms: int) -> Descriptor:
        """Of the present start."""
        return Descriptor(
            network_id=self._genesis.network_id,
            node_id=self.node_id,
            role=self.role,
            address=self.address,
            certificates=(self.certificate,),
            operator_id=self.operator_id,
            region="",
            start_id=self.start_id,
            sequence=now_ms,
            issued_ms=now_ms,
        )

    def due(self, now_ms: int, kinds: Iterable[KeyKind] = tuple(KeyKind)) -> list[view_pb2.SignedKeyRecord]:
        """Records of the keys that exist and have not been published."""
        records = []
        for kind in kinds:
            periods = self._genesis.parameters.key_periods
            last = periods.current(kind, now_ms) + periods.ahead(kind)
            first = self.published.get(kind, periods.current(kind, now_ms) - 1) + 1
            if first <= last:
                records.append(self.record(kind, first, last - first + 1))
                self.published[kind] = last
        return records

    def record(self, kind: KeyKind, first: int, count: int) -> view_pb2.SignedKeyRecord:
        """Signed keys of the present start."""
        keys = tuple(self._key(kind) for _ in range(count))
        return KeyRecord(self.node_id, self.start_id, kind, first, keys).sign(self.signing)

    def _key(self, kind: KeyKind) -> bytes:
        if kind == KeyKind.X25519:
            return AgreementKey(self._random(SEED_SIZE)).public.raw
        return KemKey(self._random(KEM_SEED_SIZE)).public.raw

    def publish(self, *records: view_pb2.SignedKeyRecord) -> discovery_pb2.SignedTransaction:
        """PublishKeys."""
        return self.transaction(discovery_pb2.Transaction(publish_keys=discovery_pb2.PublishKeys(keys=records)))

    def prove(self) -> discovery_pb2.SignedTransaction:
        """ProveUptime."""
        proof = discovery_pb2.ProveUptime(start_id=self.start_id)
        return self.transaction(discovery_pb2.Transaction(prove_uptime=proof))

    def leave(self, *, gone: bool = False) -> discovery_pb2.SignedTransaction:
        """Leave."""
        return self.transaction(discovery_pb2.Transaction(leave=discovery_pb2.Leave(gone=gone)))

    def complete(self, swarm_id: int, move_serial: int) -> discovery_pb2.SignedTransaction:
        """TransferComplete."""
        done = discovery_pb2.TransferComplete(swarm_id=swarm_id, move_serial=move_serial)
        return self.transaction(discovery_pb2.Transaction(transfer_complete=done))

    def report(
        self, view_serial: int, *results: discovery_pb2.TestResult, silent: Iterable[bytes] = ()
    ) -> discovery_pb2.SignedTransaction:
        """TestReport."""
        report = discovery_pb2.TestReport(view_serial=view_serial, results=results, silent=silent)
        return self.transaction(discovery_pb2.Transaction(test_report=report))

    def transaction(self, body: discovery_pb2.Transaction) -> discovery_pb2.SignedTransaction:
        """Numbered and signed."""
        self.sequence += 1
        body.network_id = self._genesis.network_id
        body.node_id = self.node_id
        body.sequence = self.sequence
        return sign_transaction(body, self.signing)
