"""A person's first hour at a terminal: everything is typed, and read off the screen. Real processes on both sides."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from essaim_client import Client, ProtocolError
from terminal import Terminal

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = re.compile(r"esm1[a-z0-9]{59}")


def account_on(text: str) -> str:
    found = ACCOUNT.search(text.replace("\n", " "))
    assert found, text
    return found[0]


def typed(home, *arguments: str, answers: dict[str, str] | None = None, code: int = 0) -> str:
    """A command whose questions are answered at the keyboard; all that it showed."""
    with Terminal(home, *arguments, passphrase=None) as at:
        for question, answer in (answers or {}).items():
            secret = len(answer) > 2
            at.wait(question, until=lambda _, secret=secret: at.hides or not secret)
            at.type(answer)
        assert at.ended() == code, at.text
        shown = at.raw.decode()
        for answer in (answers or {}).values():
            assert len(answer) < 3 or answer not in shown, "a secret was shown"
        return shown.replace("\r\n", "\n")


def make_account(network, home) -> str:
    asked = {"Passphrase for this device:": "reed and heron", "Once more:": "reed and heron"}
    shown = typed(home, "account", "new", "--network", str(network.net.network_file), answers=asked)
    assert "Write these 24 words down" in shown and re.search(r"24 [a-z]+", shown)
    return account_on(shown)


OPEN = {"Passphrase:": "reed and heron"}


@pytest.fixture
def homes(tmp_path):
    return tmp_path / "alice", tmp_path / "bob"


def test_two_accounts_are_made_write_export_and_are_wiped(network, homes, tmp_path):
    alice, bob = homes
    alice_id, bob_id = make_account(network, alice), make_account(network, bob)
    different = {"Passphrase for this device:": "one", "Once more:": "other"}
    network_file = str(network.net.network_file)
    shown = typed(tmp_path / "x", "account", "new", "--network", network_file, answers=different, code=2)
    assert "essaim: the two passphrases differ" in shown and not (tmp_path / "x").exists()
    assert account_on(typed(alice, "account", "show", answers=OPEN)) == alice_id
    assert "the passphrase is wrong" in typed(alice, "account", "show", answers={"Passphrase:": "guessed"}, code=2)
    assert "nothing new" in typed(bob, "receive", answers=OPEN)
    assert "no anonymity against it" in typed(alice, "send", bob_id, "good morning", answers=OPEN)
    shown = typed(bob, "receive", answers=OPEN)
    assert "good morning" in shown and "asks to write to you" in shown and alice_id in shown
    typed(bob, "contact", "accept", alice_id, answers=OPEN)
    typed(bob, "contact", "name", alice_id, "Alicia", answers=OPEN)
    assert "Alicia" in typed(bob, "contact", "list", answers=OPEN)
    # A sealed export, closed by typed words; imported by the other one without the network.
    file = str(tmp_path / "export")
    words = {"Passphrase:": "reed and heron", "Passphrase of the export": "willow", "Repeat for confirmation": "willow"}
    assert "1 messages exported" in typed(alice, "archive", "export", bob_id, file, "--passphrase", answers=words)
    assert file.encode() not in Path(file).read_bytes() and b"good morning" not in Path(file).read_bytes()
    words = {"Passphrase:": "reed and heron", "Passphrase of the export": "willow"}
    shown = typed(bob, "archive", "import", file, "--passphrase", answers=words)
    archive = re.search(r"archive ([0-9a-f]{16}): 1 messages", shown)[1]
    assert f"made by {alice_id}" in shown and "the signature fits" in shown
    assert "good morning" in typed(bob, "archive", "show", archive, answers=OPEN)
    assert "not a backup" in typed(alice, "account", "bring-back", file, answers=OPEN, code=2)
    typed(bob, "archive", "remove", archive, answers=OPEN | {"Delete the 1 messages": "n"}, code=2)
    typed(bob, "archive", "remove", archive, answers=OPEN | {"Delete the 1 messages": "y"})
    # Wiped, after a question.
    typed(alice, "account", "wipe", "--account", answers=OPEN | {"Delete everything?": "n"}, code=2)
    assert "nothing is left" in typed(alice, "account", "wipe", "--account", answers=OPEN | {"Delete everything?": "y"})
    assert "no account here yet" in typed(alice, "account", "show", code=2)


async def test_export_for_another_account_opens_there_alone(network, tmp_path):
    alice, bob, carol = [await network.newcomer() for _ in range(3)]
    async with alice.online() as me:
        await network.say(me, bob, "one", "two")
        assert await me.export(bob.account_id, tmp_path / "file", to=carol.account_id) == 2
    with (
        Client.offline(bob.home, passphrase="pass") as other,
        pytest.raises(ProtocolError, match="not for this device"),
    ):
        await other.archives.take_in(tmp_path / "file")
    with Client.offline(carol.home, passphrase="pass") as other:
        archive = await other.archives.take_in(tmp_path / "file")
        assert [each.text for each in other.archives.messages(archive.archive_id)] == ["one", "two"]
    async with carol.online() as me:  # and goes nowhere: online she has nothing of it in her conversations
        assert me.archives.all() == [archive] and me.history() == []


async def test_echo_bot_answers_what_comes_and_ends_on_a_signal(network):
    bot, alice = await network.newcomer(), await network.newcomer()
    program = (sys.executable, str(ROOT / "examples" / "echo_bot.py"))
    with Terminal(bot.home, program=program) as at:
        await asyncio.to_thread(at.wait, "echoing as esm1")
        async with alice.online() as me:
            heard = me.listen()
            for text in ("hello", "again"):
                await me.send(bot.account_id, text)
                assert (await asyncio.wait_for(anext(heard), 60)).text == text
            assert me.history(bot.account_id)[1].reply_to == me.history(bot.account_id)[0].message_id
        at.process.terminate()
        assert await asyncio.to_thread(at.ended) == 0
        assert "Traceback" not in at.text
