"""Who a node is: its Ed25519 identity and its TLS certificate, kept on its own volume.

The onion keys are not here: they live in memory alone, so that a stolen disk opens nothing.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from essaim.network.tls import Certificate
from essaim.protocol.keys import SEED_SIZE, SigningKey
from essaim.runtime.refusal import StartError
from essaim.runtime.volume import write_durably

IDENTITY_FILE = "identity.key"
TLS_KEY_FILE = "tls.key"
CERTIFICATE_FILE = "tls.der"

Random = Callable[[int], bytes]
T = TypeVar("T")


class Doing(Protocol):
    """How something is done: here, or as `essaim.runtime.apart` does it."""

    def __call__(self, work: Callable[[], T]) -> T: ...


def here(work: Callable[[], T]) -> T:
    """In this process."""
    return work()


@dataclass(frozen=True)
class NodeIdentity:
    """A node's long-lived keys. `node_id` is the raw Ed25519 public key, 32 bytes."""

    signing: SigningKey
    certificate: Certificate

    @property
    def node_id(self) -> bytes:
        return self.signing.public.raw


def load_identity(
    folder: Path, make: Callable[[], Certificate] = Certificate.make, random: Random = os.urandom, doing: Doing = here
) -> NodeIdentity:
    """The identity below `folder`, made at the first start (its certificate by `make`). Certificates are made and
    checked by `doing`: a node does it apart, for X.509 takes memory.

    Raises StartError for a folder that cannot be written, and for files that are no keys: a damaged identity is never
    replaced in silence, for the network knows the node by it.
    """
    try:
        return NodeIdentity(
            SigningKey(_seed(folder / IDENTITY_FILE, random)), doing(partial(_certificate, folder, make))
        )
    except OSError as error:
        raise StartError(f"the data folder cannot be used: {error.strerror}.") from None


def _certificate(folder: Path, make: Callable[[], Certificate]) -> Certificate:
    key, certificate = folder / TLS_KEY_FILE, folder / CERTIFICATE_FILE
    if not certificate.exists():  # written last: without it the key was never used
        made = make()
        write_durably(key, made.key_pem)
        write_durably(certificate, made.der)
    try:
        return Certificate.load(key.read_bytes(), certificate.read_bytes())
    except (ValueError, OSError):
        raise StartError("the TLS files in the data folder are damaged; remove both to get new ones.") from None


def _seed(path: Path, random: Random) -> bytes:
    if not path.exists():
        write_durably(path, random(SEED_SIZE))
    seed = path.read_bytes()
    if len(seed) != SEED_SIZE:
        raise StartError(f"{path.name} in the data folder is damaged; restore it, or remove it to become a new node.")
    return seed
