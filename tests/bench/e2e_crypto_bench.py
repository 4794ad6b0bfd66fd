"""What end-to-end encryption costs a client, beside the bare primitives measured in the same run.

`run()` returns dotted keys and numbers: medians of rounds.
"""

import os
import time
from collections.abc import Callable
from statistics import median

from essaim.protocol import keys, pqxdh
from essaim.protocol.account import Account
from essaim.protocol.conversation import Device, Peer
from essaim.protocol.keys import AgreementKey, KemKey
from essaim.protocol.prekeys import Bundle

ROUNDS = 15
BATCH = 40
NOW = 1_800_000_000_000
TEXT = bytes(1024)
NODE = bytes(32)


class Pair:
    """Two devices that are strangers until `meet`."""

    def __init__(self) -> None:
        self.devices = [Device.create(Account(os.urandom(32)), 0, NOW, os.urandom) for _ in range(2)]
        self.peers = [Peer(device.account_id, 0) for device in self.devices]

    def bundle(self) -> Bundle:
        bob = self.devices[1]
        return Bundle.assemble(
            bob.account_id,
            0,
            bob.manifest_entry(os.urandom),
            bob.prekeys_entry(os.urandom),
            one_time=bob.new_one_time_batch(NODE, 1, NOW, os.urandom)[0],
            node_id=NODE,
        )

    def carry(self, sender: int) -> None:
        envelope = self.devices[sender].seal(self.peers[1 - sender], TEXT, NOW, os.urandom)
        opened = self.devices[1 - sender].open(envelope, NOW, os.urandom)
        assert opened.content == TEXT

    def there_and_back(self) -> None:
        self.carry(0)
        self.carry(1)

    def meet(self) -> None:
        self.devices[0].start(self.bundle(), NOW, os.urandom)
        self.carry(0)
        self.carry(1)


def seconds(operation: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    operation()
    return clock() - start


def mean_us(operation: Callable[[], object]) -> float:
    """Microseconds of one operation, the mean of a batch."""
    return seconds(lambda: [operation() for _ in range(BATCH)]) / BATCH * 1e6


def handshake_round(clock: Callable[[], float] = time.perf_counter) -> tuple[float, float, float]:
    """Milliseconds: checking what was fetched, beginning and sealing the first message, opening it."""
    pair = Pair()
    bundles: list[Bundle] = []
    envelopes: list[bytes] = []
    check = seconds(lambda: bundles.append(pair.bundle()), clock)
    begin = seconds(lambda: pair.devices[0].start(bundles[0], NOW, os.urandom), clock)
    begin += seconds(lambda: envelopes.append(pair.devices[0].seal(pair.peers[1], TEXT, NOW, os.urandom)), clock)
    keys._is_point.cache_clear()  # the other side is another process, which has not seen these keys yet
    answer = seconds(lambda: pair.devices[1].open(envelopes[0], NOW, os.urandom), clock)
    return check * 1e3, begin * 1e3, answer * 1e3


def pqxdh_ms() -> float:
    """The initiator's PQXDH alone, four X25519 and one encapsulation, the bundle being checked."""
    pair = Pair()
    device, bundle = pair.devices[0], pair.bundle()
    own = pqxdh.Party.of(device.manifest.certificate(0))
    return median(mean_us(lambda: pqxdh.initiate(device.keys, own, bundle, os.urandom)) for _ in range(ROUNDS)) / 1e3


def primitives_us() -> dict[str, float]:
    one, other, kem = AgreementKey(os.urandom(32)), AgreementKey(os.urandom(32)).public, KemKey(os.urandom(64))
    ciphertext = kem.public.encapsulate()[1]
    return {
        "client.x25519_us": median(mean_us(lambda: one.exchange(other)) for _ in range(ROUNDS)),
        "client.mlkem_keygen_us": median(mean_us(lambda: KemKey(os.urandom(64)).public) for _ in range(ROUNDS)),
        "client.mlkem_encapsulate_us": median(mean_us(kem.public.encapsulate) for _ in range(ROUNDS)),
        "client.mlkem_decapsulate_us": median(mean_us(lambda: kem.decapsulate(ciphertext)) for _ in range(ROUNDS)),
    }


def run() -> dict[str, float]:
    """client.handshake_ms: both sides of a first message; client.ratchet_us: sealing and opening 1 KiB in a chain;
    client.turn_us: the same at a change of direction, the hybrid step included."""
    handshakes = [handshake_round() for _ in range(ROUNDS * 2)]
    pair = Pair()
    pair.meet()
    turns = [mean_us(pair.there_and_back) / 2 for _ in range(ROUNDS)]
    chain = [mean_us(lambda: pair.carry(0)) for _ in range(ROUNDS)]
    return {
        "client.bundle_check_ms": median(check for check, _, _ in handshakes),
        "client.handshake_begin_ms": median(begin for _, begin, _ in handshakes),
        "client.handshake_answer_ms": median(answer for _, _, answer in handshakes),
        "client.handshake_ms": median(begin + answer for _, begin, answer in handshakes),
        "client.pqxdh_ms": pqxdh_ms(),
        "client.ratchet_us": median(chain),
        "client.turn_us": median(turns),
        **primitives_us(),
    }


if __name__ == "__main__":
    for key, value in run().items():
        print(f"{key:32} {value:10.2f}")
