"""Whom a link leads to: what the signed view says of a node, and no more."""

from collections.abc import Sequence
from typing import Protocol


class Peer(Protocol):
    """A node that can be dialled. `essaim.protocol.view.Node` is one."""

    @property
    def node_id(self) -> bytes:
        """32 bytes: its Ed25519 identity key."""

    @property
    def address(self) -> str:
        """`ip:port`, `[ip]:port` for IPv6; never a name."""

    @property
    def certificates(self) -> Sequence[bytes]:
        """One or two self-signed certificates, DER; any of them is accepted, nothing else."""
