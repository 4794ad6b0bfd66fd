"""A client's directory: network.json (which network), vault.json (the store's key, wrapped), store.db (all the rest).

vault.json is written last: a directory without one holds no account, whatever else an interrupted start left there.
An older store.db that is put back is noticed before anything is sent from it (messaging/generation.py).
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_dir

from essaim.protocol.account import Account, AccountId
from essaim.protocol.conversation import Device
from essaim.protocol.errors import ProtocolError
from essaim.protocol.phrase import seed_of
from essaim_client.messaging.profile import BESIDE_KEY, ENTROPY_KEY, SEED_KEY, NoAccountError, NotAManagerError
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
    made: vault.Vault | None = None
    """Of a directory that `begin` made: its lock, which `keep` writes."""

    @classmethod
    def create(
        cls,
        path: Path,
        network: NetworkFile,
        passphrase: str | None,
        entropy: bytes,
        cost: vault.Cost | None = None,
        *,
        second_factor: str = "",
        beside: bool = False,
    ) -> "Home":
        """A new directory for the account with this entropy and second factor. No passphrase: the system's key ring
        keeps the key. `beside`: as one more device of the account, not in place of its first.

        Raises HomeTakenError, VaultRefusedError.
        """
        home = cls.begin(path, network, passphrase, cost)
        with home.store.transaction():
            home.store.put(ENTROPY_KEY, entropy)
            home.store.put(SEED_KEY, seed_of(entropy, second_factor))
            if beside:
                home.store.put(BESIDE_KEY, b"1")
        home.keep()
        return home

    @classmethod
    def begin(cls, path: Path, network: NetworkFile, passphrase: str | None, cost: vault.Cost | None = None) -> "Home":
        """A directory without an account: nobody can open it again before `keep`. Raises as `create`."""
        if (path / VAULT_FILE).exists():
            raise HomeTakenError("there is an account in this directory already")
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in path.glob(STORE_FILE + "*"):
            left.unlink()  # of a start that was interrupted: nobody has its key
        made, key = vault.create(passphrase, cost=cost)
        (path / NETWORK_FILE).write_text(network.encode())
        (path / STORE_FILE).touch(mode=0o600)  # first: the log beside it takes over its mode
        return cls(path, network, LocalStore(path / STORE_FILE, key), made)

    def keep(self) -> None:
        """The account is in the store: from now on there is one here."""
        assert self.made is not None
        self.made.save(self.path / VAULT_FILE)
        _sync_directory(self.path)

    @staticmethod
    def remove(path: Path) -> None:
        """All of it, the lock first: what is left of an encrypted store opens for nobody."""
        with suppress(ProtocolError):
            _vault(path).forget()
        for name in (VAULT_FILE, STORE_FILE, f"{STORE_FILE}-wal", f"{STORE_FILE}-shm", NETWORK_FILE):
            _erase(path / name)
        _sync_directory(path)

    @classmethod
    def open(cls, path: Path, passphrase: str | None) -> "Home":
        """Raises NoAccountError, VaultRefusedError, NetworkFileError, StoreRefusedError, StoreBusyError."""
        closed = _vault(path)
        network = NetworkFile.load(path / NETWORK_FILE)
        return cls(path, network, LocalStore(path / STORE_FILE, closed.open(passphrase)))

    @property
    def account_id(self) -> AccountId:
        """Whose home it is. Raises NoAccountError."""
        keys = self.keys
        if keys is not None:
            return keys.id
        records = self.store.device_records()
        if not records:
            raise NoAccountError("no account here yet: make one with `essaim account new`")
        return Device.restore(records).account_id

    @property
    def keys(self) -> Account | None:
        """The account's keys; None on a device that is no manager."""
        seed = self.store.get(SEED_KEY)
        return Account(seed) if seed else None

    @property
    def account(self) -> Account:
        """The keys of whose home it is. Raises NoAccountError, NotAManagerError."""
        keys = self.keys
        if keys is None and self.store.device_records():
            raise NotAManagerError("this device does not hold the account's keys")
        if keys is None:
            raise NoAccountError("no account here yet: make one with `essaim account new`")
        return keys

    def close(self) -> None:
        self.store.close()


def _erase(path: Path) -> None:
    """Overwritten before it is unlinked: of the lock's few bytes a disk may keep no copy."""
    with suppress(FileNotFoundError):
        if path.name == VAULT_FILE:
            with path.open("r+b") as file:
                file.write(bytes(path.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
        path.unlink()


def _sync_directory(path: Path) -> None:
    with suppress(OSError):  # not every system can sync a directory
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
