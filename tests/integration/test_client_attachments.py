"""Files between two accounts over real relays and a real swarm in this process: whole, resumed, taken back, missing."""

import asyncio
import os
import random

import pytest
from PIL import Image

from client_world import World
from essaim.protocol.account import AccountId
from essaim.protocol.attachment import FileKeys
from essaim.protocol.keys import SigningKey
from essaim_client import FileProgress
from essaim_client.attachments.crew import at_once
from essaim_client.attachments.download import FileGoneError
from essaim_client.attachments.source import FileUnreadableError
from essaim_client.mailbox.blobs import Blobs
from essaim_client.messaging.directory import UnknownAccountError
from essaim_client.messaging.sender import OwnAccountError
from essaim_client.store.transfers import Direction

SEED = 20261123


@pytest.fixture
async def world(tmp_path):
    async with World(tmp_path) as made:
        yield made


@pytest.fixture
def inbox(tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def made(folder, name: str, size: int) -> bytes:
    data = random.Random(SEED + size).randbytes(size)
    (folder / name).write_bytes(data)
    return data


class StoppedError(Exception):
    """What ends a transfer in the middle here."""


def stopping_at(done_bytes: int):
    def told(done: int, total: int) -> None:
        if done >= done_bytes:
            raise StoppedError

    return told


async def test_file_arrives_whole_under_its_name_and_tells_of_progress(world, tmp_path, inbox):
    data = made(tmp_path, "report.bin", 600_000)
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        seen = []
        await alice.send_file(
            bob.account_id, tmp_path / "report.bin", text="look", on_progress=lambda *at: seen.append(at)
        )
        assert seen[-1] == (600_000, 600_000) and len(seen) == 3
        [message] = await bob.receive()
        [file] = message.files
        assert (message.text, file.name, file.size, len(file.blobs)) == ("look", "report.bin", 600_000, 3)
        saved = await bob.save_file(file, inbox)
        assert saved == inbox / "report.bin" and saved.read_bytes() == data
        again = await bob.save_file(bob.history(alice.account_id)[0].files[0], inbox)
        assert again == inbox / "report (1).bin" and again.read_bytes() == data
        assert sorted(each.name for each in inbox.iterdir()) == ["report (1).bin", "report.bin"]
        told = [each for each in await bob.receive_events() if isinstance(each, FileProgress)]
        assert told[-1] == FileProgress("report.bin", False, 600_000, 600_000)
        assert not alice._profile.store.transfers.all(Direction.SENDING)
        assert not bob._profile.store.transfers.all(Direction.FETCHING)


async def test_upload_that_was_ended_goes_on_and_stores_no_piece_twice(world, tmp_path, inbox, monkeypatch):
    data = made(tmp_path, "long.bin", 2_000_000)
    async with world.client() as bob:
        await bob.ready()
        home = world.home()
        async with world.client(home) as alice:
            with pytest.raises(StoppedError):
                await alice.send_file(bob.account_id, tmp_path / "long.bin", on_progress=stopping_at(700_000))
            [transfer] = alice._profile.store.transfers.all(Direction.SENDING)
            done = alice._profile.store.transfers.pieces_done(transfer.transfer_id)
            assert 0 < len(done) < 8
        stored = []
        store = Blobs.store

        async def noted(self, key, blob, expires_ms):
            stored.append(key.raw)
            return await store(self, key, blob, expires_ms)

        monkeypatch.setattr(Blobs, "store", noted)
        async with world.client(home) as alice:
            await alice.send_file(bob.account_id, tmp_path / "long.bin")
        keys = FileKeys(transfer.described.key)
        assert sorted(stored) == sorted(keys.delete(number).public.raw for number in range(8) if number not in done)
        [message] = await bob.receive()
        assert (await bob.save_file(message.files[0], inbox)).read_bytes() == data


async def test_file_that_changed_after_a_kill_is_sent_under_another_key(world, tmp_path, inbox):
    made(tmp_path, "draft.bin", 900_000)
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        with pytest.raises(StoppedError):
            await alice.send_file(bob.account_id, tmp_path / "draft.bin", on_progress=stopping_at(200_000))
        [before] = alice._profile.store.transfers.all(Direction.SENDING)
        changed = bytearray((tmp_path / "draft.bin").read_bytes())
        changed[-1] ^= 1
        (tmp_path / "draft.bin").write_bytes(changed)
        await alice.send_file(bob.account_id, tmp_path / "draft.bin")
        [message] = await bob.receive()
        assert message.files[0].key != before.described.key
        assert (await bob.save_file(message.files[0], inbox)).read_bytes() == changed


async def test_download_that_was_ended_goes_on_and_shows_nothing_before_its_end(world, tmp_path, inbox, monkeypatch):
    data = made(tmp_path, "long.bin", 2_000_000)
    home = world.home()
    async with world.client() as alice:
        async with world.client(home) as bob:
            await bob.ready()
            await alice.send_file(bob.account_id, tmp_path / "long.bin")
            [message] = await bob.receive()
            with pytest.raises(StoppedError):
                await bob.save_file(message.files[0], inbox, on_progress=stopping_at(700_000))
            [left] = inbox.iterdir()
            assert left.name.startswith(".essaim-") and left.suffix == ".sealed"
            assert not any(data[at : at + 64] in left.read_bytes() for at in range(0, len(data), 100_000))
            [transfer] = bob._profile.store.transfers.all(Direction.FETCHING)
            done = bob._profile.store.transfers.pieces_done(transfer.transfer_id)
        damaged = bytearray(left.read_bytes())
        damaged[min(done) * 253_952] ^= 1  # a piece that the disk lost is fetched again
        left.write_bytes(damaged)
        fetched = []
        fetch = Blobs.fetch

        async def noted(self, name, key, size):
            fetched.append(name)
            return await fetch(self, name, key, size)

        monkeypatch.setattr(Blobs, "fetch", noted)
        async with world.client(home) as bob:
            file = bob.history(alice.account_id)[0].files[0]
            assert (await bob.save_file(file, inbox)).read_bytes() == data
        wanted = [name for number, name in enumerate(file.blobs) if number not in done - {min(done)}]
        assert sorted(fetched) == sorted(wanted)
        assert [each.name for each in inbox.iterdir()] == ["long.bin"]


async def test_unsent_file_is_gone_where_it_was_kept(world, tmp_path, inbox):
    made(tmp_path, "regret.bin", 300_000)
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        sent = await alice.send_file(bob.account_id, tmp_path / "regret.bin")
        [message] = await bob.receive()
        await alice.unsend(bob.account_id, sent.message_id)
        with pytest.raises(FileGoneError):
            await bob.save_file(message.files[0], inbox)
        assert not list(inbox.iterdir())
        assert not alice._profile.store.transfers.all(Direction.TAKING_BACK)
        assert not any(node.storage._store.blob_bytes() for node in world.stores)


async def test_photo_leaves_without_what_the_camera_wrote(world, tmp_path, inbox):
    exif = Image.Exif()
    exif[0x010F] = "Secret Camera Works"
    Image.new("RGB", (640, 480), "teal").save(tmp_path / "photo.jpg", exif=exif)
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        await alice.send_file(bob.account_id, tmp_path / "photo.jpg")
        [message] = await bob.receive()
        [file] = message.files
        assert (file.width, file.height, file.media_type) == (640, 480, "image/jpeg") and file.thumbnail
        assert b"Secret" not in (await bob.save_file(file, inbox)).read_bytes()


async def test_what_cannot_be_sent_is_refused_before_anything_leaves(world, tmp_path):
    made(tmp_path, "file.bin", 10)
    async with world.client() as alice:
        with pytest.raises(OwnAccountError):
            await alice.send_file(alice.account_id, tmp_path / "file.bin")
        with pytest.raises(UnknownAccountError):
            await alice.send_file(_stranger(), tmp_path / "file.bin")
        async with world.client() as bob:
            await bob.ready()
            with pytest.raises(FileUnreadableError):
                await alice.send_file(bob.account_id, tmp_path / "none.bin")
        assert not any(node.storage._store.blob_bytes() for node in world.stores)


def _stranger():
    return AccountId(SigningKey(os.urandom(32)).public)


async def test_pieces_on_their_way_are_bounded():
    running, most = 0, 0

    async def job():
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    async def jobs():
        for _ in range(20):
            yield job

    await at_once(4, jobs())
    assert most == 4 and running == 0
