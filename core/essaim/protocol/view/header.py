"""The header of a view: exactly its bytes are hashed and signed."""

from dataclasses import dataclass
from functools import cached_property

from essaim.protocol.kdf import HASH_SIZE, blake2b256
from essaim.protocol.view.authority import signers
from essaim.protocol.view.genesis import Genesis
from essaim.protocol.view.parameters import Parameters
from essaim.protocol.view.refusal import BelowThresholdError, WrongChainError, WrongNetworkError
from essaim.protocol.view.wire import parse, require
from essaim.view.v1 import view_pb2

HASH_LABEL = b"essaim/view-header/v1"
SIGNATURE_LABEL = b"essaim/view-signature/v1"
NO_HASH = bytes(HASH_SIZE)


@dataclass(frozen=True)
class Header:
    """A parsed header. `position` orders views: (epoch, serial), serials from 1 within an epoch."""

    raw: bytes
    network_id: bytes
    epoch: int
    serial: int
    previous_hash: bytes
    valid_from_ms: int
    fresh_until_ms: int
    valid_until_ms: int
    nodes_root: bytes
    parameters: Parameters
    draws_tests: bool = False

    @property
    def position(self) -> tuple[int, int]:
        """(epoch, serial)"""
        return self.epoch, self.serial

    @cached_property
    def hash(self) -> bytes:
        """BLAKE2b-256("essaim/view-header/v1" || raw)"""
        return blake2b256(HASH_LABEL, self.raw)

    @classmethod
    def parse(cls, raw: bytes) -> "Header":
        """The header in these bytes; MalformedError."""
        message = parse(view_pb2.Header, raw)
        require(len(message.network_id) == HASH_SIZE, "a network id has 32 bytes")
        require(message.epoch > 0 and message.serial > 0, "epochs and serials begin with 1")
        require(len(message.previous_hash) == HASH_SIZE, "a header's hash has 32 bytes")
        require(len(message.nodes_root) == HASH_SIZE, "a root has 32 bytes")
        require(message.serial > 1 or message.previous_hash == NO_HASH, "the first view of an epoch follows none")
        ordered = message.valid_from_ms <= message.fresh_until_ms <= message.valid_until_ms
        require(ordered, "a view is valid from, then fresh until, then valid until")
        return cls(
            raw=raw,
            network_id=message.network_id,
            epoch=message.epoch,
            serial=message.serial,
            previous_hash=message.previous_hash,
            valid_from_ms=message.valid_from_ms,
            fresh_until_ms=message.fresh_until_ms,
            valid_until_ms=message.valid_until_ms,
            nodes_root=message.nodes_root,
            parameters=Parameters.from_message(message.parameters),
            draws_tests=message.draws_tests,
        )

    def check_follows(self, before: "Header") -> None:
        """WrongChainError unless this is the very next header after `before`."""
        if (self.epoch, self.serial, self.previous_hash) != (before.epoch, before.serial + 1, before.hash):
            raise WrongChainError("a header that does not follow the one before it")


def check_signed(genesis: Genesis, signed: view_pb2.SignedHeader) -> Header:
    """The header, of this network and signed by enough authorities; MALFORMED, WRONG_NETWORK, BELOW_THRESHOLD."""
    header = Header.parse(signed.header)
    if header.network_id != genesis.network_id:
        raise WrongNetworkError("a view of another network")
    if len(signers(genesis.authorities, signed.signatures, SIGNATURE_LABEL, signed.header)) < genesis.threshold:
        raise BelowThresholdError("a view that too few authorities signed")
    return header
