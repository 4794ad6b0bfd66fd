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
from essaim.protocol.export.subject import ExportedGroup, Subject

__all__ = [
    "AccountLock",
    "DeviceKey",
    "ExportKey",
    "ExportLock",
    "ExportRefusedError",
    "ExportedGroup",
    "PassphraseLock",
    "Range",
    "Reading",
    "Recipient",
    "Sealing",
    "Signer",
    "Subject",
]
