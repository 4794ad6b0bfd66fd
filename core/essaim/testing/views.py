"""A network on paper: authorities, nodes and chained views, all from one seed; for what is below discovery."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from essaim.protocol.keys import KEM_PUBLIC_SIZE, SEED_SIZE, SigningKey
from essaim.protocol.onion.keyring import KeyKind
from essaim.protocol.view import Descriptor, Entry, Genesis, Header, KeyRecord, Move, NodeState, Parameters, Role
from essaim.protocol.view.authority import sign
from essaim.protocol.view.entry import ordered, root_of, status_piece
from essaim.protocol.view.header import NO_HASH, SIGNATURE_LABEL
from essaim.testing.randomness import SeededRandom
from essaim.view.v1 import view_pb2

NOW_MS = 1_800_000_000_000


class PaperNetwork:
    """Its n authorities sign whatever they are told to. Node number i has the same identity in every view."""

    def __init__(self, authorities: int = 1, seed: int = 1, parameters: Parameters | None = None) -> None:
        self.random = SeededRandom(seed)
        self.keys = [SigningKey(self.random(SEED_SIZE)) for _ in range(authorities)]
        self.genesis = Genesis.create("paper", self.keys, parameters or Parameters(), [self.random(300)], NOW_MS)
        self._nodes: dict[int, SigningKey] = {}

    def identity(self, number: int) -> SigningKey:
        """The identity key of a node."""
        if number not in self._nodes:
            self._nodes[number] = SigningKey(SeededRandom(number + 1_000_000)(SEED_SIZE))
        return self._nodes[number]

    def pieces(
        self,
        number: int,
        role: Role = Role.RELAY,
        swarm_id: int | None = None,
        move: Move | None = None,
        state: NodeState = NodeState.ACTIVE,
        registered_ms: int = NOW_MS,
    ) -> list[bytes]:
        """An entry of a fresh start of a node: status, descriptor, current X25519 and ML-KEM keys."""
        key, start_id = self.identity(number), self.random(16)
        descriptor = Descriptor(
            network_id=self.genesis.network_id,
            node_id=key.public.raw,
            role=role,
            address=f"127.0.0.1:{4_000 + number}",
            certificates=(self.random(420),),
            operator_id=b"",
            region="",
            start_id=start_id,
            sequence=NOW_MS,
            issued_ms=NOW_MS,
        )
        periods = self.genesis.parameters.key_periods
        records = [
            KeyRecord(
                key.public.raw,
                start_id,
                kind,
                periods.current(kind, NOW_MS),
                tuple(self.random(size) for _ in range(count)),
            )
            for kind, size, count in ((KeyKind.X25519, 32, 8), (KeyKind.MLKEM, KEM_PUBLIC_SIZE, 1))
        ]
        status = status_piece(key.public.raw, state, swarm_id, registered_ms, move)
        signed = [descriptor.sign(key), *(record.sign(key) for record in records)]
        return [status, *(each.SerializeToString(deterministic=True) for each in signed)]

    def entry(self, pieces: Sequence[bytes]) -> Entry:
        """As a reader parses it."""
        return Entry.parse(pieces, self.genesis.network_id, self.genesis.parameters.key_periods)

    def header(
        self,
        entries: Iterable[Entry],
        after: Header | None = None,
        *,
        made_ms: int = NOW_MS,
        draws_tests: bool = False,
    ) -> Header:
        """The header of the view that follows `after`, or of the first; not signed."""
        parameters = self.genesis.parameters
        message = view_pb2.Header(
            network_id=self.genesis.network_id,
            epoch=after.epoch if after else 1,
            serial=after.serial + 1 if after else 1,
            previous_hash=after.hash if after else NO_HASH,
            valid_from_ms=made_ms,
            fresh_until_ms=made_ms + parameters.fresh_seconds * 1_000,
            valid_until_ms=made_ms + parameters.valid_seconds * 1_000,
            nodes_root=root_of(ordered(entries).values()),
            parameters=parameters.to_message(),
            draws_tests=draws_tests,
        )
        return Header.parse(message.SerializeToString(deterministic=True))

    def sign(self, raw: bytes, signers: Collection[int] | None = None) -> view_pb2.SignedHeader:
        """Signed by these authorities, in their order; by just enough of them when none are named."""
        chosen = range(self.genesis.threshold) if signers is None else signers
        signatures = [sign(index, self.keys[index], SIGNATURE_LABEL, raw) for index in chosen]
        return view_pb2.SignedHeader(header=raw, signatures=signatures)

    def whole(
        self, entries: Iterable[Entry], after: Header | None = None, *, draws_tests: bool = False
    ) -> view_pb2.WholeView:
        """The signed view of these entries that follows `after`."""
        listed = list(ordered(entries).values())
        nodes = [view_pb2.NodeEntry(pieces=entry.pieces) for entry in listed]
        return view_pb2.WholeView(
            header=self.sign(self.header(listed, after, draws_tests=draws_tests).raw), nodes=nodes
        )


def changed_header(header: Header, **fields: object) -> bytes:
    """The header's bytes with other fields: what an authority could sign, but must not."""
    message = view_pb2.Header.FromString(header.raw)
    for name, value in fields.items():
        setattr(message, name, value)
    return message.SerializeToString(deterministic=True)


def small_parameters(**changes: object) -> Parameters:
    """The testnet's parameters."""
    return replace(Parameters(view_min_interval_ms=1_000), **changes)  # type: ignore[arg-type]
