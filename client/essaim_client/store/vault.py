"""The key of the local store, wrapped: by a passphrase through Argon2id (RFC 9106), or kept in the system's key ring.

vault.json holds no secret. The wrapped key is sealed by XChaCha20-Poly1305 with the whole header as associated data, so
that nobody can lower the cost of guessing. (`keyring` is imported where it is asked: it takes a tenth of a second.)
"""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id

from essaim.protocol.errors import ProtocolError

KEY_SIZE = 32
SALT_SIZE = argon2id.SALTBYTES
NONCE_SIZE = 24
KEYRING_SERVICE = "essaim"
Randomness = Callable[[int], bytes]


class VaultRefusedError(ProtocolError):
    """The store cannot be opened: a wrong passphrase, a key ring without its key, or a damaged vault file."""

    reason = "VAULT_REFUSED"


@dataclass(frozen=True)
class Cost:
    """Argon2id's work: about half a second and 256 MiB by default."""

    operations: int = argon2id.OPSLIMIT_MODERATE
    memory_bytes: int = argon2id.MEMLIMIT_MODERATE


@dataclass(frozen=True)
class Vault:
    """The contents of vault.json; hex where bytes."""

    version: int
    kind: Literal["passphrase", "keyring"]
    salt: str
    operations: int
    memory_bytes: int
    sealed: str

    @property
    def _header(self) -> bytes:
        return f"essaim/vault/v{self.version}/{self.kind}/{self.salt}/{self.operations}/{self.memory_bytes}".encode()

    def check(self) -> None:
        """ValueError or TypeError unless each field has the form that `open` relies on."""
        bytes.fromhex(self.salt), bytes.fromhex(self.sealed)
        if type(self.operations) is not int or type(self.memory_bytes) is not int:
            raise TypeError("the cost is not in whole numbers")

    def open(self, passphrase: str | None) -> bytes:
        """The 32-byte key. Raises VaultRefusedError."""
        if self.kind == "keyring":
            return _from_keyring(self.salt)
        if passphrase is None:
            raise VaultRefusedError("this store is closed with a passphrase, and none was given")
        sealed = bytes.fromhex(self.sealed)
        wrapping = _stretched(passphrase, bytes.fromhex(self.salt), Cost(self.operations, self.memory_bytes))
        try:
            return crypto_aead_xchacha20poly1305_ietf_decrypt(
                sealed[NONCE_SIZE:], self._header, sealed[:NONCE_SIZE], wrapping
            )
        except CryptoError:
            raise VaultRefusedError("the passphrase is wrong, or the vault file is damaged") from None

    def forget(self) -> None:
        """What the system's key ring keeps for it."""
        if self.kind == "keyring":
            import keyring
            from keyring.errors import KeyringError

            with suppress(KeyringError, RuntimeError):
                keyring.delete_password(KEYRING_SERVICE, self.salt)

    def save(self, path: Path) -> None:
        """Durably, readable by its owner alone; never over an existing one."""
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(self), file, indent=1)
            file.flush()
            os.fsync(file.fileno())


def load(path: Path) -> Vault:
    """The vault of a file. Raises VaultRefusedError."""
    try:
        vault = Vault(**json.loads(path.read_text()))
        vault.check()
    except (OSError, ValueError, TypeError):
        raise VaultRefusedError("the vault file cannot be read") from None
    if vault.version != 1 or vault.kind not in {"passphrase", "keyring"}:
        raise VaultRefusedError("the vault file is of a newer version of Essaim")
    return vault


def create(passphrase: str | None, random: Randomness = os.urandom, cost: Cost | None = None) -> tuple[Vault, bytes]:
    """A new key and its vault; without a passphrase the key goes to the system's key ring (VaultRefusedError)."""
    key, salt, cost = random(KEY_SIZE), random(SALT_SIZE), cost or Cost()
    if passphrase is None:
        _to_keyring(salt.hex(), key)
        return Vault(1, "keyring", salt.hex(), 0, 0, ""), key
    empty = Vault(1, "passphrase", salt.hex(), cost.operations, cost.memory_bytes, "")
    nonce = random(NONCE_SIZE)
    wrapping = _stretched(passphrase, salt, cost)
    sealed = nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(key, empty._header, nonce, wrapping)
    return Vault(1, "passphrase", salt.hex(), cost.operations, cost.memory_bytes, sealed.hex()), key


def _stretched(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    try:
        return argon2id.kdf(KEY_SIZE, passphrase.encode(), salt, cost.operations, cost.memory_bytes)
    except (ValueError, TypeError, CryptoError):
        raise VaultRefusedError("the vault file is damaged") from None


def _to_keyring(name: str, key: bytes) -> None:
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(KEYRING_SERVICE, name, key.hex())
    except (KeyringError, RuntimeError):
        raise VaultRefusedError("this system has no key ring that is unlocked: give a passphrase") from None


def _from_keyring(name: str) -> bytes:
    import keyring
    from keyring.errors import KeyringError

    try:
        kept = keyring.get_password(KEYRING_SERVICE, name)
    except (KeyringError, RuntimeError):
        kept = None
    try:
        key = bytes.fromhex(kept or "")
    except ValueError:
        key = b""
    if len(key) != KEY_SIZE:
        raise VaultRefusedError("the system's key ring does not give the key of this store")
    return key
