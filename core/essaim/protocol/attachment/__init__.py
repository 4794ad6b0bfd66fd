"""Files: cut into pieces of the envelopes' sizes, sealed under a key of their own, kept as blobs."""

from essaim.protocol.attachment.descriptor import AttachmentRefusedError, Descriptor, FileTooLargeError
from essaim.protocol.attachment.keys import FileKeys
from essaim.protocol.attachment.piece import HEADER_SIZE, SIZE_MAX, Piece, pieces_of
from essaim.protocol.attachment.stream import Opener, Sealer

__all__ = [
    "HEADER_SIZE",
    "SIZE_MAX",
    "AttachmentRefusedError",
    "Descriptor",
    "FileKeys",
    "FileTooLargeError",
    "Opener",
    "Piece",
    "Sealer",
    "pieces_of",
]
