"""An authority: one of the keys that the genesis names. It signs outside of the state machine."""

from collections.abc import Callable, Sequence
from pathlib import Path

from essaim.protocol.keys import SEED_SIZE, SigningKey
from essaim.protocol.view import Genesis
from essaim.protocol.view.authority import sign
from essaim.protocol.view.header import SIGNATURE_LABEL
from essaim.runtime.refusal import StartError
from essaim.runtime.volume import write_durably
from essaim.view.v1 import view_pb2

KEY_FILE = "authority.key"

Signer = Callable[[bytes], Sequence[view_pb2.AuthoritySignature]]
"""From a header's bytes to signatures over it: of one authority, or of as many as a consensus engine gathers."""


def load_key(folder: Path) -> SigningKey:
    """The authority's Ed25519 key on the volume. Raises StartError when there is none: it is never made in passing."""
    try:
        seed = (folder / KEY_FILE).read_bytes()
    except OSError:
        raise StartError(f"{KEY_FILE} is not in the data folder; `essaim_discovery genesis` makes it.") from None
    if len(seed) != SEED_SIZE:
        raise StartError(f"{KEY_FILE} in the data folder is damaged.")
    return SigningKey(seed)


def make_key(folder: Path, random: Callable[[int], bytes]) -> SigningKey:
    """The key on the volume; made when there is none."""
    if not (folder / KEY_FILE).exists():
        write_durably(folder / KEY_FILE, random(SEED_SIZE))
    return load_key(folder)


def signer(genesis: Genesis, key: SigningKey) -> Signer:
    """Signs as the authority that the genesis knows by this key. Raises StartError when it knows none such."""
    if key.public not in genesis.authorities:
        raise StartError("this data folder's authority key is none of the genesis's.")
    if genesis.threshold > 1:
        raise StartError("this genesis wants several authorities' signatures; the embedded driver has one.")
    number = genesis.authorities.index(key.public)
    return lambda header: [sign(number, key, SIGNATURE_LABEL, header)]
