"""The chain of a room: every entry names the one before, so that no entry can be slipped in, taken out or moved.

    digest  = BLAKE2b-256("essaim/opengroup/statement/v1" || author 32 || statement)
    chain 0 = BLAKE2b-256("essaim/opengroup/room/v1" || host id 32 || room id 16)
    chain n = BLAKE2b-256("essaim/opengroup/chain/v1" || chain n-1 || n u64 || host's time u64 || digest n)

A statement says (sequence, chain) of the newest entry that its author had seen. A host that shows two members different
histories cannot show either of them a statement of the other: it names a chain that is not theirs.
"""

from essaim.protocol.kdf import HASH_SIZE, blake2b256

ROOM_LABEL = b"essaim/opengroup/room/v1"
CHAIN_LABEL = b"essaim/opengroup/chain/v1"
ROOM_ID_SIZE = 16
CHAIN_SIZE = HASH_SIZE


def first(host_id: bytes, room_id: bytes) -> bytes:
    """The chain of a room without an entry."""
    return blake2b256(ROOM_LABEL, host_id, room_id)


def step(before: bytes, sequence: int, time_ms: int, digest: bytes) -> bytes:
    """The chain at `sequence`."""
    return blake2b256(CHAIN_LABEL, before, sequence.to_bytes(8), time_ms.to_bytes(8), digest)
