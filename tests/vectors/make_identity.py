"""Writes identity.json from docs/protocol/identity.md alone: a phrase with a second factor, its keys, two manifests.

python tests/vectors/make_identity.py > tests/vectors/identity.json; everything follows from small seeds; frozen as v1
"""

import hashlib
import json
import unicodedata

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NOW = 1_800_000_000_000
PURPOSES = ("identity signing", "identity agreement", "mailbox", "backup", "authorship", "rooms")
MANAGER, DORMANT = 1, 2


def u(number: int, size: int) -> bytes:
    return number.to_bytes(size, "big")


def h(label: bytes, *parts: bytes) -> bytes:
    return hashlib.blake2b(label + b"".join(parts), digest_size=32).digest()


def hkdf(secret: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(secret)


def signing(seed: bytes) -> tuple[Ed25519PrivateKey, bytes]:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    return private, private.public_key().public_bytes_raw()


def agreement(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def second_factor(entropy: bytes, passphrase: str) -> tuple[bytes, bytes]:
    secret = unicodedata.normalize("NFKD", passphrase).encode()
    salt = h(b"essaim/phrase/v1", entropy)[:16]
    stretched = Argon2id(salt=salt, length=32, iterations=3, lanes=1, memory_cost=65_536).derive(secret)
    return stretched, hkdf(entropy + stretched, b"essaim/phrase/v1", b"seed")


def device(slot: int, flags: int) -> tuple[bytes, bytes]:
    """Record 114 and ML-KEM key of the device whose seeds are made of the byte 0x10 + slot."""
    byte = bytes([0x10 + slot])
    kem = MLKEM768PrivateKey.from_seed_bytes(byte * 64).public_key().public_bytes_raw()
    front = u(slot, 1) + u(flags, 1) + byte * 16 + signing(byte * 32)[1] + agreement(byte * 32)
    return front + h(b"essaim/kem/v1", kem), kem


def manifest(keys: dict[str, bytes], version: int, devices: list[tuple[bytes, bytes]], previous: list[bytes]) -> dict:
    private, identity = signing(keys["identity signing"])
    head = b"\1" + identity + agreement(keys["identity agreement"]) + u(version, 8) + u(NOW + version, 8)
    head += h(b"essaim/previous/v1", *previous) + u(len(devices), 1)
    for record, _ in devices:
        head += record[:1] + h(b"essaim/device/v1", record)
    signature = private.sign(b"essaim/manifest/v1" + head)
    whole = head + signature + u(len(previous), 1) + b"".join(previous)
    whole += b"".join(record + kem for record, kem in devices)
    certificates = {str(record[0]): (head + signature + record).hex() for record, _ in devices}
    told = {"version": version, "time_ms": NOW + version, "hash": h(b"essaim/manifest/v1", head).hex()}
    return told | {"manifest": whole.hex(), "certificates": certificates}


def main() -> None:
    entropy, passphrase = bytes(range(32)), "Grüße, \u212bngström"
    stretched, seed = second_factor(entropy, passphrase)
    keys = {purpose: hkdf(seed, b"essaim/account/v1", purpose.encode()) for purpose in PURPOSES}
    first = manifest(keys, 0, [device(0, MANAGER)], [])
    second = manifest(keys, 1, [device(0, MANAGER), device(2, 0)], [bytes.fromhex(first["hash"])])
    names = [bytes.fromhex(each["hash"]) for each in (second, first)]
    third = manifest(keys, 2, [device(0, MANAGER), device(2, DORMANT), device(4, MANAGER)], names)
    vectors = {
        "version": "v1",
        "entropy": entropy.hex(),
        "passphrase": passphrase,
        "stretched": stretched.hex(),
        "seed": seed.hex(),
        "keys": {purpose: key.hex() for purpose, key in keys.items()},
        "identity": signing(keys["identity signing"])[1].hex(),
        "manifests": [first, second, third],
    }
    print(json.dumps(vectors, indent=1))


if __name__ == "__main__":
    main()
