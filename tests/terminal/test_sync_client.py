"""The synchronous client against real processes: no await anywhere."""

import asyncio
import threading

import pytest

from essaim_client import Message, NetworkFile, Read, Settings, SyncClient
from essaim_client.messaging.profile import NoAccountError


@pytest.fixture
async def people(network):
    return [await network.newcomer() for _ in range(2)]


def talk(alice, bob, folder) -> None:
    with SyncClient.open(alice.home, passphrase="pass") as her, SyncClient.open(bob.home, passphrase="pass") as him:
        assert her.account_id == alice.account_id and her.nodes() and her.trace().hops
        sent = her.send(bob.account_id, "hello")
        message = next(him.listen())
        assert (message.text, message.sender, message.request) == ("hello", alice.account_id, True)
        him.contacts.accept(message.sender)
        him.contacts.rename(message.sender, "Alicia")
        assert [each.name for each in him.contacts.all()] == ["Alicia"]
        him.react(message.sender, message.message_id, "+")
        him.send(message.sender, "back", reply_to=message.message_id)
        heard = [event for event in her.events(idle_seconds=5) if isinstance(event, Message)]
        assert [each.text for each in heard] == ["back"] and her.live
        assert her.history(bob.account_id)[0].reactions == ((bob.account_id.raw, "+"),)
        assert her.history(bob.account_id, newest=1)[0].reply_to == sent.message_id
        for each in (her, him):
            each.change_settings(Settings(read_receipts=True))
        her.mark_read(bob.account_id)
        assert any(isinstance(event, Read) for event in him.events(idle_seconds=5))
        assert her.export(bob.account_id, folder / "export") == 2
        archive = her.archives.take_in(folder / "export")
        assert [each.text for each in her.archives.messages(archive.archive_id)] == ["hello", "back"]
        assert her.run(lambda client: client.receive()) == [] and her.waiting == 0 and her.problem is None
        results = []
        threads = [
            threading.Thread(target=lambda n=n: results.append(her.send(bob.account_id, str(n)))) for n in (1, 2)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(results) == 2 and len(him.receive()) == 2
    with pytest.raises(RuntimeError, match="closed"):
        her.send(bob.account_id, "too late")


async def test_two_people_talk_without_asyncio(people, tmp_path):
    await asyncio.to_thread(talk, *people, tmp_path)


def test_home_that_cannot_be_opened_raises_and_leaves_no_thread(network, tmp_path):
    with pytest.raises(NoAccountError), SyncClient.open(tmp_path, passphrase="pass"):
        pass
    words = SyncClient.create_account(tmp_path, NetworkFile.load(network.net.network_file), "pass")
    assert len(words.split()) == 24
    assert not any(each.name == "essaim" for each in threading.enumerate())
