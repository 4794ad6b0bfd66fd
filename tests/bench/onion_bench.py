"""What a cell costs: building, unwrapping, replies, each beside the bare primitives measured in the same run.

`run()` returns figures in microseconds of this process's own time: medians of rounds that alternate, so that a noisy
moment hits all alike.
"""

import os
import time
from collections.abc import Callable
from itertools import cycle
from statistics import median

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA3_256, SHA256, Hash
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.poly1305 import Poly1305

from essaim.protocol.geometry import LAYOUTS, MAX_LAYERS, CellClass, Suite
from essaim.protocol.onion import CellSpec, KeyPeriods, Keyring, hop_at, minute_of, unwrap, wrap
from essaim.testing.onion import NOW_MS, OnionRoute

ROUNDS = 15
BATCH = 60

Round = Callable[[], float]
"""One round: the microseconds of one operation, the mean of BATCH."""


def timed(operation: Callable[[], object]) -> Round:
    """A round of an operation that may be repeated as it is."""

    def once() -> float:
        start = time.process_time()
        for _ in range(BATCH):
            operation()
        return (time.process_time() - start) / BATCH * 1e6

    return once


def unwrapping(route: OnionRoute, spec: CellSpec) -> Round:
    """A round of the first hop's work on cells that it has not seen, replay check included."""

    def once() -> float:
        cells = [route.wrap(b"x" * 1024, spec)[0] for _ in range(BATCH)]
        ring = route.rings[0]
        start = time.process_time()
        for cell in cells:
            unwrap(cell, ring, NOW_MS)
        return (time.process_time() - start) / BATCH * 1e6

    return once


def relaying(route: OnionRoute, spec: CellSpec) -> Round:
    """A round of one relay's work on replies."""

    def once() -> float:
        carried = route.carry(route.wrap(b"", spec)[0])
        cells = [carried.sealer.seal(b"x" * 1024, last=False)[1]] * BATCH
        relay = carried.relays[0]
        start = time.process_time()
        for seq, cell in enumerate(cells):
            relay.forward(seq, cell)
        return (time.process_time() - start) / BATCH * 1e6

    return once


def opening(route: OnionRoute, spec: CellSpec) -> Round:
    """A round of the client's work on replies that crossed three relays."""

    def once() -> float:
        cell, opener = route.wrap(b"", spec)
        carried = route.carry(cell)
        sealer = carried.sealer
        cells = [carried.back(*sealer.seal(b"x" * 1024, last=False))[-1] for _ in range(BATCH)]
        start = time.process_time()
        for seq, each in enumerate(cells):
            opener.open(seq, each)
        return (time.process_time() - start) / BATCH * 1e6

    return once


def primitives(suite: Suite) -> dict[str, Round]:
    """The bare operations of one unwrap of a 16 KiB cell, on inputs of its sizes."""
    layout = LAYOUTS[suite]
    key, nonce, body = os.urandom(32), bytes(16), os.urandom(layout.body(CellClass.SMALL))
    header, beta = os.urandom(layout.gamma_at), os.urandom(layout.beta + layout.slot)
    private, public = X25519PrivateKey.generate(), X25519PrivateKey.generate().public_key()
    received = public.public_bytes_raw()
    kem = MLKEM768PrivateKey.generate()
    ciphertext = kem.public_key().encapsulate()[1]
    shared = os.urandom(64 if suite == Suite.X25519 else 96)

    def transcript() -> bytes:
        digest = Hash(SHA3_256())
        digest.update(header[: layout.kem])
        return digest.finalize()

    def mac() -> bytes:
        poly = Poly1305(key)
        poly.update(header)
        poly.update(body)
        return poly.finalize()

    operations: dict[str, Callable[[], object]] = {
        "x25519": lambda: private.exchange(public),
        "point": lambda: X25519PublicKey.from_public_bytes(received),
        "transcript": transcript,
        "hkdf": lambda: HKDF(SHA256(), 176, key, nonce).derive(shared),
        "mac": mac,
        "header": lambda: Cipher(ChaCha20(key, nonce), None).encryptor().update(beta),
        "body": lambda: Cipher(ChaCha20(key, nonce), None).encryptor().update(body),
    }
    if suite == Suite.HYBRID:
        operations["mlkem"] = lambda: kem.decapsulate(ciphertext)
    return {name: timed(operation) for name, operation in operations.items()}


def building(spec: CellSpec) -> Round:
    """A round of building cells for four hops out of a view of 20 nodes, whose keys are parsed already."""
    periods = KeyPeriods()
    hops = []
    for index in range(20):
        ring = Keyring(periods, os.urandom)
        ring.advance(NOW_MS)
        hops.append(hop_at(bytes((index + 1,)) * 32, ring.published, periods, NOW_MS))
    wrap(hops[:MAX_LAYERS], b"", spec, 0, os.urandom)
    paths = cycle([(hops * 2)[at : at + MAX_LAYERS] for at in range(len(hops))])
    return timed(lambda: wrap(next(paths), b"x" * 1024, spec, minute_of(NOW_MS), os.urandom))


def measured(rounds: dict[str, Round]) -> dict[str, float]:
    """The median of ROUNDS for each, taken in turns."""
    for each in rounds.values():
        each()
    taken: dict[str, list[float]] = {name: [] for name in rounds}
    for _ in range(ROUNDS):
        for name, each in rounds.items():
            taken[name].append(each())
    return {name: median(values) for name, values in taken.items()}


def figures_of(suite: Suite, ending: str) -> dict[str, float]:
    """The figures of one suite; `ending` is appended to the keys."""
    route, spec = OnionRoute(MAX_LAYERS, seed=1), CellSpec(suite)
    bare = primitives(suite)
    medians = measured(
        {
            "unwrap": unwrapping(route, spec),
            "build": building(spec),
            "relay": relaying(route, spec),
            "open": opening(route, spec),
            **{f"bare.{name}": each for name, each in bare.items()},
        }
    )
    floor = sum(medians[f"bare.{name}"] for name in bare)
    return {
        f"onion.unwrap_us{ending}": medians["unwrap"],
        f"onion.build_us{ending}": medians["build"],
        f"onion.reply_relay_us{ending}": medians["relay"],
        f"onion.reply_open_us{ending}": medians["open"],
        f"onion.unwrap_bare_us{ending}": floor,
        f"onion.unwrap_ratio{ending}": medians["unwrap"] / floor,
        f"x25519_us{ending}": medians["bare.x25519"],
    }


def run() -> dict[str, float]:
    """All figures of the onion; 16 KiB cells, four hops."""
    classic = figures_of(Suite.X25519, "_classic")
    del classic["x25519_us_classic"]
    return {**figures_of(Suite.HYBRID, ""), **classic}


if __name__ == "__main__":
    for name, value in run().items():
        print(f"{name:32} {value:9.2f}")
