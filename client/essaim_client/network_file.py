"""The file that an operator hands out: which network, and where to ask first.

    {"genesis": base64 of the serialised SignedGenesis, "seeds": ["ip:port", ...]}

The seeds show the certificates that the genesis names (`discovery_certificates`).
"""

import base64
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from essaim.protocol.errors import ProtocolError
from essaim.protocol.view import Genesis
from essaim.protocol.view.descriptor import is_address
from essaim_client.network.direct import Seed


class NetworkFileError(ProtocolError):
    """Not a network file: damaged, incomplete, or not signed by its authorities."""

    reason = "NETWORK_FILE_REFUSED"


@dataclass(frozen=True)
class NetworkFile:
    """A network that a client can join. Make one with `parse` or `load`."""

    genesis: Genesis
    seed_addresses: tuple[str, ...]

    @classmethod
    def load(cls, path: Path) -> "NetworkFile":
        """The file at `path`. Raises NetworkFileError."""
        try:
            return cls.parse(path.read_text())
        except (OSError, UnicodeDecodeError):
            raise NetworkFileError("the network file cannot be read") from None

    @classmethod
    def parse(cls, text: str) -> "NetworkFile":
        """Raises NetworkFileError."""
        try:
            content = json.loads(text)
            genesis, seeds = content["genesis"], content["seeds"]
            signed = base64.b64decode(genesis, validate=True)
        except (ValueError, TypeError, KeyError, RecursionError):  # the last for what is nested a thousand deep
            raise NetworkFileError("not a network file: it needs a genesis and seeds") from None
        if not isinstance(seeds, list) or not seeds or not all(isinstance(s, str) and is_address(s) for s in seeds):
            raise NetworkFileError("a network file names at least one seed as ip:port")
        try:
            return cls(Genesis.parse(signed), tuple(seeds))
        except ProtocolError as error:
            raise NetworkFileError(f"the genesis in the network file is refused: {error}") from None

    def encode(self) -> str:
        """What `parse` reads."""
        genesis = base64.b64encode(self.genesis.signed).decode()
        return json.dumps({"genesis": genesis, "seeds": list(self.seed_addresses)}, indent=1)

    @cached_property
    def seeds(self) -> tuple[Seed, ...]:
        """Whom to ask at first contact."""
        certificates = self.genesis.discovery_certificates
        return tuple(Seed(address, certificates) for address in self.seed_addresses)
