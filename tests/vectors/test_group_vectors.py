"""Frozen examples of closed groups: bytes that were made once mean the same for ever."""

import json
import random
from pathlib import Path

from essaim.protocol.group.announcement import Announcement
from essaim.protocol.group.bundle import decode_records
from essaim.protocol.group.epoch import Epoch
from essaim.protocol.group.frame import SPOKEN_ENTRY, FrameKind, open_frame
from essaim.protocol.group.log import GroupLog
from essaim.protocol.group.sender_key import Front
from essaim.protocol.keys import SigningKey
from essaim.protocol.layout import Reader

VECTORS = json.loads((Path(__file__).parent / "group.json").read_text())
LOG, EPOCH, SPEECH = VECTORS["log"], VECTORS["epoch"], VECTORS["speech"]
GROUP_ID, DAY = bytes.fromhex(LOG["group_id"]), EPOCH["day"]


def raw(part: dict, name: str) -> bytes:
    return bytes.fromhex(part[name])


def epoch() -> Epoch:
    heads = tuple(map(bytes.fromhex, LOG["heads"]))
    return Epoch(GROUP_ID, raw(EPOCH, "secret"), SigningKey(raw(EPOCH, "admin_seed")).public, heads, 1_800_000_000_000)


def test_records_give_the_group_that_they_gave():
    records = decode_records(raw(LOG, "records"))
    assert [each.record_id.hex() for each in records] == LOG["record_ids"]
    for seed in range(3):
        random.Random(seed).shuffle(records)
        log = GroupLog(GROUP_ID)
        log.add(records)
        kept = [each for each in LOG["record_ids"] if each not in LOG["refused"]]
        assert sorted(record.record_id.hex() for record in log) == sorted(kept)
        assert [head.hex() for head in log.heads] == LOG["heads"]
        assert log.roster.name == LOG["name"] == "climbing"
        assert {account.hex(): member.role.name for account, member in log.roster.members.items()} == LOG["members"]


def test_epoch_has_the_keys_that_it_had():
    made = epoch()
    assert made.epoch_id == raw(EPOCH, "epoch_id")
    assert made.reader(DAY).seed == raw(EPOCH, "read_seed") and made.writer(DAY).seed == raw(EPOCH, "write_seed")
    assert made.frame_key(DAY) == raw(EPOCH, "frame_key")
    assert made.mailbox(DAY).encoded == raw(EPOCH, "policy") and made.mailbox(DAY).mailbox_id == raw(
        EPOCH, "mailbox_id"
    )
    assert made.owner(SigningKey(raw(EPOCH, "admin_seed")), DAY).public == made.mailbox(DAY).delete_key


def test_what_was_said_is_heard_by_who_was_announced_to():
    announced = Announcement.decode(raw(SPEECH, "chain_announcement"))
    for export in SPEECH["export_keys"]:
        secret = announced.open(GROUP_ID, [bytes.fromhex(export)])
        assert secret == raw(SPEECH, "chain_key")
        chain = announced.notice.chain(secret)
        assert chain.signing == SigningKey(raw(SPEECH, "signing_seed")).public
        for number in (2, 0, 1):
            frame = open_frame(raw(EPOCH, "frame_key"), SPOKEN_ENTRY, bytes.fromhex(SPEECH["envelopes"][number]))
            reader = Reader(frame.body)
            front, box = Front.read(reader), reader.rest()
            said, _, chain = chain.open(GROUP_ID, front, box, frame.nonce)
            assert (frame.kind, front.number, said.content) == (FrameKind.SPOKEN, number, b"content %d" % number)
            assert [head.hex() for head in said.heads] == LOG["heads"]


def test_epoch_is_announced_as_it_was():
    announced = Announcement.decode(raw(SPEECH, "epoch_announcement"))
    secret = announced.open(GROUP_ID, [bytes.fromhex(SPEECH["export_keys"][1])])
    assert secret is not None and announced.notice.epoch(GROUP_ID, secret) == epoch()
