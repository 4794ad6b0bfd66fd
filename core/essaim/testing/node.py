"""A node without a view: identity, certificate, onion keys, a server on loopback; for what is below membership."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import grpc.aio

from essaim.network.tls import SERVER_OPTIONS, Certificate, server_credentials
from essaim.protocol.keys import SigningKey
from essaim.protocol.link.hello import LinkIdentity
from essaim.protocol.onion import ALL_SUITES, HopPublic, KeyPeriods, Keyring, hop_at
from essaim.runtime.calls import CallInterceptor
from essaim.runtime.standing import Standing

PERIODS = KeyPeriods()
SERIAL = 7


@dataclass(frozen=True)
class LoosePeer:
    """An `essaim.network.peer.Peer`."""

    node_id: bytes
    address: str
    certificates: Sequence[bytes]


@dataclass
class LooseNode:
    """It takes everybody for a node of the view, but for `strangers`."""

    now_ms: Callable[[], int]
    service: str = "test"
    signing: SigningKey = field(default_factory=lambda: SigningKey(os.urandom(32)))
    certificate: Certificate = field(default_factory=Certificate.make)
    port: int = 0
    strangers: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.keyring = Keyring(PERIODS, os.urandom)
        self.keyring.advance(self.now_ms())
        self.server = grpc.aio.server(
            interceptors=[CallInterceptor(f"{self.service}.essaim", 20)], options=SERVER_OPTIONS
        )

    def listed(self, node_id: bytes) -> bool:
        """Whether its view lists that node."""
        return node_id not in self.strangers

    @property
    def node_id(self) -> bytes:
        """32 bytes."""
        return self.signing.public.raw

    @property
    def identity(self) -> LinkIdentity:
        """For the links that it dials."""
        return LinkIdentity(self.node_id, self.signing.sign, lambda: SERIAL)

    @property
    def standing(self) -> Standing:
        """What it knows of the network."""
        return Standing(self.node_id, self.now_ms, self.listed, lambda: SERIAL, lambda: ALL_SUITES)

    @property
    def hop(self) -> HopPublic:
        """Its onion keys for now."""
        return hop_at(self.node_id, self.keyring.published, PERIODS, self.now_ms())

    @property
    def peer(self) -> LoosePeer:
        """How others dial it; after `start`."""
        return LoosePeer(self.node_id, f"127.0.0.1:{self.port}", [self.certificate.der])

    async def start(self, *adds: Callable[[grpc.aio.Server], None]) -> None:
        """Serve."""
        for add in adds:
            add(self.server)
        self.port = self.server.add_secure_port(f"127.0.0.1:{self.port}", server_credentials(self.certificate))
        await self.server.start()

    async def stop(self) -> None:
        """Die at once, as if killed."""
        await self.server.stop(None)
