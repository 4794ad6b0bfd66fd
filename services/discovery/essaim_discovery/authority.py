"""The authority of an embedded discovery: one of the genesis's n, its key on the volume, for the owner alone."""

import os
from collections.abc import Sequence
from pathlib import Path

from essaim.protocol.keys import SEED_SIZE, SigningKey
from essaim.protocol.view import Genesis, Header
from essaim.protocol.view.authority import sign
from essaim.protocol.view.header import SIGNATURE_LABEL
from essaim.runtime.identity import Random
from essaim.runtime.refusal import StartError
from essaim.runtime.volume import write_durably
from essaim.view.v1 import view_pb2

AUTHORITY_FILE = "authority.key"


class Authority:
    """Signs headers. One signature reaches the threshold of a genesis with one authority, and of no other."""

    def __init__(self, number: int, key: SigningKey) -> None:
        self._number = number
        self._key = key

    @classmethod
    def of(cls, genesis: Genesis, key: SigningKey) -> "Authority":
        """StartError unless the genesis names this key, and no other is needed."""
        keys: Sequence[bytes] = [each.raw for each in genesis.authorities]
        if key.public.raw not in keys:
            raise StartError("the genesis names another authority than the one in the data folder.")
        if genesis.threshold > 1:
            raise StartError("the genesis needs signatures of several authorities; this discovery is one alone.")
        return cls(keys.index(key.public.raw), key)

    def sign(self, header: Header) -> view_pb2.SignedHeader:
        """The same header gives the same signature (RFC 8032): signing again after a crash adds nothing new."""
        signature = sign(self._number, self._key, SIGNATURE_LABEL, header.raw)
        return view_pb2.SignedHeader(header=header.raw, signatures=[signature])


def load_authority_key(folder: Path) -> SigningKey:
    """StartError when it is not there or damaged: nobody else can speak for the network, so none is made."""
    try:
        seed = (folder / AUTHORITY_FILE).read_bytes()
    except OSError:
        raise StartError(f"there is no {AUTHORITY_FILE} in the data folder: make a genesis first.") from None
    if len(seed) != SEED_SIZE:
        raise StartError(f"{AUTHORITY_FILE} in the data folder is damaged; restore it from a copy.")
    return SigningKey(seed)


def make_authority_key(folder: Path, random: Random = os.urandom) -> SigningKey:
    """The key in the folder, made when there is none."""
    if not (folder / AUTHORITY_FILE).exists():
        write_durably(folder / AUTHORITY_FILE, random(SEED_SIZE))
    return load_authority_key(folder)
