"""End-to-end encryption against a frozen conversation (v1), opened by us and by a reader without our code."""

import importlib.util
import json
import os
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from essaim.protocol import blinding
from essaim.protocol.account import Account, AccountId
from essaim.protocol.conversation import Device
from essaim.protocol.keys import VerifyKey
from essaim.protocol.phrase import entropy_of, seed_of
from essaim.protocol.prekeys import Bundle

HERE = Path(__file__).parent
VECTORS = json.loads((HERE / "e2e.json").read_text())
NOW = 1_800_000_000_000


def foreign_reader():
    spec = importlib.util.spec_from_file_location("open_e2e", HERE / "open_e2e.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


READER = foreign_reader()


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_account_keys_match(name):
    vector = VECTORS[name]
    account = Account(seed_of(entropy_of(vector["words"])))
    ours = account.identity.seed, account.agreement.raw, account.mailbox_secret, account.backup_key
    frozen = [vector[key] for key in ("identity_seed", "agreement_private", "mailbox_secret", "backup_key")]
    assert [key.hex() for key in ours] == frozen
    assert READER.account_keys(entropy_of(vector["words"])) == ours
    assert str(account.id) == vector["id"] and AccountId.parse(vector["id"]).raw.hex() == vector["identity"]


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_mailbox_keys_match(name):
    vector = VECTORS[name]
    account = Account(seed_of(entropy_of(vector["words"])))
    identity, private = account.id.identity, vector["private_inbox"]
    secret, day = bytes.fromhex(private["secret"]), private["day"]
    assert blinding.public_inbox_key(identity).raw.hex() == vector["public_inbox_key"]
    assert blinding.outbox_key(identity).raw.hex() == vector["outbox_key"]
    assert blinding.outbox_signer(account.identity).sign(b"hello").hex() == vector["outbox_signature_of_hello"]
    assert VerifyKey(bytes.fromhex(vector["outbox_key"])).verifies(
        bytes.fromhex(vector["outbox_signature_of_hello"]), b"hello"
    )
    assert blinding.private_inbox_key(identity, secret, day).raw.hex() == private["read_key"]
    assert blinding.private_inbox_writer(secret, day).seed.hex() == private["write_seed"]


def test_published_entries_open():
    bob = {key: bytes.fromhex(VECTORS["bob"][key]) for key in ("manifest_entry", "prekeys_entry", "one_time_sealed")}
    bundle = Bundle.assemble(
        AccountId.parse(VECTORS["bob"]["id"]),
        0,
        bob["manifest_entry"],
        bob["prekeys_entry"],
        one_time=bob["one_time_sealed"],
        node_id=bytes.fromhex(VECTORS["bob"]["node_id"]),
    )
    assert bundle.manifest.hash.hex() == VECTORS["bob"]["manifest_hash"]
    assert bundle.one_time is not None


def test_frozen_state_opens_the_frozen_initial_messages():
    device = Device.restore({bytes.fromhex(key): bytes.fromhex(value) for key, value in VECTORS["bob_records"].items()})
    for step in VECTORS["story"][:2]:
        opened = device.open(bytes.fromhex(step["envelope"]), NOW, os.urandom)
        assert opened.content.decode() == step["text"]
        assert str(opened.sender.account) == VECTORS["alice"]["id"]
    keys = VECTORS["bob"]["device"]
    assert device.keys.device_id.hex() == keys["id"]
    assert device.slot_signer(bytes(32)).seed.hex() == keys["slot_seed_in_mailbox_of_zeros"]


def test_a_reader_written_from_the_document_opens_them_too():
    reader = READER.Receiver(VECTORS["bob"])
    for step in VECTORS["story"][:2]:
        identity, content = reader.open_initial(bytes.fromhex(step["envelope"]))
        assert (identity.hex(), content.decode()) == (VECTORS["alice"]["identity"], step["text"])
    with pytest.raises(InvalidTag):
        reader.open_initial(bytes.fromhex(VECTORS["story"][0]["envelope"])[:-1] + b"\1")


def test_a_reader_written_from_the_document_opens_what_we_seal_today():
    """Both ways: not only the frozen bytes, also fresh ones."""
    alice = Device.create(Account(os.urandom(32)), 0, NOW, os.urandom)
    bob = VECTORS["bob"]
    entries = (bytes.fromhex(bob[key]) for key in ("manifest_entry", "prekeys_entry"))
    sealed, node = bytes.fromhex(bob["one_time_sealed"]), bytes.fromhex(bob["node_id"])
    bundle = Bundle.assemble(AccountId.parse(bob["id"]), 0, *entries, one_time=sealed, node_id=node)
    alice.start(bundle, NOW, os.urandom)
    for number in range(3):
        content = b"fresh %d" % number
        envelope = alice.seal(alice.peers()[0], content, NOW, os.urandom)
        assert READER.Receiver(bob).open_initial(envelope) == (alice.account_id.raw, content)
