"""The state of one session's ratchet, and its layout in the owner's encrypted store. It holds private keys.

version 2 | suite 1 | associated data 32 | root key 32 | own X25519 32 [| own ML-KEM seed 64 | ciphertext 1088]
| sending | receiving | length of our chain before 4 | next sending header key 32 | next receiving header key 32
| skipped keys | export keys (not in version 1)
sending, receiving   0, or 1 | header key 32 | sender's X25519 key 32 | chain key 32 | number 4
"""

from typing import NamedTuple

from essaim.protocol.layout import MalformedError, Reader
from essaim.protocol.ratchet.chain import Chain, ChainName
from essaim.protocol.ratchet.exports import NO_EXPORTS, ExportKeys
from essaim.protocol.ratchet.pair import RatchetPair, ciphertext_size
from essaim.protocol.ratchet.skipped import SkippedKeys
from essaim.protocol.ratchet.suite import Suite, suite_of

WITHOUT_EXPORTS, VERSION = 1, 2
AD_SIZE = 32
KEY_SIZE = 32


class State(NamedTuple):
    """A value: every step gives another one, so a message that is refused has changed nothing."""

    suite: Suite
    associated_data: bytes
    root_key: bytes
    own: RatchetPair
    ciphertext: bytes
    sending: Chain | None
    receiving: Chain | None
    previous: int
    next_sending: bytes
    next_receiving: bytes
    skipped: SkippedKeys
    exports: ExportKeys = NO_EXPORTS

    def encode(self) -> bytes:
        front = bytes((VERSION, self.suite.number)) + self.associated_data + self.root_key
        own = self.own.encode() + self.ciphertext.ljust(ciphertext_size(self.suite), b"\0")
        chains = _encode_chain(self.sending) + _encode_chain(self.receiving) + self.previous.to_bytes(4, "big")
        return (
            front
            + own
            + chains
            + self.next_sending
            + self.next_receiving
            + self.skipped.encode()
            + self.exports.encode()
        )

    @classmethod
    def decode(cls, data: bytes) -> "State":
        reader = Reader(data)
        version = reader.number(1)
        if version not in (WITHOUT_EXPORTS, VERSION):
            raise MalformedError("an unknown version")
        suite = suite_of(reader.number(1))
        state = cls(
            suite=suite,
            associated_data=reader.take(AD_SIZE),
            root_key=reader.take(KEY_SIZE),
            own=RatchetPair.read(reader, suite),
            ciphertext=reader.take(ciphertext_size(suite)),
            sending=_read_chain(reader),
            receiving=_read_chain(reader),
            previous=reader.number(4),
            next_sending=reader.take(KEY_SIZE),
            next_receiving=reader.take(KEY_SIZE),
            skipped=SkippedKeys.read(reader),
            exports=ExportKeys.read(reader) if version == VERSION else NO_EXPORTS,
        )
        reader.end()
        return state


def _encode_chain(chain: Chain | None) -> bytes:
    if chain is None:
        return b"\0"
    return b"\1" + chain.name.header_key + chain.name.peer + chain.key + chain.number.to_bytes(4, "big")


def _read_chain(reader: Reader) -> Chain | None:
    if not reader.number(1):
        return None
    return Chain(ChainName(reader.take(KEY_SIZE), reader.take(KEY_SIZE)), reader.take(KEY_SIZE), reader.number(4))
