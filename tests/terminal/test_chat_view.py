"""The chat view's widgets, driven by Textual's pilot, with a real client on a network of real processes."""

import asyncio
import os
from collections.abc import Callable

import pytest
from textual.widgets import Input, Static

from essaim.messaging.v1 import content_pb2
from essaim_client import Settings
from essaim_client.cli.chat.line import Line
from essaim_client.cli.chat.place import Direct, InClosedGroup
from essaim_client.cli.chat.screen import ChatScreen
from essaim_client.cli.chat.typed import Typed


@pytest.fixture
async def people(network):
    return [await network.newcomer() for _ in range(2)]


def seen(screen: ChatScreen) -> str:
    """All that the widgets show."""
    return "\n".join(str(each.visual) for each in screen.query(Static))


async def shows(pilot, wanted: Callable[[str], bool], screen: ChatScreen) -> str:
    async with asyncio.timeout(60):
        while not wanted(text := seen(screen)):
            await pilot.pause(0.05)
    return text


async def enter(pilot, text: str) -> None:
    pilot.app.query_one(Input).value = text
    await pilot.press("enter")


async def test_view_shows_what_is_said_by_both_and_what_becomes_of_it(people):
    alice, bob = people
    async with alice.online() as her, bob.online() as him:
        before = await him.send(alice.account_id, "before she looked")
        screen = ChatScreen(her, Direct(her, bob.account_id))
        async with screen.run_test(size=(100, 30)) as pilot:
            await shows(pilot, lambda text: "before she looked" in text and " live" in text, screen)
            assert "ask to write to you" in seen(screen)
            await enter(pilot, "an answer")
            await shows(pilot, lambda text: "an answer" in text and "ms, sent" in text, screen)
            assert her.contacts.get(bob.account_id).accepted
            [answer] = [event for event in await him.receive() if event.text == "an answer"]
            await him.react(alice.account_id, answer.message_id, "*")
            await him.send(alice.account_id, "[bold]not[/bold] \x1b[2J", reply_to=answer.message_id)
            text = await shows(pilot, lambda text: "*" in text and "[bold]not" in text, screen)
            assert "re: an answer" in text and "\x1b" not in text
            await pilot.press("up", "up", "up")
            text = await shows(pilot, lambda text: "> " in text, screen)
            await enter(pilot, "/reply to the first one")
            await shows(pilot, lambda text: "re: before she looked" in text, screen)
            assert her.history(bob.account_id)[-1].reply_to == before.message_id
            await him.unsend(alice.account_id, before.message_id)
            await shows(pilot, lambda text: "a message that is not here" in text, screen)
            her.change_settings(Settings(read_receipts=True, typing=True))
            him.change_settings(Settings(read_receipts=True, typing=True))
            him.contacts.accept(alice.account_id)
            await him.receive()
            await him.mark_read(alice.account_id)
            await shows(pilot, lambda text: "read" in text.rsplit("first one", 1)[-1], screen)
            await enter(pilot, "/edit another wording")
            await shows(pilot, lambda text: "another wording" in text and "edited" in text, screen)
            await enter(pilot, "/nothing")
            await shows(pilot, lambda text: "there is no /nothing" in text, screen)
            await enter(pilot, "/quit")
        assert screen.failure is None


async def test_view_of_a_group_shows_who_says_what_and_goes_to_another(people, tmp_path):
    alice, bob = people
    async with alice.online() as her, bob.online() as him:
        group = (await her.groups.create("climbing", [bob.account_id])).group_id
        await her.groups.create("singing")
        await him.receive_events()
        await him.groups.accept(group)
        await her.receive_events()
        her.contacts.rename(bob.account_id, "Bob")
        screen = ChatScreen(her, InClosedGroup(her, group))
        async with screen.run_test(size=(100, 30)) as pilot:
            await shows(pilot, lambda text: "climbing" in text and " live" in text, screen)
            await enter(pilot, "hello, all")
            await shows(pilot, lambda text: "hello, all" in text and "ms, sent" in text, screen)
            async with asyncio.timeout(60):
                while not (heard := him.groups.history(group)):
                    await him.receive_events()
            await him.groups.react(group, heard[0].message_id, "*")
            await him.groups.send(group, "from bob", reply_to=heard[0].message_id)
            text = await shows(pilot, lambda text: "from bob" in text and "*" in text, screen)
            assert "Bob  re: hello, all" in text
            await enter(pilot, "/edit hello, both")
            await enter(pilot, "/react +")
            await shows(pilot, lambda text: "hello, both" in text and "edited" in text and "  +" in text, screen)
            (tmp_path / "notes.txt").write_text("the heron stands in the reeds")
            await enter(pilot, f"/file {tmp_path / 'nothing'}")
            await shows(pilot, lambda text: "not sent: " in text, screen)
            await enter(pilot, f"/file {tmp_path / 'notes.txt'}")
            await shows(pilot, lambda text: "[notes.txt (29 bytes)]" in text and "[notes.txt]" not in text, screen)
            await enter(pilot, "/members")
            await shows(pilot, lambda text: "you (admin), Bob (member)" in text, screen)
            await enter(pilot, "/groups")
            await shows(pilot, lambda text: "climbing (admin, 2), singing (admin, 1)" in text, screen)
            her.contacts.block(bob.account_id)
            await shows(pilot, lambda text: "(said by somebody you have blocked)" in text, screen)
            assert "from bob" not in seen(screen)
            await enter(pilot, "/go singing")
            await shows(pilot, lambda text: " singing " in text and "hello, both" not in text, screen)
            await enter(pilot, f"/go {bob.account_id}")
            await shows(pilot, lambda text: f" Bob  {bob.account_id}" in text, screen)
            await enter(pilot, "/go nowhere")
            await shows(pilot, lambda text: "no such group" in text, screen)
        assert screen.failure is None


async def test_view_saves_files_and_scrolls_back_to_the_first_message(people, tmp_path):
    alice, bob = people
    async with alice.online() as her:
        with her._profile.store.transaction():
            for number in range(640):
                her._person.conversations.say(bob.account_id.raw, text=content_pb2.Text(text=f"text {number}."))
        (tmp_path / "notes.txt").write_text("the heron stands in the reeds")
        await her.send_file(bob.account_id, tmp_path / "notes.txt", text="look")
        (tmp_path / "inbox").mkdir()
        screen = ChatScreen(her, Direct(her, bob.account_id))
        async with screen.run_test(size=(100, 40)) as pilot:
            await shows(pilot, lambda text: "text 639." in text and "[notes.txt (29 bytes)]" in text, screen)
            assert "text 0." not in seen(screen)
            await enter(pilot, f"/save {tmp_path / 'inbox'}")
            await shows(pilot, lambda text: f"saved {tmp_path / 'inbox' / 'notes.txt'}" in text, screen)
            assert (tmp_path / "inbox" / "notes.txt").read_text() == "the heron stands in the reeds"
            await enter(pilot, f"/save {tmp_path / 'nowhere'}")
            await shows(pilot, lambda text: "not saved: there is no such directory" in text, screen)
            while screen.talk.window.at_end:
                first = screen._keys()[0]
                await pilot.press("pageup")
            await shows(pilot, lambda text: "earlier messages" in text, screen)
            await pilot.pause(0.2)
            at = screen._keys().index(first)
            assert screen.query(".line")[at].region.overlaps(screen.query_one("#lines").region)  # nothing jumps
            for _ in range(100):
                if "this is how it began" in seen(screen):
                    break
                await pilot.press("pageup")
            assert "text 0." in seen(screen) and "earlier messages" in seen(screen) and "text 639." not in seen(screen)
            await enter(pilot, "/later")
            await enter(pilot, "said now")
            await shows(pilot, lambda text: "said now" in text and "ms, sent" in text and "earlier" not in text, screen)
            screen._chosen = screen._keys()[0]
            await pilot.press("up")
            text = await shows(pilot, lambda text: "> " in text and "earlier messages" in text, screen)
            assert "said now" not in text
        assert screen.failure is None


async def test_refusal_is_shown_and_the_view_goes_on(people):
    alice, bob = people
    async with alice.online() as her:
        screen = ChatScreen(her, Direct(her, bob.account_id))
        async with screen.run_test(size=(100, 30)) as pilot:
            await enter(pilot, "/block")
            await enter(pilot, "to somebody blocked")
            await shows(pilot, lambda text: "not sent: this account is blocked" in text, screen)
            await enter(pilot, "/accept")
            await enter(pilot, "to somebody accepted")
            await shows(pilot, lambda text: "to somebody accepted" in text and "ms, sent" in text, screen)
            await enter(pilot, "/edit")
            await shows(pilot, lambda text: "/edit what?" in text, screen)


@pytest.mark.parametrize(
    ("line", "command", "text"),
    [("hello", "", "hello"), ("//x", "", "/x"), ("/react  +", "react", "+"), ("/quit", "quit", ""), ("/ x", "", "/ x")],
)
def test_typed_line_is_a_text_or_a_command(line, command, text):
    assert Typed.of(line) == Typed(command, text)


def test_no_character_of_a_message_can_paint(monkeypatch):
    foreign = "".join(map(chr, range(0x20))) + "\x7f\x9b2J\u202e" + os.linesep + "end"
    drawn = Line("k", b"i", False, 0, foreign, reactions=("\x1b[31m",)).drawn("\x1b]0;title\x07", chosen=False).plain
    assert all(character.isprintable() or character == "\n" or character == "\t" for character in drawn)
    assert drawn.endswith("\ufffd[31m") and "end" in drawn
