"""Certificates and channels: TLS 1.3 alone, the peer's certificate pinned, no name looked up or told.

A node's certificate is self-signed ECDSA P-256 (gRPC's TLS does not support Ed25519) and bears the constant name
`essaim`, which is also the only server name that a handshake shows. The dialler's only roots are the certificates
that the signed view gives the node. Each of these facts is kept by a test (tests/integration/test_tls.py).
"""

import base64
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc
import grpc.aio

import essaim
from essaim.network.peer import Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import MESSAGE_LIMIT

SERVER_NAME = "essaim"

MESSAGE_OPTIONS = (("grpc.max_send_message_length", MESSAGE_LIMIT), ("grpc.max_receive_message_length", MESSAGE_LIMIT))
KEEPALIVE_OPTIONS = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
)
CHANNEL_OPTIONS = (
    *MESSAGE_OPTIONS,
    *KEEPALIVE_OPTIONS,
    ("grpc.ssl_target_name_override", SERVER_NAME),
    ("grpc.default_authority", SERVER_NAME),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.use_local_subchannel_pool", 1),  # two channels never share a connection, so no peer can be told by it
)
SERVER_OPTIONS = (
    *MESSAGE_OPTIONS,
    *KEEPALIVE_OPTIONS,
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 20_000),
    ("grpc.so_reuseport", 0),
)


class AddressRefusedError(ProtocolError):
    """Not `ip:port` in digits."""

    reason = "ADDRESS_REFUSED"


@dataclass(frozen=True)
class Certificate:
    """A node's TLS certificate (DER) and private key (PEM, PKCS 8)."""

    der: bytes
    key_pem: bytes = field(repr=False)

    @classmethod
    def make(cls) -> "Certificate":
        """A fresh one. Its dates say nothing: only the view decides when it is accepted."""
        from essaim.network.issuing import issue  # what a process needs once, if at all

        return cls(*issue(SERVER_NAME))

    @classmethod
    def load(cls, key_pem: bytes, der: bytes) -> "Certificate":
        """One that was kept on the volume; ValueError when the two do not belong together."""
        from essaim.network.issuing import belongs

        if not belongs(key_pem, der):
            raise ValueError("the TLS certificate is not that of the key")
        return cls(der, key_pem)


def _pem(der: bytes) -> bytes:
    """As gRPC wants it. ValueError for what is not one DER sequence; what else it may not be, the handshake refuses."""
    if not _is_sequence(der):
        raise ValueError("not DER")
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def _is_sequence(der: bytes) -> bool:
    """X.690: a SEQUENCE whose length, in two bytes as that of every certificate, is that of the rest."""
    return der[:2] == b"\x30\x82" and len(der) == 4 + int.from_bytes(der[2:4])


def server_credentials(certificate: Certificate) -> grpc.ServerCredentials:
    """For `Server.add_secure_port`. RuntimeError when TLS 1.2 could not be refused any more."""
    if essaim.GRPC_WAS_FIRST:
        raise RuntimeError("import essaim before grpc: gRPC reads its TLS settings when it is imported")
    return grpc.ssl_server_credentials([(certificate.key_pem, _pem(certificate.der))])


def target(address: str) -> str:
    """gRPC's name of a numeric address, which it does not resolve."""
    host, _, port = address.rpartition(":")
    try:
        ip = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        if not 0 < int(port) < 65_536 or not port.isascii():
            raise ValueError
    except ValueError:
        raise AddressRefusedError("an address is ip:port, in digits") from None
    return f"ipv4:{ip}:{int(port)}" if ip.version == 4 else f"ipv6:[{ip}]:{int(port)}"


def dial(address: str, certificates: Sequence[bytes], options: Sequence[tuple[str, int]] = ()) -> grpc.aio.Channel:
    """A channel (connects when first used) that trusts the given DER certificates alone; later options win."""
    try:
        roots = b"".join(map(_pem, certificates))
    except ValueError:
        raise AddressRefusedError("a pinned certificate is not DER") from None
    merged = list({**dict(CHANNEL_OPTIONS), **dict(options)}.items())
    return grpc.aio.secure_channel(target(address), grpc.ssl_channel_credentials(roots), merged)


def dial_peer(peer: Peer) -> grpc.aio.Channel:
    """A channel to a node of the view."""
    return dial(peer.address, peer.certificates)
