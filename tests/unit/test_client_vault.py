"""The vault: what opens it, what does not, and that nobody can make guessing cheaper."""

import dataclasses
import json

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from nacl.pwhash import argon2id

from essaim_client.store import vault
from essaim_client.store.vault import Cost, Vault, VaultRefusedError

CHEAP = Cost(argon2id.OPSLIMIT_MIN, argon2id.MEMLIMIT_MIN)


class MemoryKeyring(KeyringBackend):
    """The system's key ring, for as long as a test takes."""

    priority = 1

    def __init__(self):
        super().__init__()
        self.kept = {}

    def get_password(self, service, username):
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self.kept[service, username] = password


@pytest.fixture
def ring():
    before = keyring.get_keyring()
    made = MemoryKeyring()
    keyring.set_keyring(made)
    yield made
    keyring.set_keyring(before)


def test_passphrase_gives_the_key_back(tmp_path):
    made, key = vault.create("correct horse", cost=CHEAP)
    made.save(tmp_path / "vault.json")
    assert vault.load(tmp_path / "vault.json").open("correct horse") == key
    assert (tmp_path / "vault.json").stat().st_mode & 0o777 == 0o600
    assert key.hex() not in (tmp_path / "vault.json").read_text()


@pytest.mark.parametrize("passphrase", ["Correct horse", "", "correct horse ", None])
def test_wrong_passphrase_is_refused(passphrase):
    made, _ = vault.create("correct horse", cost=CHEAP)
    with pytest.raises(VaultRefusedError):
        made.open(passphrase)


def test_two_vaults_of_one_passphrase_share_nothing():
    (first, key), (second, other) = vault.create("same", cost=CHEAP), vault.create("same", cost=CHEAP)
    assert key != other and first.salt != second.salt and first.sealed != second.sealed


@pytest.mark.parametrize(
    "change",
    [
        {"operations": argon2id.OPSLIMIT_MIN + 1},
        {"memory_bytes": argon2id.MEMLIMIT_MIN * 2},
        {"version": 2},
        {"salt": "00" * 16},
        {"salt": "00"},
        {"operations": -1},
        {"operations": 0},
        {"memory_bytes": 0},
        {"sealed": ""},
        {"sealed": "00" * 40},
    ],
)
def test_altered_header_opens_nothing(change):
    made, _ = vault.create("pass", cost=CHEAP)
    with pytest.raises(VaultRefusedError):
        dataclasses.replace(made, **change).open("pass")


def test_lowered_cost_does_not_open_even_for_who_knows_the_passphrase():
    made, _ = vault.create("pass", cost=Cost(argon2id.OPSLIMIT_MIN + 1, argon2id.MEMLIMIT_MIN * 2))
    cheaper = dataclasses.replace(made, operations=argon2id.OPSLIMIT_MIN, memory_bytes=argon2id.MEMLIMIT_MIN)
    with pytest.raises(VaultRefusedError):
        cheaper.open("pass")


def test_every_flipped_bit_of_the_sealed_key_is_refused():
    made, _ = vault.create("pass", cost=CHEAP)
    sealed = bytes.fromhex(made.sealed)
    for at in range(0, len(sealed) * 8, 29):
        flipped = bytearray(sealed)
        flipped[at // 8] ^= 1 << at % 8
        with pytest.raises(VaultRefusedError):
            dataclasses.replace(made, sealed=flipped.hex()).open("pass")


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", '{"version": 1}', '"x"', "\x00"],
)
def test_file_that_is_no_vault_is_refused(tmp_path, text):
    path = tmp_path / "vault.json"
    path.write_text(text)
    with pytest.raises(VaultRefusedError):
        vault.load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"kind": "plain"},
        {"salt": "xx"},
        {"salt": 5},
        {"sealed": None},
        {"operations": "1"},
        {"more": 1},
    ],
)
def test_vault_with_a_wrong_field_is_refused_when_loaded(tmp_path, change):
    path = tmp_path / "vault.json"
    made, _ = vault.create("pass", cost=CHEAP)
    path.write_text(json.dumps(dataclasses.asdict(made) | change))
    with pytest.raises(VaultRefusedError):
        vault.load(path)


def test_vault_is_never_written_over(tmp_path):
    made, _ = vault.create("pass", cost=CHEAP)
    made.save(tmp_path / "vault.json")
    with pytest.raises(FileExistsError):
        made.save(tmp_path / "vault.json")


def test_key_ring_keeps_the_key(ring):
    made, key = vault.create(None)
    assert made.kind == "keyring" and made.open(None) == key == made.open("whatever")
    assert key.hex() not in json.dumps(dataclasses.asdict(made))


@pytest.mark.parametrize("kept", [None, "", "ab", "x" * 64, "ab" * 33])
def test_key_ring_without_the_key_is_refused(ring, kept):
    made, _ = vault.create(None)
    ring.kept = {} if kept is None else dict.fromkeys(ring.kept, kept)
    with pytest.raises(VaultRefusedError):
        made.open(None)


def test_system_without_a_key_ring_says_so():
    before = keyring.get_keyring()
    keyring.set_keyring(NoKeyring())
    try:
        with pytest.raises(VaultRefusedError, match="passphrase"):
            vault.create(None)
        with pytest.raises(VaultRefusedError):
            Vault(1, "keyring", "00" * 16, 0, 0, "").open(None)
    finally:
        keyring.set_keyring(before)


def test_default_cost_is_argon2id_s_moderate_one():
    assert Cost() == Cost(3, 256 << 20)
