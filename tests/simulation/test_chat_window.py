"""A conversation that is longer than a screen takes: which texts are shown, back to the first, on to the last."""

from pathlib import Path

import pytest

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import AccountId
from essaim_client.cli.chat.place import Direct
from essaim_client.cli.chat.saving import files_in
from essaim_client.cli.chat.window import SIZE, STEP, Window
from essaim_client.messaging.person import Person
from essaim_client.messaging.sender import UnknownMessageError
from people.town import say, town


def said(person: Person, account: AccountId, count: int, begin: int = 0) -> None:
    """So many texts are in the store, though nobody is told."""
    with person.profile.store.transaction():
        for number in range(begin, begin + count):
            person.conversations.say(account.raw, text=content_pb2.Text(text=str(number)))


def numbers(window: Window) -> list[int]:
    return [int(shown.text) for shown in window.shown()]


def at_end(window: Window) -> bool:
    return window.at_end


async def test_window_goes_back_to_the_first_text_and_on_to_the_last(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        alice, bob = await here.person(), await here.person()
        said(alice.person, bob.account, 700)
        window = Window(Direct(alice.person, bob.account))
        assert numbers(window) == list(range(700 - SIZE, 700)) and at_end(window)
        assert window.earlier() and not at_end(window)
        assert numbers(window) == list(range(700 - SIZE - STEP, 700 - STEP))
        said(alice.person, bob.account, 10, begin=700)
        assert numbers(window) == list(range(700 - SIZE - STEP, 700 - STEP))
        while window.earlier():
            pass
        assert numbers(window)[0] == 0 and len(numbers(window)) >= STEP
        seen = set(numbers(window))
        while window.later():
            seen |= set(numbers(window))
        assert seen == set(range(710)) and numbers(window)[-1] == 709 and at_end(window)
        window.earlier()
        window.to_end()
        assert at_end(window)


async def test_window_of_a_short_conversation_has_nothing_earlier(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        alice, bob = await here.person(), await here.person()
        window = Window(Direct(alice.person, bob.account))
        assert not window.earlier() and numbers(window) == []
        said(alice.person, bob.account, SIZE)
        assert not window.earlier() and at_end(window) and numbers(window) == list(range(SIZE))
        said(alice.person, bob.account, 1, begin=SIZE)
        assert window.earlier() and not at_end(window) and numbers(window)[0] == 0


async def test_texts_before_one_that_was_unsent_are_found(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        alice, bob = await here.person(), await here.person()
        said(alice.person, bob.account, 5)
        third = alice.person.history(bob.account)[2].message_id
        assert alice.person.delete(bob.account, third) == 1
        assert [each.text for each in alice.person.history(bob.account, newest=9, before=third)] == ["0", "1"]
        assert [each.text for each in alice.person.history(bob.account, newest=1, before=third)] == ["1"]


async def test_files_are_those_of_the_chosen_text_else_of_the_last_that_has_any(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        alice, bob = await here.person(), await here.person()
        for name in ("a", "b"):
            (tmp_path / name).write_text(name)
            attachments = alice.person.attachments
            await attachments.send(attachments.to(bob.account), tmp_path / name)
        await say(alice, bob, "none")
        shown = alice.person.history(bob.account)
        assert [each.name for each in files_in(shown, b"")] == ["b"]
        assert [each.name for each in files_in(shown, shown[0].message_id)] == ["a"]
        with pytest.raises(UnknownMessageError):
            files_in(shown, shown[2].message_id)
