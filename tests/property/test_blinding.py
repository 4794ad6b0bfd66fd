"""Blinded keys against an Ed25519 that knows nothing of blinding (`cryptography`)."""

import random

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from essaim.protocol import blinding
from essaim.protocol.keys import SigningKey

SEED = 20261123


def test_blinded_signatures_are_plain_ed25519():
    source = random.Random(SEED)
    for _ in range(200):
        base = SigningKey(source.randbytes(32))
        secret, day, message = source.randbytes(32), source.randrange(2**20), source.randbytes(source.randrange(200))
        signer = blinding.private_inbox_signer(base, secret, day)
        public = blinding.private_inbox_key(base.public, secret, day)
        assert signer.public == public != base.public, SEED
        signature = signer.sign(message)
        plain = Ed25519PublicKey.from_public_bytes(public.raw)
        plain.verify(signature, message)
        with pytest.raises(InvalidSignature):
            plain.verify(signature, message + b"!")
        assert not base.public.verifies(signature, message)


def test_mailboxes_of_one_account_share_no_key():
    base, secret = SigningKey(bytes(32)), bytes([7]) * 32
    keys = [
        base.public,
        blinding.public_inbox_key(base.public),
        blinding.outbox_key(base.public),
        *(blinding.private_inbox_key(base.public, secret, day) for day in range(100)),
        *(blinding.private_inbox_writer(secret, day).public for day in range(100)),
    ]
    assert len({key.raw for key in keys}) == len(keys)
    assert blinding.public_inbox_signer(base).public == keys[1]
    assert blinding.outbox_signer(base).public == keys[2]


def test_nonces_differ_between_blinded_keys_and_messages():
    base = SigningKey(bytes(32))
    one, other = blinding.public_inbox_signer(base), blinding.outbox_signer(base)
    points = {key.sign(message)[:32] for key in (one, other, base) for message in (b"a", b"b")}
    assert len(points) == 6
    assert one.sign(b"a") == one.sign(b"a")


def test_mailbox_day_changes_at_midnight_utc():
    assert blinding.mailbox_day(1_795_305_599_999) + 1 == blinding.mailbox_day(1_795_305_600_000) == 20779
