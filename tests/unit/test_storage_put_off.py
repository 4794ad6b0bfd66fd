"""What was put off is taken over with the record that puts it off, whichever of the two comes first."""

import pytest

from essaim.protocol.mailbox.authorization import Act, Method
from essaim.protocol.mailbox.payload import removal_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import ExpiryRecord
from essaim.protocol.mailbox.slot_record import Signer
from essaim_storage import effects, events
from essaim_storage.message import Fetch
from essaim_storage.reconcile import BackgroundTimer
from essaim_storage.record import record_id
from essaim_storage.tuning import Tuning
from simulated.stage import DAY_MS, INBOX, NOW_MS, OUTBOX, OWN, OWNER, B, Stage, entry, envelope, of, sent

SOON_MS = NOW_MS + 60_000
LATER_MS = NOW_MS + 120_000


def put_off(*records, until_ms=NOW_MS + 9 * DAY_MS, signer: Signer = OWNER, policy: Policy = INBOX):
    ids = tuple(each.envelope_id for each in records)
    act = Act(policy, Method.EXPIRE, b"", removal_hash(b"", ids), until_ms)
    return ExpiryRecord(policy, b"", ids, until_ms, act.authorize(signer, NOW_MS, bytes(16)))


def converse(asking, asked):
    """The first is linked to the other; what the two then say to each other, until nothing is left to say."""
    fetches = []
    way = [(OWN, asking.do(events.LinkUp(B)))]
    while way:
        sender, said = way.pop(0)
        receiver = asked if sender == OWN else asking
        fetches += sent(Fetch, said) if sender == OWN else []
        for effect in of(effects.Send, said):
            if effect.to == receiver.own_id:
                way.append((receiver.own_id, receiver.hear(sender, effect.message)))
                while receiver.commits:
                    way.append((receiver.own_id, receiver.commit()))
    return fetches


@pytest.mark.parametrize("count", [1, 5, 40])
def test_round_takes_over_what_lives_by_a_record_that_comes_later(count):
    """Some of these come before the record: their ids are below its own."""
    full, empty = Stage(OWN, own_id=B), Stage(B, complete=False, tuning=Tuning(fetch_ids=2, digest_ids=4))
    letters = [envelope(str(index), SOON_MS) for index in range(count)]
    notice = put_off(*letters)
    full.keep(*letters)
    full.do(events.RemoveAsked(1, notice))
    full.commit()
    assert any(each.envelope_id < record_id(notice) for each in letters) or count == 1
    full.now_ms = empty.now_ms = LATER_MS

    converse(empty, full)

    assert empty.store.all_ids() == full.store.all_ids()
    assert not empty.node.incomplete


def test_round_asks_no_third_time_for_what_has_expired_by_this_clock():
    """The other's clock is behind: it says that the letter lives, and nothing puts it off."""
    full, empty = Stage(OWN, own_id=B), Stage(B, complete=False)
    letter = envelope("short", SOON_MS)
    full.keep(letter)
    empty.now_ms = LATER_MS

    fetches = converse(empty, full)

    assert [letter.envelope_id[:12] in each.names for each in fetches] == [True, True]
    assert not empty.store.has(letter.envelope_id)
    assert not empty.node.incomplete


def test_expired_newer_version_holds_off_what_was_put_off_until_it_is_purged():
    """Not for ever, and not before: by a clock that jumped ahead what lives must not go for what is older."""
    away, present = Stage(OWN, own_id=B), Stage(B)
    old, newer = entry("old", 1), entry("newer", 2)
    for stage, kept in ((away, old), (present, newer)):
        stage.keep(kept)
        stage.do(events.RemoveAsked(1, put_off(old, policy=OUTBOX)))
        stage.commit()
        stage.now_ms = newer.expires_ms + 1

    converse(present, away)
    assert not present.store.has(old.envelope_id)
    assert present.store.has(newer.envelope_id)

    present.now_ms = away.now_ms = newer.expires_ms + present.tuning.purge_margin_ms
    present.do(events.Fired("purge"))
    present.commit()
    for _ in range(present.tuning.unwanted_turns):  # then what was refused is asked for again
        present.do(events.Fired(BackgroundTimer()))
    converse(present, away)
    assert present.store.all_ids() == away.store.all_ids() == {old.envelope_id, record_id(put_off(old, policy=OUTBOX))}
