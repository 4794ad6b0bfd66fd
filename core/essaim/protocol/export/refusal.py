"""What is said of a file that is no sealed export, or not the one that was made."""

from essaim.protocol.errors import ProtocolError


class ExportRefusedError(ProtocolError):
    """Not an export, cut short, altered, closed for somebody else, or not signed by whom it names."""

    reason = "EXPORT_REFUSED"
