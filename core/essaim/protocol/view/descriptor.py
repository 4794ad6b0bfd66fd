"""What a node says of itself at each start, signed by its identity key over "essaim/descriptor/v1" || descriptor."""

from dataclasses import dataclass
from ipaddress import ip_address

from essaim.protocol.geometry import Suite
from essaim.protocol.keys import SigningKey
from essaim.protocol.view.node_signature import check_signed_by
from essaim.protocol.view.roles import Role
from essaim.protocol.view.wire import parse, require
from essaim.view.v1 import view_pb2

DESCRIPTOR_LABEL = b"essaim/descriptor/v1"
START_ID_SIZE = 16
MAX_CERTIFICATES = 2
MAX_CERTIFICATE = 2_048
MAX_WORD = 32
MAX_ADDRESS, MAX_PORT_DIGITS = 64, 5
MAX_DESCRIPTOR = 8_192
"""Fields of later versions are kept, and every client fetches them: they must have an end."""
_SUITES = {int(suite): suite for suite in Suite}


@dataclass(frozen=True)
class Descriptor:
    """What a node says of itself at each start."""

    network_id: bytes
    node_id: bytes
    role: Role
    address: str
    certificates: tuple[bytes, ...]
    operator_id: bytes
    region: str
    start_id: bytes
    sequence: int
    issued_ms: int
    suites: tuple[Suite, ...] = (Suite.HYBRID, Suite.X25519)
    version: str = ""

    def sign(self, key: SigningKey) -> view_pb2.SignedDescriptor:
        """The transported form."""
        message = view_pb2.Descriptor(
            network_id=self.network_id,
            node_id=self.node_id,
            role=view_pb2.Role.ValueType(self.role),
            address=self.address,
            certificates=self.certificates,
            operator_id=self.operator_id,
            region=self.region,
            start_id=self.start_id,
            sequence=self.sequence,
            issued_ms=self.issued_ms,
            suites=[int(suite) for suite in self.suites],
            version=self.version,
        ).SerializeToString(deterministic=True)
        return view_pb2.SignedDescriptor(descriptor=message, signature=key.sign(DESCRIPTOR_LABEL + message))

    @classmethod
    def parse(cls, signed: view_pb2.SignedDescriptor) -> "Descriptor":
        """Verified against the identity key that it names; MalformedError, BadSignatureError."""
        require(len(signed.descriptor) <= MAX_DESCRIPTOR, "a descriptor has up to 8192 bytes")
        message = parse(view_pb2.Descriptor, signed.descriptor)
        check_signed_by(message.node_id, signed.signature, DESCRIPTOR_LABEL + signed.descriptor)
        require(message.role > 0, "a descriptor names the role of its node")
        require(is_address(message.address), "an address is ip:port, in digits")
        certificates = tuple(message.certificates)
        require(0 < len(certificates) <= MAX_CERTIFICATES, "a node has one or two certificates")
        require(all(0 < len(each) <= MAX_CERTIFICATE for each in certificates), "a certificate has up to 2048 bytes")
        require(len(message.start_id) == START_ID_SIZE, "a start id has 16 bytes")
        require(len(message.operator_id) in (0, 32), "an operator id has 32 bytes, or none")
        require(max(len(message.region), len(message.version)) <= MAX_WORD, "region and version have up to 32 letters")
        return cls(
            message.network_id,
            message.node_id,
            Role(message.role),
            message.address,
            certificates,
            message.operator_id,
            message.region,
            message.start_id,
            message.sequence,
            message.issued_ms,
            tuple(_SUITES[code] for code in message.suites if code in _SUITES),
            message.version,
        )


def is_address(text: str) -> bool:
    """`ip:port` in digits, `[ip]:port` for IPv6."""
    host, colon, port = text.rpartition(":")
    if len(text) > MAX_ADDRESS or len(port) > MAX_PORT_DIGITS:  # int() raises for a number of thousands of digits
        return False
    try:
        ip = ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    bracketed = host.startswith("[") == (ip.version == 6)
    zoneless = "%" not in host  # a zone is any text at all, and means something on one machine only
    return bool(colon) and bracketed and zoneless and port.isascii() and port.isdigit() and 0 < int(port) < 65_536
