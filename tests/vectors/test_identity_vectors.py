"""Second factor, account keys and manifests against frozen examples (v1), made from the document alone."""

import json
import unicodedata
from pathlib import Path

import pytest

from essaim.protocol.account import Account
from essaim.protocol.keys import VerifyKey
from essaim.protocol.manifest import (
    Certificate,
    Head,
    Manifest,
    ManifestForkError,
    ManifestRollbackError,
    next_manifest,
)
from essaim.protocol.phrase import seed_of

VECTORS = json.loads((Path(__file__).parent / "identity.json").read_text())
ACCOUNT = Account(bytes.fromhex(VECTORS["seed"]))
IDENTITY = VerifyKey(bytes.fromhex(VECTORS["identity"]))
MANIFESTS = [bytes.fromhex(each["manifest"]) for each in VECTORS["manifests"]]
VECTOR = pytest.mark.parametrize("vector", VECTORS["manifests"], ids=lambda each: str(each["version"]))


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKD"])
def test_second_factor_gives_the_seed_that_it_gave(form: str) -> None:
    passphrase = unicodedata.normalize(form, VECTORS["passphrase"])
    assert seed_of(bytes.fromhex(VECTORS["entropy"]), passphrase) == ACCOUNT.seed


def test_account_keys_are_what_they_were() -> None:
    made = {
        "identity signing": ACCOUNT.identity.seed,
        "identity agreement": ACCOUNT.agreement.raw,
        "mailbox": ACCOUNT.mailbox_secret,
        "backup": ACCOUNT.backup_key,
        "authorship": ACCOUNT.authorship_key,
        "rooms": ACCOUNT.rooms_secret,
    }
    assert {purpose: key.hex() for purpose, key in made.items()} == VECTORS["keys"]
    assert ACCOUNT.id.identity == IDENTITY


@VECTOR
def test_manifest_of_then_is_read_now(vector: dict) -> None:
    manifest = Manifest.decode(bytes.fromhex(vector["manifest"]))
    manifest.check(IDENTITY)
    assert (manifest.version, manifest.head.time_ms) == (vector["version"], vector["time_ms"])
    assert manifest.hash.hex() == vector["hash"] and manifest.encode().hex() == vector["manifest"]
    assert {str(slot): manifest.certificate(slot).encode().hex() for slot in (0, 2, 4) if manifest.device(slot)} == (
        vector["certificates"]
    )


@VECTOR
def test_certificate_of_then_is_believed_now(vector: dict) -> None:
    for encoded in vector["certificates"].values():
        Certificate.decode(bytes.fromhex(encoded)).check()


def test_manifests_follow_each_other() -> None:
    first, second, third = map(Manifest.decode, MANIFESTS)
    for pinned, newer in ((first, second), (first, third), (second, third)):
        newer.check(IDENTITY, pinned.head)
    with pytest.raises(ManifestRollbackError):
        first.check(IDENTITY, third.head)
    with pytest.raises(ManifestForkError):
        third.check(IDENTITY, Head.decode(_forked(first, second).head.encode()))


def _forked(first: Manifest, second: Manifest) -> Manifest:
    return next_manifest(ACCOUNT, first, second.entries, second.head.time_ms + 1)


def test_next_manifest_is_made_as_it_was() -> None:
    """Ed25519 draws nothing: the same account, devices and times give the same bytes."""
    first, second, third = map(Manifest.decode, MANIFESTS)
    assert next_manifest(ACCOUNT, first, second.entries, second.head.time_ms).encode() == MANIFESTS[1]
    assert next_manifest(ACCOUNT, second, third.entries, third.head.time_ms).encode() == MANIFESTS[2]
    assert [each.slot for each in third.awake] == [0, 4]
