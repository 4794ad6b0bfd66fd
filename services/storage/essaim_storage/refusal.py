"""What a storage node refuses beside the mailbox's rules (essaim.protocol.mailbox.refusal)."""

from essaim.protocol.errors import ProtocolError


class StorageRefusedError(ProtocolError):
    """A request that this node cannot serve now."""

    reason = "STORAGE_REFUSED"


class WrongSwarmError(StorageRefusedError):
    """By this node's view the mailbox lives in another swarm: fetch the view and ask there."""

    reason = "WRONG_SWARM"


class StaleViewError(StorageRefusedError):
    """Between members: the writer's view is from before a move that this member has adopted."""

    reason = "STALE_VIEW"


class QuorumMissingError(StorageRefusedError):
    """Fewer than W members have it on disk in time. It may be kept all the same: repeat, it is idempotent."""

    reason = "QUORUM_MISSING"
    retry_after_ms = 1_000


class DiskFullError(StorageRefusedError):
    """No room on this node's disk. What is there stays."""

    reason = "DISK_FULL"
    retry_after_ms = 30_000


class BatchRefusedError(StorageRefusedError):
    """No operations, too many, one that is none, or more than one mailbox."""

    reason = "BATCH_REFUSED"


class MessageMalformedError(StorageRefusedError):
    """Bytes from another member that are no message."""

    reason = "MALFORMED"
