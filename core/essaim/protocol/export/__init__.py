"""A conversation as a file for somebody else: sealed, signed, read without a network. docs/protocol/export.md."""

from essaim.protocol.export.lock import (
    AccountLock,
    DeviceKey,
    ExportKey,
    ExportLock,
    PassphraseLock,
    Recipient,
)
from essaim.protocol.export.reading import Reading
from essaim.protocol.export.refusal import ExportRefusedError
from essaim.protocol.export.sealing import Range, Sealing, Signer

__all__ = [
    "AccountLock",
    "DeviceKey",
    "ExportKey",
    "ExportLock",
    "ExportRefusedError",
    "PassphraseLock",
    "Range",
    "Reading",
    "Recipient",
    "Sealing",
    "Signer",
]
