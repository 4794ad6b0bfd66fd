"""The authorities that an embedded discovery speaks for: of the genesis's n, those whose keys are on its volume."""

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
FURTHER_FILES = "authority-*.key"


class Authority:
    """Signs headers with every key that it has: enough to reach the threshold of the genesis."""

    def __init__(self, keys: Sequence[tuple[int, SigningKey]]) -> None:
        self._keys = tuple(sorted(keys, key=lambda pair: pair[0]))

    @classmethod
    def of(cls, genesis: Genesis, *keys: SigningKey) -> "Authority":
        """StartError unless the genesis names all these keys, and needs no more."""
        known = [each.raw for each in genesis.authorities]
        named = {known.index(key.public.raw): key for key in keys if key.public.raw in known}
        if len(named) < len(keys):
            raise StartError("the genesis names other authorities than those in the data folder.")
        if len(named) < genesis.threshold:
            raise StartError(
                f"the genesis needs signatures of {genesis.threshold} authorities; the data folder has {len(named)}."
            )
        return cls(list(named.items()))

    def sign(self, header: Header) -> view_pb2.SignedHeader:
        """The same header gives the same signatures (RFC 8032): signing again after a crash adds nothing new."""
        signatures = [sign(number, key, SIGNATURE_LABEL, header.raw) for number, key in self._keys]
        return view_pb2.SignedHeader(header=header.raw, signatures=signatures)


def load_authority_keys(folder: Path) -> list[SigningKey]:
    """All that the folder has. StartError when there is none or one is damaged: nobody else can speak for the network,
    so none is made."""
    files = [folder / AUTHORITY_FILE, *sorted(folder.glob(FURTHER_FILES))]
    if not files[0].exists() and len(files) == 1:
        raise StartError(f"there is no {AUTHORITY_FILE} in the data folder: make a genesis first.")
    return [_read(file) for file in files if file.exists()]


def make_authority_keys(folder: Path, count: int, random: Random = os.urandom) -> list[SigningKey]:
    """The first `count` keys of the folder, made where there are none: authority.key, authority-2.key ..."""
    files = [folder / (AUTHORITY_FILE if number == 1 else f"authority-{number}.key") for number in range(1, count + 1)]
    for file in files:
        if not file.exists():
            write_durably(file, random(SEED_SIZE))
    return [_read(file) for file in files]


def _read(file: Path) -> SigningKey:
    try:
        seed = file.read_bytes()
    except OSError:
        raise StartError(f"{file.name} in the data folder cannot be read.") from None
    if len(seed) != SEED_SIZE:
        raise StartError(f"{file.name} in the data folder is damaged; restore it from a copy.")
    return SigningKey(seed)
