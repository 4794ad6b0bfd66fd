"""What a closed group of 100 members with five devices each costs a client. `run()` returns dotted keys and numbers.

client.group_send_us_100     one text, from the person's call to the envelope in the outgoing queue: who is in, chain,
                             sealing, the store's transaction (on a disk that does not wait); no network, no new chain
client.group_seal_us_100     of this, sealing the frame alone
client.group_open_us_100     opening it on another device
client.group_rekey_ms_100    announcing a new chain to 499 devices in one envelope
client.group_roster_ms_100   reading the 200 records of such a group from the disk's bytes
"""

import asyncio
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "simulation"))

from essaim.protocol.conversation import Device  # noqa: E402
from essaim.protocol.group.announcement import Announcement, ChainNotice  # noqa: E402
from essaim.protocol.group.bundle import decode_records, pack  # noqa: E402
from essaim.protocol.group.epoch import Epoch  # noqa: E402
from essaim.protocol.group.frame import (  # noqa: E402
    SPOKEN_ENTRY,
    FrameKind,
    body_nonce,
    draw_nonce,
    open_frame,
    seal_frame,
)
from essaim.protocol.group.log import GroupLog  # noqa: E402
from essaim.protocol.group.record import Act  # noqa: E402
from essaim.protocol.group.sender_key import Front, Said, SendingChain  # noqa: E402
from essaim.protocol.keys import VerifyKey  # noqa: E402
from essaim.protocol.layout import Reader  # noqa: E402
from essaim_client.messaging.group_book import Speaking  # noqa: E402
from essaim_client.messaging.group_posting import _digest  # noqa: E402
from essaim_client.messaging.person import Person  # noqa: E402
from essaim_client.messaging.profile import Profile  # noqa: E402
from essaim_client.store.closed_groups import Heard  # noqa: E402
from essaim_client.store.local_store import LocalStore  # noqa: E402
from people.mailboxes import Mailboxes  # noqa: E402  # the tests' folder is put on the path first
from people.signers import NOW, Player, founded  # noqa: E402

MEMBERS, DEVICES, ROUNDS = 100, 5, 60
TEXT = "x" * 1024


def seconds(operation) -> float:
    start = time.perf_counter()
    operation()
    return time.perf_counter() - start


def full_group() -> tuple[list[Player], GroupLog]:
    """A hundred, each with five devices that the group has been shown."""
    players = [Player(random.Random(number)) for number in range(MEMBERS)]
    for player in players:
        for _ in range(DEVICES - 1):
            player.link()
    log = founded(players[0])
    for player in players[1:]:
        players[0].does(log, Act.INVITE, player.raw)
        player.does(log, Act.JOIN)
    return players, log


def sealing(log: GroupLog) -> tuple[list[float], list[float]]:
    epoch = Epoch(log.group_id, os.urandom(32), VerifyKey(log.roster.admin_key), tuple(log.heads), NOW)
    chain, key = SendingChain.create(bytes(32), 0, os.urandom), epoch.frame_key(1)
    reading, sealed, opened = chain.following(), [], []
    said = Said(tuple(log.heads), TEXT.encode())
    for _ in range(ROUNDS):
        start, nonce = time.perf_counter(), draw_nonce(os.urandom)
        spoken, _, chain = chain.speak(log.group_id, said, body_nonce(nonce))
        envelope = seal_frame(key, FrameKind.SPOKEN, spoken, nonce)
        middle = time.perf_counter()
        frame = open_frame(key, SPOKEN_ENTRY, envelope)
        reader = Reader(frame.body)
        _, _, reading = reading.open(log.group_id, Front.read(reader), reader.rest(), frame.nonce)
        sealed.append(middle - start)
        opened.append(time.perf_counter() - middle)
    return sealed, opened


def rekey() -> float:
    exports = [os.urandom(32) for _ in range(MEMBERS * DEVICES - 1)]

    def once() -> None:
        chain = SendingChain.create(bytes(32), 0, os.urandom)
        notice = ChainNotice(chain.chain_id, chain.account, 0, chain.signing.public, 0)
        body = Announcement.make(bytes(32), notice, chain.key, exports).encode()
        assert len(seal_frame(bytes(32), FrameKind.ANNOUNCED, body, draw_nonce(os.urandom))) == 57_344

    return median(seconds(once) for _ in range(9))


async def sending(players: list[Player], log: GroupLog, folder: Path) -> list[float]:
    """By the client itself: a founder who has met everybody, and speaks in a chain that they were given."""
    founder = players[0]
    store = LocalStore(folder / "store.db", bytes(32))
    store._db.pragma("synchronous", "off")
    mailboxes = Mailboxes(random.Random(1), NOW)
    manifest = founder.manifests[-1]
    device = Device.listed(founder.account.id, founder.devices[0], manifest, NOW, os.urandom)
    person = Person(mailboxes.swarms(), Profile.begin(founder.account, store, device))
    for player in players[1:]:
        device.observe(player.manifests[-1])
    with store.transaction():
        group = person.grouping.book.begin(log)
        epoch = Epoch(log.group_id, os.urandom(32), VerifyKey(log.roster.admin_key), tuple(log.heads), NOW)
        person.grouping.book.add_epoch(group, epoch, Heard(founder.raw, NOW))
        chain = SendingChain.create(founder.raw, 0, os.urandom)
        targets = _digest(person.grouping.posting._peers(group, group.roster.joined))
        person.grouping.book.speak(group, Speaking(chain, epoch.epoch_id, targets, NOW))
    person.grouping.posting._mail.flush_queue = _nothing
    person.generation.current = _nothing
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        await person.groups.send(log.group_id, TEXT)
        taken.append(time.perf_counter() - start)
    assert len(store.waiting()) == ROUNDS and not person.errands._running
    store.close()
    return taken


async def _nothing(*_: object) -> SimpleNamespace:
    return SimpleNamespace()


def run() -> dict[str, float]:
    players, log = full_group()
    encoded = pack(log).SerializeToString()

    def read() -> None:
        again = GroupLog(log.group_id)
        again.add(decode_records(encoded))
        assert len(again.roster.joined) == MEMBERS

    sealed, opened = sealing(log)
    with tempfile.TemporaryDirectory() as folder:
        sent = asyncio.run(sending(players, log, Path(folder)))
    return {
        "client.group_send_us_100": median(sent) * 1e6,
        "client.group_seal_us_100": median(sealed) * 1e6,
        "client.group_open_us_100": median(opened) * 1e6,
        "client.group_rekey_ms_100": rekey() * 1e3,
        "client.group_roster_ms_100": median(seconds(read) for _ in range(3)) * 1e3,
    }


if __name__ == "__main__":
    for key, value in run().items():
        print(f"{key:32} {value:10.2f}")
