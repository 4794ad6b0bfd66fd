"""KDF chains (Double Ratchet, sections 2.2 and 5.2, with header keys of section 4.3).

KDF_CK   message key = HMAC-SHA256(chain key, 0x01)   next chain key = HMAC-SHA256(chain key, 0x02)
KDF_RK   root key 32 || chain key 32 || next header key 32 || export key 32
         = HKDF-SHA256(ikm = X25519 secret 32 [|| ML-KEM secret 32], salt = root key, info = the suite's)
"""

from typing import NamedTuple

from essaim.protocol.kdf import hkdf, keyed, mac_of
from essaim.protocol.ratchet.suite import Suite


class ChainName(NamedTuple):
    """How the messages of a chain are told from others: by their header key, or by the sender's key in a clear header.

    `peer` is the X25519 key of the chain's sender; empty while it is unknown.
    """

    header_key: bytes
    peer: bytes


class Chain(NamedTuple):
    """A sending or receiving chain: `number` is that of the next message."""

    name: ChainName
    key: bytes
    number: int

    def step(self) -> tuple["Chain", bytes]:
        """KDF_CK: the chain after, and the message key."""
        mac = keyed(self.key)
        message_key = mac_of(mac, b"\x01")
        mac.update(b"\x02")
        return Chain(self.name, mac.finalize(), self.number + 1), message_key


class RootStep(NamedTuple):
    root_key: bytes
    chain_key: bytes
    next_header_key: bytes
    export_key: bytes


def step_root(suite: Suite, root_key: bytes, shared: bytes) -> RootStep:
    """KDF_RK."""
    keys = hkdf(shared, salt=root_key, info=suite.root_info, length=128)
    return RootStep(keys[:32], keys[32:64], keys[64:96], keys[96:])
