"""Exports of a client's conversations, and what others' exports become: verified, apart, never sent."""

import os
import random
import tracemalloc
from types import SimpleNamespace

import pytest
from nacl.pwhash import argon2id

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import Account, AccountId
from essaim.protocol.conversation import Device
from essaim.protocol.export import AccountLock, ExportedGroup, ExportRefusedError, PassphraseLock, Range
from essaim_client.messaging.archives import ArchiveKnownError, Archives, UnknownArchiveError
from essaim_client.messaging.exports import Exports, NothingToExportError
from essaim_client.messaging.group_book import GroupBook, UnknownGroupError
from essaim_client.messaging.profile import Profile
from essaim_client.store.history import Entry
from essaim_client.store.local_store import LocalStore
from people.signers import Player, founded

NOW = 1_800_000_000_000
CHEAP = argon2id.OPSLIMIT_MIN, argon2id.MEMLIMIT_MIN >> 10
CANARY = "the heron stands in the reeds"


class Someone:
    """A person's device and store, without a network."""

    def __init__(self, folder) -> None:
        self.path = folder
        self.account = Account(os.urandom(32))
        self.store = LocalStore(folder, bytes(32))
        device = Device.create(self.account, 0, NOW, os.urandom)
        self.profile = Profile.begin(self.account, self.store, device)
        self.exports = Exports(self.profile, lambda: NOW, os.urandom)
        self.archives = Archives.of(self.store, self.profile, lambda: NOW)

    @property
    def id(self) -> AccountId:
        return self.account.id

    @property
    def lock(self) -> AccountLock:
        return AccountLock.of(self.profile.device.manifest)

    def keep(self, number: int, author: AccountId, other: AccountId, disappearing: bool = False, **body) -> bytes:
        """An entry of the conversation with `other`, without what it follows."""
        name = number.to_bytes(16, "big")
        content = content_pb2.Content(message_id=name, sent_ms=NOW + number, position=number, **body)
        if disappearing:
            content.disappearing.after_ms = 5_000
        kind = content.WhichOneof("body")
        target = b"" if kind == "text" else getattr(content, kind).target
        data = content.SerializeToString()
        entry = Entry(other.raw, author.raw, name, 0, kind, number, NOW + number, NOW + 999_999, target=target)
        self.store.history.add(Entry(*(getattr(entry, field) for field in FIELDS), content=data), (), NOW)
        return name


FIELDS = [name for name in Entry.__dataclass_fields__ if name != "content"]


@pytest.fixture
def people(tmp_path):
    made = [Someone(tmp_path / f"{name}.db") for name in ("alice", "bob", "carol")]
    yield SimpleNamespace(alice=made[0], bob=made[1], carol=made[2])
    for each in made:
        each.store.close()


def converse(people) -> None:
    """Alice and Bob, as Alice has it."""
    alice, bob = people.alice, people.bob.id
    file = content_pb2.File(name="photo.jpg", media_type="image/jpeg", size=5, key=b"k" * 32, blobs=[b"b" * 32])
    with alice.store.transaction():
        first = alice.keep(1, alice.id, bob, text=content_pb2.Text(text=CANARY))
        alice.keep(2, bob, bob, text=content_pb2.Text(text="before", reply_to=first, files=[file]))
        alice.keep(3, bob, bob, edit=content_pb2.Edit(target=(2).to_bytes(16, "big"), text="after"))
        alice.keep(4, alice.id, bob, reaction=content_pb2.Reaction(target=(2).to_bytes(16, "big"), emoji="+"))
        alice.keep(5, alice.id, bob, disappearing=True, text=content_pb2.Text(text="gone soon"))
        alice.keep(6, bob, bob, text=content_pb2.Text(text="unsent"))
        alice.store.history.erase(bob.raw, bob.raw, (6).to_bytes(16, "big"))
        alice.keep(7, bob, bob, text=content_pb2.Text(text="last"))


async def test_export_is_imported_as_it_was_seen_and_stays_apart(people, tmp_path):
    converse(people)
    path = tmp_path / "export"
    assert await people.alice.exports.write(people.bob.id, path, people.carol.lock, Range()) == 3
    assert path.stat().st_mode & 0o777 == 0o600
    data = path.read_bytes()
    assert CANARY.encode() not in data and people.alice.id.raw not in data and people.carol.id.raw not in data
    archive = await people.carol.archives.take_in(path)
    assert (archive.exporter, archive.conversation) == (people.alice.id, people.bob.id)
    assert archive.messages == 3 and not archive.revoked and people.carol.archives.all() == [archive]
    first, second, third = people.carol.archives.messages(archive.archive_id)
    assert first.text == CANARY and first.outgoing and third.text == "last" and not third.outgoing
    assert second.text == "after" and second.edited and second.reply_to == first.message_id
    assert second.reactions == ((people.alice.id.raw, "+"),)
    assert second.files[0].name == "photo.jpg" and second.files[0].key == b"" and second.files[0].blobs == ()
    # Nothing that is sent, given to who asks, or backed up is made of anything but the history.
    history = people.carol.store.history
    assert history.entries() == [] and history.conversations() == [] and people.carol.store.waiting() == []
    assert history.heads(people.bob.id.raw) == [] and history.wanted(1 << 60, 10) == []
    with pytest.raises(ArchiveKnownError):
        await people.carol.archives.take_in(path)
    people.carol.archives.remove(archive.archive_id)
    assert people.carol.archives.all() == []
    with pytest.raises(UnknownArchiveError):
        people.carol.archives.remove(archive.archive_id)


async def test_range_is_from_then_until_before(people, tmp_path):
    converse(people)
    export = people.alice.exports.write
    assert await export(people.bob.id, tmp_path / "a", people.carol.lock, Range(NOW + 2, NOW + 7)) == 1
    [only] = people.carol.archives.messages((await people.carol.archives.take_in(tmp_path / "a")).archive_id)
    assert only.text == "after"
    for number, span in enumerate((Range(NOW + 8), Range(0, NOW + 1), Range(NOW + 5, NOW + 7))):
        with pytest.raises(NothingToExportError):
            await export(people.bob.id, tmp_path / str(number), people.carol.lock, span)
        assert not (tmp_path / str(number)).exists()
    with pytest.raises(FileExistsError):
        await export(people.bob.id, tmp_path / "a", people.carol.lock, Range())
    assert (tmp_path / "a").exists()


async def test_of_a_bad_file_nothing_is_kept(people, tmp_path):
    converse(people)
    path, archives = tmp_path / "export", people.carol.archives
    await people.alice.exports.write(people.bob.id, path, people.carol.lock, Range())
    data = path.read_bytes()
    flipped = data[:-1] + bytes((data[-1] ^ 1,))
    for number, bad in enumerate((data[:-1], flipped, data + b"x", b"", b"ESSAIMBACKUP1" * 90)):
        (tmp_path / f"bad-{number}").write_bytes(bad)
        with pytest.raises(ExportRefusedError) as refused:
            await archives.take_in(tmp_path / f"bad-{number}")
        assert "\n" not in str(refused.value)
    with pytest.raises(ExportRefusedError):
        await people.bob.archives.take_in(path)
    genuine = await archives.check(path)
    assert archives.all() == [] and list(people.carol.store.archived.messages(genuine.archive_id)) == []


async def test_passphrase_opens_what_it_closed_also_before_the_first_time_online(people, tmp_path):
    converse(people)
    await people.alice.exports.write(people.bob.id, tmp_path / "export", PassphraseLock("reed", *CHEAP), Range())
    newcomer = Archives.of(people.carol.store, None, lambda: NOW)
    assert (await newcomer.take_in(tmp_path / "export", passphrase="reed")).messages == 3
    for archives, passphrase in ((newcomer, "heron"), (newcomer, None), (people.bob.archives, None)):
        with pytest.raises(ExportRefusedError):
            await archives.check(tmp_path / "export", passphrase=passphrase)


async def test_import_of_a_device_that_was_revoked_says_so(people, tmp_path):
    converse(people)
    await people.alice.exports.write(people.bob.id, tmp_path / "export", people.carol.lock, Range())
    assert not (await people.carol.archives.check(tmp_path / "export")).revoked
    later = Device.create(people.alice.account, 0, NOW + 1, os.urandom, people.alice.profile.device.manifest)
    people.carol.store.newcomers.vet(people.alice.id.raw, later.manifest.head.encode())
    assert (await people.carol.archives.check(tmp_path / "export")).revoked


async def test_memory_does_not_grow_with_the_conversation(people, tmp_path):
    peaks = []
    for count in (300, 3_000):
        with people.alice.store.transaction():
            for number in range(count):
                text = content_pb2.Text(text=f"{number} " + "x" * 200)
                people.alice.keep(count + number, people.alice.id, people.bob.id, text=text)
        path = tmp_path / str(count)
        tracemalloc.start()
        await people.alice.exports.write(people.bob.id, path, people.carol.lock, Range())
        archive = await people.carol.archives.take_in(path)
        read = sum(1 for _ in people.carol.archives.messages(archive.archive_id))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert read == archive.messages
    assert peaks[1] < peaks[0] * 1.5 + 200_000


async def test_export_of_a_group_shows_each_author_as_in_the_group(people, tmp_path):
    alice, carol = people.alice, people.carol
    log = founded(Player(random.Random(11)))
    group = SimpleNamespace(raw=log.group_id)
    with alice.store.transaction():
        GroupBook(alice.profile).begin(log)
        first = alice.keep(1, people.bob.id, group, text=content_pb2.Text(text=CANARY))
        alice.keep(2, alice.id, group, text=content_pb2.Text(text="mine", reply_to=first))
        alice.keep(3, carol.id, group, text=content_pb2.Text(text="from carol"))
        alice.keep(4, carol.id, group, reaction=content_pb2.Reaction(target=first, emoji="+"))
    path = tmp_path / "export"
    assert await alice.exports.write(log.group_id, path, carol.lock, Range(NOW, NOW + 3)) == 2
    archive = await carol.archives.take_in(path)
    assert archive.conversation == ExportedGroup(log.group_id, "us") and archive.exporter == alice.id
    assert carol.archives.all() == [archive]
    one, two = carol.archives.messages(archive.archive_id)
    assert (one.author, one.text, one.outgoing) == (people.bob.id.raw, CANARY, False)
    assert (two.author, two.outgoing, two.reply_to) == (alice.id.raw, True, first)
    assert one.reactions == ((carol.id.raw, "+"),) and one.account == log.group_id
    with pytest.raises(UnknownGroupError):
        await alice.exports.write(bytes(32), tmp_path / "none", carol.lock, Range())
    assert not (tmp_path / "none").exists()
