"""What contacts, strangers and own devices put into contents; configuration, generation, moving, backups."""

import atexit
import io
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from essaim.messaging.v1 import backup_pb2, content_pb2
from essaim.protocol import backup
from essaim.protocol.account import Account
from essaim.protocol.backup import BackupRefusedError, Lock
from essaim.protocol.configuration import Configuration, deletion_mark
from essaim.protocol.configuration_mailbox import ENTRY, ConfigurationMailbox, ConfigurationRefusedError
from essaim.protocol.conversation import Device, Opened, Peer
from essaim.protocol.device import DeviceKeys
from essaim.protocol.generation import ENTRY as GENERATION
from essaim.protocol.generation import GenerationMailbox, GenerationRefusedError, encrypt
from essaim.protocol.keys import SIGNATURE_SIZE
from essaim.protocol.layout import MalformedError
from essaim.protocol.moving import LABEL, Move, MoveRefusedError
from essaim_client.messaging.address_book import AddressBook
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.backups import Backups, _decoded
from essaim_client.messaging.conversations import Conversations
from essaim_client.messaging.intake import Intake
from essaim_client.messaging.own_inbox import OwnInbox
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.vigil import Vigil
from essaim_client.store.local_store import LocalStore
from fuzzed.parser import Parser, chosen

NOW = 1_800_000_000_000
SOURCE = random.Random(11).randbytes
OWN, OTHER = Account(bytes(range(32))), Account(bytes(32))
ID, FIRST = b"\1" * 16, b"\2" * 16
DEVICE_ID = b"d" * 16
FOLDER = Path(tempfile.mkdtemp(prefix="fuzzed-"))
atexit.register(shutil.rmtree, FOLDER, True)
MAILBOX = ConfigurationMailbox(bytes(range(32)))
GENERATIONS = GenerationMailbox.of(DeviceKeys.create(0, 0, SOURCE))


class _Undone(Exception):
    """The transaction of an input is rolled back, so that none depends on the one before."""


class Home:
    """A person's device with its store. What an input changes in memory goes with the home, after some inputs."""

    LIFE = 500
    made = 0

    def __init__(self) -> None:
        self.inputs = 0
        Home.made += 1
        folder = FOLDER / str(Home.made)
        folder.mkdir()
        self.store = LocalStore(folder / "store.db", bytes(32))
        self.profile = Profile.begin(OWN, self.store, Device.create(OWN, 0, NOW, SOURCE))
        self.agreement = Agreement(self.profile, lambda: NOW)
        self.conversations = Conversations(self.profile, self.agreement, lambda: NOW, SOURCE)
        addresses = AddressBook(self.profile, OwnInbox(self.profile, self.agreement, SOURCE))
        vigil = Vigil(self.profile, self.agreement)
        self.intake = Intake(self.profile, self.agreement, self.conversations, vigil, addresses)
        nothing: Any = None
        self.backups = Backups(
            nothing,
            self.profile,
            self.agreement,
            conversations=self.conversations,
            intake=self.intake,
            configuration=nothing,
        )
        with self.store.transaction():
            self.agreement.accept(OTHER.id)
            self.hear(OTHER, 0, _text(FIRST))

    def hear(self, sender: Account, slot: int, content: bytes) -> object:
        return self.intake.take(Opened(Peer(sender.id, slot), content, (), initial=False), NOW)

    def shown(self) -> None:
        """What the person sees then: nothing twice."""
        for raw in self.store.history.conversations():
            shown = self.conversations.shown(raw)
            assert len({(each.author, each.message_id) for each in shown}) == len(shown), "shown twice"

    def close(self) -> None:
        self.store.close()
        shutil.rmtree(FOLDER / str(Home.made), ignore_errors=True)


class Standing:
    """The home of the moment."""

    home: Home | None = None


def _undone(act: Callable[[Home], object]) -> object:
    home = Standing.home
    if home is None or home.inputs >= Home.LIFE:
        if home is not None:
            home.close()
        home = Standing.home = Home()
    home.inputs += 1
    done: object = None
    try:
        with home.store.transaction():
            done = act(home)
            raise _Undone
    except _Undone:
        return done


def _text(message_id: bytes, **more: Any) -> bytes:
    text = content_pb2.Text(text="hello")
    return content_pb2.Content(message_id=message_id, sent_ms=NOW, position=1, text=text, **more).SerializeToString()


def content(data: bytes) -> object:
    """From a contact, from a stranger, from an own device."""
    who, rest = chosen(data, 3)

    def act(home: Home) -> object:
        if who == 1:
            home.agreement.remove(OTHER.id)
        taken = home.hear(OWN if who == 2 else OTHER, 1 if who == 2 else 0, rest)
        assert who != 1 or not taken.answers, "a stranger is told something"
        home.shown()
        home.conversations.purge()
        if who == 1:
            home.agreement.accept(OTHER.id)
        return taken

    return _undone(act)


def contents() -> Iterator[bytes]:
    file = content_pb2.File(name="a", size=9, key=bytes(32), blobs=[bytes(32)])
    disappearing = content_pb2.Disappearing(after_ms=5_000, once_read=True)
    bodies: list[dict[str, Any]] = [
        {"text": content_pb2.Text(text="hi", reply_to=FIRST, files=[file])},
        {"reaction": content_pb2.Reaction(target=FIRST, emoji="👍")},
        {"edit": content_pb2.Edit(target=FIRST, text="ho")},
        {"unsend": content_pb2.Unsend(target=FIRST)},
        {"timer": content_pb2.Timer(disappearing=disappearing)},
        {"moved": content_pb2.Moved(statement=Move.sign(OTHER, OWN, NOW))},
        {"renewal": content_pb2.Renewal()},
        {"summary": content_pb2.Summary()},
        {"want": content_pb2.Want(ids=[FIRST, ID])},
        {"given": content_pb2.Given(
            entries=[content_pb2.Entry(author=OTHER.id.raw, content=_text(ID))],
            gone=[content_pb2.Gone(message_id=ID, after=[FIRST])])},
        {"receipt": content_pb2.Receipt(position=1)},
        {"typing": content_pb2.Typing(stopped=True)},
    ]  # fmt: skip
    for body in bodies:
        made = content_pb2.Content(message_id=ID, sent_ms=NOW, position=2, after=[FIRST], **body)
        yield b"\0" + made.SerializeToString()
        yield b"\1" + made.SerializeToString()
    entry = content_pb2.Entry(author=OWN.id.raw, content=_text(ID, disappearing=disappearing))
    heads = content_pb2.Heads(conversation=OTHER.id.raw, after=[FIRST])
    syncs: list[dict[str, Any]] = [
        {"conversation": OTHER.id.raw, "entry": entry},
        {"conversation": OTHER.id.raw, "want": content_pb2.Want(ids=[FIRST])},
        {"conversation": OTHER.id.raw, "given": content_pb2.Given(entries=[entry])},
        {"conversations": content_pb2.Conversations(heads=[heads], answer=True)},
        {"configuration": next(configurations())[1:]},
    ]
    for sync in syncs:
        yield b"\2" + content_pb2.Content(message_id=ID, sync=content_pb2.Sync(**sync)).SerializeToString()


# What the devices agree on


def configuration(data: bytes) -> object:
    """Two versions that merge to the same, whatever they are."""
    at, rest = chosen(data, 256)
    cut = len(rest) * at // 255
    one, other = (Configuration.decode(part, DEVICE_ID) for part in (rest[:cut], rest[cut:]))
    both, back = Configuration(DEVICE_ID), Configuration(b"e" * 16)
    both.merge(one), both.merge(other)
    back.merge(other), back.merge(one)
    assert both.encode() == back.encode(), "the order of merging makes a difference"
    again = Configuration.decode(both.encode(), DEVICE_ID)
    assert again.encode() == both.encode(), "what was merged is read as something else"
    assert not both.merge(one), "merging twice makes a difference"
    return both.members(b"contact/")


def configurations() -> Iterator[bytes]:
    one, other = Configuration(DEVICE_ID), Configuration(b"f" * 16)
    one.add(b"contact/" + OTHER.id.raw, 1)
    one.write(b"name/" + OTHER.id.raw, b"Bob", NOW)
    other.merge(one)
    other.remove(b"contact/" + OTHER.id.raw)
    one.raise_to(b"read/" + OTHER.id.raw, 7)
    one.delete(deletion_mark(OTHER.id.raw, OWN.id.raw, ID), NOW)
    yield b"\xff" + one.encode()
    yield b"\xff" + other.encode()
    yield (
        bytes((255 * len(one.encode()) // (len(one.encode()) + len(other.encode())) + 1,))
        + one.encode()
        + other.encode()
    )


def sealed_configuration(data: bytes) -> object:
    """What the mailbox gives: an own device's, or a node's invention."""
    how, rest = chosen(data, 2)
    if how:
        rest = bytes(24) + encrypt(rest, ENTRY, bytes(24), MAILBOX._key())
    return MAILBOX.open(ENTRY, rest)


def sealed_configurations() -> Iterator[bytes]:
    yield b"\1" + (5).to_bytes(4, "big") + b"hello" + bytes(9)
    yield b"\0" + bytes(60)


def generation(data: bytes) -> object:
    how, rest = chosen(data, 2)
    if how:
        rest = bytes(24) + encrypt(rest, GENERATION, bytes(24), GENERATIONS._key())
    return GENERATIONS.open(rest)


def generations() -> Iterator[bytes]:
    yield b"\1" + (8).to_bytes(4, "big") + (300).to_bytes(8, "big") + bytes(9)
    yield b"\0" + GENERATIONS.seal(300, SOURCE)[:100]


def moved(data: bytes) -> object:
    """A statement, signed by both accounts where the first byte says so."""
    signs, rest = chosen(data, 2)
    if signs:
        body = rest[:73]
        rest = body + OTHER.identity.sign(LABEL + body) + OWN.identity.sign(LABEL + body) + rest[73:]
    found = Move.check(rest)
    assert found.before != found.after
    return found


def moves() -> Iterator[bytes]:
    statement = Move.sign(OTHER, OWN, NOW)
    yield b"\0" + statement
    yield b"\1" + statement[: -2 * SIGNATURE_SIZE]


# Backups

LOCK = Lock.account(OWN.backup_key)


def backup_file(data: bytes) -> object:
    """A file of somebody's, and records of this account's own, read and brought back."""
    how, rest = chosen(data, 2)
    file = io.BytesIO(rest)
    if how:
        file = io.BytesIO()
        backup.write(file, _records(rest), LOCK, SOURCE)
        file.seek(0)
    return _undone(lambda home: cast("Any", home.backups)._add(_decoded(backup.read(file, LOCK))))


def _records(data: bytes) -> Iterator[bytes]:
    """Behind a beginning that is this account's: each record behind its length, two bytes."""
    beginning = backup_pb2.Beginning(account=OWN.id.raw, created_ms=NOW)
    yield backup_pb2.BackupRecord(beginning=beginning).SerializeToString()
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        yield data[at + 2 : end]
        at = end


def backups() -> Iterator[bytes]:
    file = io.BytesIO()
    backup.write(file, _records(b""), LOCK, SOURCE)
    yield b"\0" + file.getvalue()
    kept = backup_pb2.KeptEntry(
        conversation=OTHER.id.raw, entry=content_pb2.Entry(author=OWN.id.raw, content=_text(ID), slot=0)
    )
    records = [
        backup_pb2.BackupRecord(configuration=next(configurations())[1:]).SerializeToString(),
        backup_pb2.BackupRecord(entry=kept).SerializeToString(),
    ]
    yield b"\1" + b"".join(len(each).to_bytes(2, "big") + each for each in records)


PARSERS = (
    Parser("messaging.content", content, (), contents, longest=1_024),
    Parser("messaging.configuration", configuration, (MalformedError,), configurations, longest=1_024),
    Parser(
        "messaging.configuration_entry",
        sealed_configuration,
        (ConfigurationRefusedError, MalformedError),
        sealed_configurations,
        longest=512,
    ),
    Parser("messaging.generation", generation, (GenerationRefusedError,), generations, longest=512),
    Parser("messaging.moved", moved, (MoveRefusedError,), moves, longest=256),
    Parser("messaging.backup", backup_file, (BackupRefusedError,), backups, longest=1_024),
)
