"""A client's directory: network.json (which network), vault.json (the store's key, wrapped), store.db (all the rest).

vault.json is written last: a directory without one holds no account, whatever else an interrupted start left there.
An older store.db that is put back would send under keys that were used already: nothing here notices that yet.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_dir

from essaim.protocol.account import Account
from essaim.protocol.errors import ProtocolError
from essaim.protocol.phrase import seed_of
from essaim_client.messaging.profile import ENTROPY_KEY, SEED_KEY, NoAccountError
from essaim_client.network_file import NetworkFile
from essaim_client.store import vault
from essaim_client.store.local_store import LocalStore

NETWORK_FILE = "network.json"
VAULT_FILE = "vault.json"
STORE_FILE = "store.db"


class HomeTakenError(ProtocolError):
    """The directory holds an account already."""

    reason = "HOME_TAKEN"


def default_home() -> Path:
    """ESSAIM_HOME, else the user's data directory."""
    return Path(os.environ.get("ESSAIM_HOME") or user_data_dir("essaim"))


def needs_passphrase(path: Path) -> bool:
    """Whether the account there is closed with a passphrase, not with the key ring. Raises NoAccountError."""
    return _vault(path).kind == "passphrase"


def _vault(path: Path) -> vault.Vault:
    if not (path / VAULT_FILE).exists():
        raise NoAccountError("no account here yet: make one with `essaim account new`")
    return vault.load(path / VAULT_FILE)


@dataclass(frozen=True)
class Home:
    """An open directory; `close` lets the next program have it."""

    path: Path
    network: NetworkFile
    store: LocalStore

    @classmethod
    def create(
        cls,
        path: Path,
        network: NetworkFile,
        passphrase: str | None,
        entropy: bytes,
        cost: vault.Cost | None = None,
    ) -> "Home":
        """A new directory for the account with this entropy. No passphrase: the system's key ring keeps the key.

        Raises HomeTakenError, VaultRefusedError.
        """
        if (path / VAULT_FILE).exists():
            raise HomeTakenError("there is an account in this directory already")
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in path.glob(STORE_FILE + "*"):
            left.unlink()  # of a start that was interrupted: nobody has its key
        made, key = vault.create(passphrase, cost=cost)
        (path / NETWORK_FILE).write_text(network.encode())
        (path / STORE_FILE).touch(mode=0o600)  # first: the log beside it takes over its mode
        store = LocalStore(path / STORE_FILE, key)
        with store.transaction():
            store.put(ENTROPY_KEY, entropy)
            store.put(SEED_KEY, seed_of(entropy))
        made.save(path / VAULT_FILE)
        _sync_directory(path)
        return cls(path, network, store)

    @classmethod
    def open(cls, path: Path, passphrase: str | None) -> "Home":
        """Raises NoAccountError, VaultRefusedError, NetworkFileError, StoreRefusedError, StoreBusyError."""
        closed = _vault(path)
        network = NetworkFile.load(path / NETWORK_FILE)
        return cls(path, network, LocalStore(path / STORE_FILE, closed.open(passphrase)))

    @property
    def keys(self) -> Account | None:
        """The account's keys; None on a device that is no manager."""
        seed = self.store.get(SEED_KEY)
        return Account(seed) if seed else None

    @property
    def account(self) -> Account:
        """Whose home it is. Raises NoAccountError."""
        keys = self.keys
        if keys is None:
            raise NoAccountError("no account here yet: make one with `essaim account new`")
        return keys

    def close(self) -> None:
        self.store.close()


def _sync_directory(path: Path) -> None:
    with suppress(OSError):  # not every system can sync a directory
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
