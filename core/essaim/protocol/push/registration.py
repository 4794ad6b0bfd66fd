"""A registration: "whoever keeps this mailbox, wake this push id at this host". What storage keeps and a device signs.

    registration   version u8 (1) | flags u8 | push id 32 | preview key 64 if flagged | count u8 | count * node id 32
    flags          1: prompt, 2: with a preview
    preview key    X25519 public key 32 | secret 32 (preview.py)

The nodes, 1 to 4, are of one host, in the order in which they are to be tried. No bytes at all: nobody is to be woken
any more.
"""

from dataclasses import dataclass

from essaim.protocol.layout import MalformedError, Reader
from essaim.protocol.push.push_id import PUSH_ID_SIZE
from essaim.protocol.push.refusal import RegistrationRefusedError

VERSION = 1
PROMPT, PREVIEW = 1, 2
PREVIEW_KEY_SIZE = 64
NODE_ID_SIZE = 32
MAX_NODES = 4
MAX_SIZE = 3 + PUSH_ID_SIZE + PREVIEW_KEY_SIZE + MAX_NODES * NODE_ID_SIZE


@dataclass(frozen=True, slots=True)
class Registration:
    """Whom to wake, and where. `preview_key` is empty (content-free wakes) or 64 bytes."""

    push_id: bytes
    node_ids: tuple[bytes, ...]
    prompt: bool = False
    preview_key: bytes = b""

    def __post_init__(self) -> None:
        sizes = len(self.push_id) == PUSH_ID_SIZE and all(len(each) == NODE_ID_SIZE for each in self.node_ids)
        if not sizes or len(self.preview_key) not in (0, PREVIEW_KEY_SIZE):
            raise RegistrationRefusedError("a push id, node id or preview key of a wrong length")
        if not 0 < len(self.node_ids) <= MAX_NODES or len(set(self.node_ids)) != len(self.node_ids):
            raise RegistrationRefusedError(f"1 to {MAX_NODES} different nodes of a host are named")

    @property
    def encoded(self) -> bytes:
        flags = (PROMPT if self.prompt else 0) | (PREVIEW if self.preview_key else 0)
        nodes = bytes((len(self.node_ids),)) + b"".join(self.node_ids)
        return bytes((VERSION, flags)) + self.push_id + self.preview_key + nodes

    @classmethod
    def parse(cls, data: bytes) -> "Registration":
        """Raises RegistrationRefusedError."""
        reader = Reader(data)
        try:
            reader.version(VERSION)
            flags, push_id = reader.number(1), reader.take(PUSH_ID_SIZE)
            preview_key = reader.take(PREVIEW_KEY_SIZE) if flags & PREVIEW else b""
            nodes = tuple(reader.take(NODE_ID_SIZE) for _ in range(reader.number(1)))
            reader.end()
        except MalformedError as error:
            raise RegistrationRefusedError(str(error)) from None
        if flags & ~(PROMPT | PREVIEW):
            raise RegistrationRefusedError("an unknown flag")
        return cls(push_id, nodes, bool(flags & PROMPT), preview_key)
