"""Two people with a device each, and a session between them."""

import random

from essaim.protocol.account import Account
from essaim.protocol.conversation import Device, Peer
from essaim.protocol.prekeys import Bundle

NOW = 1_800_000_000_000
DAY_MS = 24 * 60 * 60 * 1000
NODE = bytes([7]) * 32


class Person:
    """An account with one device, the store behind it, and fetching what others need."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed).randbytes
        self.account = Account(bytes([seed]) * 32)
        self.device = Device.create(self.account, 0, NOW, self.random)
        self.peer = Peer(self.account.id, 0)

    def bundle(self, *, one_time: bool = False) -> Bundle:
        sealed = self.device.new_one_time_batch(NODE, 1, NOW, self.random)[0] if one_time else b""
        manifest, prekeys = self.device.manifest_entry(self.random), self.device.prekeys_entry(self.random)
        return Bundle.assemble(self.account.id, 0, manifest, prekeys, one_time=sealed, node_id=NODE)

    def start(self, other: "Person", *, one_time: bool = False) -> None:
        self.device.start(other.bundle(one_time=one_time), NOW, self.random)

    def seal(self, other: "Person", content: bytes = b"text") -> bytes:
        return self.device.seal(other.peer, content, NOW, self.random)

    def open(self, envelope: bytes):
        return self.device.open(envelope, NOW, self.random)


def people() -> tuple[Person, Person]:
    return Person(1), Person(2)


def friends() -> tuple[Person, Person]:
    alice, bob = people()
    alice.start(bob)
    bob.open(alice.seal(bob))
    alice.open(bob.seal(alice))
    return alice, bob
