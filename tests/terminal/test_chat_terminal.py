"""Two people chat, each at a terminal of their own, over a network of real processes."""

import asyncio
import json
import re

import pytest

from essaim_commands import Commands
from terminal import Terminal


@pytest.fixture
async def people(network):
    return [await network.newcomer() for _ in range(2)]


def chat(person, other) -> Terminal:
    return Terminal(person.home, "chat", str(other.account_id))


async def test_two_people_talk_answer_react_edit_and_unsend(people):
    alice, bob = people
    with chat(alice, bob) as hers:
        hers.wait("write, or /help", "no anonymity against it", " live")
        hers.type("hello bob \x1b[31mred")
        hers.wait("hello bob", until=lambda text: re.search(r"hello bob.*\d+ ms, sent", text))
        with chat(bob, alice) as his:
            his.wait("hello bob", "live")  # what came before he was there
            his.type("hi alice")
            hers.wait("hi alice", until=lambda text: re.search(r"hi alice +\d+ ms", text))  # how long it took to come
            hers.type("/react +1")
            his.wait("+1")
            hers.type("first")
            his.wait("first")
            his.type("/reply to that one")
            hers.wait("re: first", "to that one")
            hers.press("\x1b[A\x1b[A")  # up, up: her own last one
            hers.wait("> ")
            hers.type("/edit second")
            his.wait("second", "edited", until=lambda text: "    first" not in text)
            hers.type("/unsend")
            his.wait(until=lambda text: "    second" not in text)
            his.type("/what")
            his.wait("there is no /what")
            his.type("//what")
            hers.wait("/what")
            his.type("/quit")
            assert his.ended() == 0
        hers.press("\x03")
        assert hers.ended() == 0
    assert b"\x1b[31mred" not in his.raw


async def test_read_receipts_and_typing_show_where_both_have_them_on(people):
    alice, bob = people
    for person in people:
        async with person.online() as me:
            me.change_settings(type(me.settings)(read_receipts=True, typing=True))
            me.contacts.accept(people[person is alice].account_id)
            me.contacts.rename(people[person is alice].account_id, "Robert" if person is alice else "Alicia")
    with chat(alice, bob) as hers, chat(bob, alice) as his:
        hers.wait("Robert", "live")
        his.wait("Alicia", "live")
        hers.type("are you there?")
        his.wait("are you there?")
        hers.wait(until=lambda text: re.search(r"are you there\?.*read", text))
        his.press("y")
        hers.wait("Robert is writing")


async def told(process) -> dict:
    return json.loads(await asyncio.wait_for(process.stdout.readline(), 60))


async def test_program_chats_by_lines(people):
    alice, bob = people
    async with bob.online() as him:
        hers = await Commands(None, alice.home).start("chat", str(bob.account_id), "--json")
        hers.stdin.write(b"one\n/two\n")
        heard = him.listen()
        assert [(await anext(heard)).text for _ in range(2)] == ["one", "/two"]
        assert [(await told(hers))["event"] for _ in range(2)] == ["sent", "sent"]
        await him.send(alice.account_id, "back")
        while (event := await told(hers))["event"] != "message":
            assert event["event"] != "refused"
        assert event["text"] == "back" and event["sender"] == str(bob.account_id) and event["outgoing"] is False
        hers.stdin.close()
        assert await asyncio.wait_for(hers.wait(), 60) == 0


async def test_program_saves_sends_and_answers_by_commands(people, tmp_path):
    alice, bob = people
    (tmp_path / "notes.txt").write_text("the heron stands in the reeds")
    (tmp_path / "inbox").mkdir()
    async with bob.online() as him:
        hers = await Commands(None, alice.home).start("chat", str(bob.account_id), "--json", "--commands")

        async def does(line: str, event: str) -> dict:
            hers.stdin.write(line.encode() + b"\n")
            while (heard := await told(hers))["event"] != event:
                pass
            return heard

        await does("//one", "sent")
        assert [each.text for each in await him.receive()] == ["/one"]  # what he sends comes after it
        sent = await him.send_file(alice.account_id, tmp_path / "notes.txt")
        while (event := await told(hers))["event"] != "message":
            pass
        saved = await does(f"/save {event['message_id']} {tmp_path / 'inbox'}", "saved")
        assert saved["saved"] == [str(tmp_path / "inbox" / "notes.txt")]
        assert (tmp_path / "inbox" / "notes.txt").read_text() == "the heron stands in the reeds"
        await does(f"/react {sent.message_id.hex()} +", "sent")
        await does(f"/reply {sent.message_id.hex()} seen", "sent")
        first, *_, last = (await does("/history", "history"))["messages"]
        assert (first["text"], last["text"], last["outgoing"]) == ("/one", "seen", True)
        assert (await does(f"/history {last['message_id']}", "history"))["messages"][-1]["files"][0][
            "name"
        ] == "notes.txt"
        assert (await does("/save nothing", "refused"))["reason"] == "MESSAGE_ID_REFUSED"
        assert (await does(f"/save {'0' * 32} .", "refused"))["reason"] == "UNKNOWN_MESSAGE"
        assert (await does("/dance", "refused"))["reason"] == "NO_SUCH_COMMAND"
        hers.stdin.close()
        assert await asyncio.wait_for(hers.wait(), 60) == 0
        await him.receive()
        texts = him.history(alice.account_id)
        assert [each.text for each in texts] == ["/one", "", "seen"] and texts[2].reply_to == sent.message_id
        assert [emoji for _, emoji in texts[1].reactions] == ["+"]
