"""What people do with messages: answer, react, edit, take back, let disappear; requests, receipts, backups."""

import dataclasses

import pytest

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import Account
from essaim.protocol.backup import BackupRefusedError, Lock
from essaim.protocol.safety import SafetyRefusedError
from essaim_client.messaging.agreement import Settings
from essaim_client.messaging.backups import DeletionsUnknownError
from essaim_client.messaging.contacts import NotMovedError
from essaim_client.messaging.events import AccountMoved, Disappearing, Message, Read, Typing
from essaim_client.messaging.sender import (
    AccountMovedError,
    BlockedError,
    TextRefusedError,
    TimerRefusedError,
    UnknownMessageError,
)
from people.mailboxes import NODE_ID, Faults
from people.town import say, texts, town


async def friends(here):
    alice, bob = await here.person(), await here.person()
    await say(alice, bob, "hello")
    await bob.look()
    await say(bob, alice, "hi")
    await alice.look()
    return alice, bob


def only(gadget, other):
    return gadget.person.conversations.shown(other.account.raw)


async def test_reply_reaction_edit_and_unsending_reach_every_device(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        second = await here.linked(alice)
        bob.person.vigil.acknowledge(alice.account)
        hello, hi = only(bob, alice)
        await bob.do(bob.person.sender.send_text, alice.account, "an answer", hello.message_id)
        await bob.person.sender.react(alice.account, hello.message_id, "+")
        await alice.person.sender.edit(bob.account, hello.message_id, "hello, Bob")
        await bob.person.sender.react(alice.account, hello.message_id, "*")
        await bob.person.sender.unsend(alice.account, hi.message_id)
        await here.rest(alice, second, bob, rounds=4)
        for gadget, other in ((alice, bob), (second, bob), (bob, alice)):
            first, answer = only(gadget, other)
            assert (first.text, first.edited, first.reactions) == ("hello, Bob", True, ((bob.account.raw, "*"),))
            assert (answer.text, answer.reply_to) == ("an answer", hello.message_id)
        await second.person.sender.react(bob.account, answer.message_id, "a")
        await bob.look()
        await bob.do(bob.person.sender.react, alice.account, hello.message_id, "")
        await second.look()
        assert [each.reactions for each in only(second, bob)] == [(), ((alice.account.raw, "a"),)]


async def test_nobody_edits_or_unsends_what_another_wrote(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        hello, _ = only(bob, alice)
        for refused in (
            bob.person.sender.edit(alice.account, hello.message_id, "x"),
            bob.person.sender.unsend(alice.account, hello.message_id),
            bob.person.sender.react(alice.account, bytes(16), "x"),
        ):
            with pytest.raises(UnknownMessageError):
                await refused
        with pytest.raises(TextRefusedError):
            await bob.person.sender.react(alice.account, hello.message_id, "x" * 65)
        say_anyway = bob.person.sender._say  # a client that does not ask
        await say_anyway(alice.account, edit=content_pb2.Edit(target=hello.message_id, text="forged"))
        await say_anyway(alice.account, unsend=content_pb2.Unsend(target=hello.message_id))
        await alice.look()
        assert texts(alice, bob) == ["hello", "hi"]


async def test_stranger_is_a_request_and_learns_nothing_until_accepted(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await here.person(), await here.person()
        alice.person.agreement.change_settings(Settings(True, True))
        bob.person.agreement.change_settings(Settings(True, True))
        await say(alice, bob, "let me in")
        [message] = [event for event in await bob.look() if isinstance(event, Message)]
        assert message.request and bob.person.contacts.requests() == [alice.account]
        before = here.mailboxes.stored
        await bob.person.mark_read(bob.account, 0)
        await bob.person.mark_read(alice.account, message.position)
        await bob.person.sender.typing(alice.account, False)
        await alice.person.sender.signal(bob.account, renewal=content_pb2.Renewal())
        await bob.look()
        assert not alice.waiting() and here.mailboxes.stored > before
        bob.person.contacts.accept(alice.account)
        assert bob.person.contacts.requests() == []
        await say(alice, bob, "thanks")
        [again] = [event for event in await bob.look() if isinstance(event, Message)]
        assert not again.request


async def test_blocked_person_is_not_heard_and_can_come_back(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        second = await here.linked(bob)
        bob.person.contacts.block(alice.account)
        await here.rest(bob, second)
        alice.person.vigil.acknowledge(bob.account)
        await alice.do(alice.person.sender.send_text, bob.account, "hello?")
        for gadget in (bob, second):
            assert [each for each in await gadget.look() if isinstance(each, Message)] == []
            with pytest.raises(BlockedError):
                await say(gadget, alice, "no")
        second.person.contacts.unblock(alice.account)
        await here.rest(bob, second)
        await alice.do(alice.person.sender.send_text, bob.account, "and now?")
        await here.rest(bob, second, alice, rounds=4)
        assert texts(bob, alice)[-1] == "and now?" and "hello?" in texts(second, alice)


async def test_texts_disappear_after_sending_and_after_reading_on_all_devices(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        second = await here.linked(bob)
        await alice.do(alice.person.sender.set_timer, bob.account, Disappearing(60_000))
        await bob.look()
        assert bob.person.conversations.timer(alice.account.raw) == Disappearing(60_000)
        await alice.do(alice.person.sender.send_text, bob.account, "a minute")
        assert all(each.expires_ms <= here.mailboxes.now_ms + 60_000 for each in bob.waiting()[-2:])
        await bob.look()
        here.mailboxes.now_ms += 60_001
        for gadget, other in ((alice, bob), (bob, alice)):
            gadget.person.vanishing.now()
            assert "a minute" not in texts(gadget, other)
        await here.rest(second)
        assert "a minute" not in texts(second, alice)
        await alice.do(alice.person.sender.set_timer, bob.account, Disappearing(5_000, once_read=True))
        await alice.do(alice.person.sender.send_text, bob.account, "once read")
        await here.rest(bob, second)
        here.mailboxes.now_ms += 3_600_000
        bob.person.vanishing.now()
        last = only(bob, alice)[-1]
        assert last.text == "once read" and last.expires_ms == 0
        await bob.person.mark_read(alice.account, last.position)
        await here.rest(second, rounds=1)
        here.mailboxes.now_ms += 5_001
        for gadget in (bob, second):
            gadget.person.vanishing.now()
            assert "once read" not in texts(gadget, alice)
        with pytest.raises(TimerRefusedError):
            await alice.person.sender.set_timer(bob.account, Disappearing(4_999))


async def test_receipts_and_typing_are_off_until_both_switch_them_on(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        await bob.person.mark_read(alice.account, 1)
        await bob.person.sender.typing(alice.account, False)
        assert [each for each in await alice.look() if isinstance(each, Read | Typing)] == []
        for gadget in (alice, bob):
            gadget.person.agreement.change_settings(Settings(True, True))
        await bob.person.mark_read(alice.account, 2)
        await bob.person.sender.typing(alice.account, False)
        events = [each for each in await alice.look() if isinstance(each, Read | Typing)]
        assert {type(each) for each in events} == {Read, Typing}
        assert [each.read for each in only(alice, bob)] == [True, False]


async def test_what_was_read_and_deleted_is_so_on_the_other_device(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        second = await here.linked(bob)
        await bob.person.mark_read(alice.account, 9)
        assert bob.person.delete(alice.account, only(bob, alice)[0].message_id) == 1
        await here.rest(bob, second)
        assert texts(second, alice) == texts(bob, alice) == ["hi"]
        assert second.person.agreement.read(alice.account.raw) == 9
        assert texts(alice, bob) == ["hello", "hi"]


async def test_safety_numbers_fit_on_both_sides_and_only_there(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        mallory = await here.person()
        number = alice.person.contacts.safety_number(bob.account)
        assert len(number) == 60 and number.isdigit()
        assert number == bob.person.contacts.safety_number(alice.account)
        alice.person.contacts.verify(bob.account, number[:30] + " " + number[30:])
        bob.person.contacts.verify(alice.account, alice.person.contacts.safety_code(bob.account))
        assert alice.person.contacts.get(bob.account).verified and bob.person.contacts.get(alice.account).verified
        for wrong in (
            mallory.person.contacts.safety_number(bob.account),
            number[::-1],
            "",
            alice.person.contacts.safety_code(bob.account),
        ):
            with pytest.raises(SafetyRefusedError):
                alice.person.contacts.verify(bob.account, wrong)


async def test_account_that_moves_is_followed_after_confirming(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        new = Account(here.random.randbytes(32))
        with pytest.raises(NotMovedError):
            bob.person.contacts.follow(alice.account)
        assert await alice.person.move_to(new) == 1
        assert AccountMoved(alice.account, new.id) in await bob.look()
        bob.person.contacts.rename(alice.account, "Alice")
        await say(bob, alice, "before I follow")
        assert bob.person.contacts.follow(alice.account) == new.id
        with pytest.raises(AccountMovedError):
            await say(bob, alice, "too late")
        moved = await here.person(new)
        assert texts(bob, moved) == ["hello", "hi", "before I follow"]
        assert bob.person.contacts.get(new.id).name == "Alice"
        await say(bob, moved, "there you are")
        await moved.look()
        assert texts(moved, bob)[-1] == "there you are"


async def test_backup_brings_back_what_was_not_deleted_and_holds_no_keys(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        await say(alice, bob, "to be deleted")
        await alice.person.sender.set_timer(bob.account, Disappearing(3_600_000))
        await say(alice, bob, "to disappear")
        await alice.person.sender.set_timer(bob.account, None)
        unsent = await say(alice, bob, "to be unsent")
        file, lock = tmp_path / "backup", alice.person.backups.lock(None)
        assert alice.person.backups.write(file, lock) == 7 - 1  # all but what disappears
        await alice.person.sender.unsend(bob.account, unsent.message_id)
        alice.person.delete(bob.account, next(e for e in only(alice, bob) if e.text == "to be deleted").message_id)
        await here.rest(alice)
        keys = alice.person.profile.device.keys
        records = b"".join(backup_records(file, lock))
        for secret in (
            keys.signing.seed,
            keys.agreement.raw,
            keys.kem.seed,
            alice.person.profile.keys.seed,
            alice.person.profile.authorship_key,
            alice.person.configuration.kept_key()[1],
        ):
            assert secret not in records
        again = await here.person(alice.person.profile.keys)  # from the phrase; the old device is lost
        result = await again.person.backups.bring_back(file, lock)
        assert result.passed_over == 2 and texts(again, bob) == ["hello", "hi"]
        assert (await again.person.backups.bring_back(file, lock)).added == 0
        damaged = tmp_path / "damaged"
        for data in (file.read_bytes()[:-1], file.read_bytes() + b"x", b"", file.read_bytes()[:200]):
            damaged.write_bytes(data)
            with pytest.raises(BackupRefusedError):
                await again.person.backups.bring_back(damaged, lock)
        with pytest.raises(BackupRefusedError):
            await again.person.backups.bring_back(file, Lock.account(bytes(32)))
        with pytest.raises(BackupRefusedError):
            await bob.person.backups.bring_back(file, lock)


def backup_records(file, lock):
    from essaim.protocol import backup

    with file.open("rb") as opened:
        return list(backup.read(opened, lock))


async def test_backup_is_refused_while_it_is_not_known_what_was_deleted(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        file, lock = tmp_path / "backup", Lock.passphrase("secret", 1, 1024)
        alice.person.backups.write(file, lock)
        here.later(401)  # nobody kept the account's configuration alive
        again = here.gadget()
        await again.first(alice.person.profile.keys)
        with pytest.raises(DeletionsUnknownError):
            await again.person.backups.bring_back(file, lock)
        assert texts(again, bob) == []


async def test_wiping_empties_the_mailboxes_and_proves_it(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        await say(bob, alice, "waits")
        wiped = await alice.person.wiping.account()
        days = len(alice.person.inbox.owned(here.mailboxes.now_ms))
        names = ["inbox", *["private inbox"] * days, "configuration", "outbox", "generation"]
        assert days >= 1 and [each.mailbox for each in wiped] == names
        assert all(each.nodes == {NODE_ID} for each in wiped)
        places = [here.mailboxes.places[each.proof.notice.policy.mailbox_id] for each in wiped]
        assert all(not place.envelopes for place in places)
        forged = dataclasses.replace(wiped[0].proof, notice=wiped[1].proof.notice)
        assert forged.holders() == frozenset()


async def test_lost_repeated_and_altered_envelopes_heal_without_the_person(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        here.mailboxes.faults = Faults(lost=40, repeated=50, altered=30)
        for number in range(12):
            await (say(alice, bob, f"a{number}") if number % 2 else say(bob, alice, f"b{number}"))
            await (bob if number % 3 else alice).look()
        here.mailboxes.faults = Faults()
        await say(alice, bob, "last of a")
        await say(bob, alice, "last of b")
        await here.rest(alice, bob, rounds=8)
        assert texts(alice, bob) == texts(bob, alice)
        assert len(texts(alice, bob)) == len(set(texts(alice, bob))) == 16


async def test_contact_cannot_put_words_into_ones_mouth(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        forged = content_pb2.Content(
            message_id=bytes(range(16)), sent_ms=1, position=9, mark=bytes(16), text=content_pb2.Text(text="I owe you")
        )
        entry = content_pb2.Entry(author=alice.account.raw, content=forged.SerializeToString(), slot=0)
        await bob.person.sender.signal(alice.account, given=content_pb2.Given(entries=[entry]))
        other = content_pb2.Entry(author=bytes(range(32)), content=forged.SerializeToString(), slot=0)
        await bob.person.sender.signal(alice.account, given=content_pb2.Given(entries=[other]))
        await bob.person.sender.signal(alice.account, sync=content_pb2.Sync(conversation=bob.account.raw, entry=entry))
        await alice.look()
        assert texts(alice, bob) == ["hello", "hi"]
