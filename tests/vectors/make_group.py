"""Writes group.json: records and the group that follows from them, an epoch's keys, frames, a chain, announcements.

python tests/vectors/make_group.py > tests/vectors/group.json

Everything follows from one seed, all secrets are there; what is committed is frozen (v1).
"""

import json
import random

from essaim.protocol.account import Account
from essaim.protocol.device import MANAGER, DeviceKeys
from essaim.protocol.group.announcement import Announcement, ChainNotice, EpochNotice
from essaim.protocol.group.bundle import pack
from essaim.protocol.group.epoch import Epoch
from essaim.protocol.group.frame import FrameKind, body_nonce, seal_frame
from essaim.protocol.group.log import GroupLog
from essaim.protocol.group.record import NO_GROUP, Act, Record, founding_argument
from essaim.protocol.group.sender_key import Said, SendingChain
from essaim.protocol.keys import SigningKey
from essaim.protocol.manifest import first_manifest

NOW, DAY = 1_800_000_000_000, 20_833
SOURCE = random.Random(20261123).randbytes
ADMIN = SigningKey(bytes(range(32)))


class Signer:
    """An account with one device."""

    def __init__(self, seed: bytes) -> None:
        self.account = Account(seed)
        self.keys = DeviceKeys.create(0, MANAGER, SOURCE)
        self.certificate = first_manifest(self.account, self.keys, NOW).certificate(0)

    @property
    def raw(self) -> bytes:
        return self.account.id.raw

    def sign(self, log: GroupLog, act: Act, argument: bytes = b"", heads: list[bytes] | None = None) -> Record:
        parents = log.heads if heads is None else heads
        record = Record.sign(self.keys, self.certificate, log.group_id, parents, act, argument, NOW)
        log.add([record])
        return record


ALICE, BOB, CAROL, DAVE = (Signer(bytes([number]) * 32) for number in range(1, 5))


def a_log() -> tuple[GroupLog, Record]:
    """Bob, an admin, invites Dave and renames beside his removal by Alice; and what Carol, who is none, tries."""
    argument = founding_argument(SOURCE(32), ADMIN.public, "climbing")
    founding = Record.sign(ALICE.keys, ALICE.certificate, NO_GROUP, [], Act.FOUND, argument, NOW)
    log = GroupLog(founding.group)
    log.add([founding])
    for each in (BOB, CAROL):
        ALICE.sign(log, Act.INVITE, each.raw)
        each.sign(log, Act.JOIN)
    ALICE.sign(log, Act.PROMOTE, BOB.raw)
    before = log.heads
    ALICE.sign(log, Act.REMOVE, BOB.raw)
    BOB.sign(log, Act.INVITE, DAVE.raw, before)
    BOB.sign(log, Act.RENAME, b"bob's", before)
    return log, CAROL.sign(log, Act.PICTURE, b"", before)


def groups(log: GroupLog, refused: Record) -> dict[str, object]:
    return {
        "group_id": log.group_id.hex(),
        "records": pack([*log, refused]).SerializeToString().hex(),
        "record_ids": [record.record_id.hex() for record in (*log, refused)],
        "refused": [refused.record_id.hex()],
        "heads": [head.hex() for head in log.heads],
        "name": log.roster.name,
        "members": {account.hex(): member.role.name for account, member in log.roster.members.items()},
    }


def epochs(log: GroupLog) -> tuple[Epoch, dict[str, object]]:
    epoch = Epoch(log.group_id, SOURCE(32), ADMIN.public, tuple(log.heads), NOW)
    policy = epoch.mailbox(DAY)
    return epoch, {
        "secret": epoch.secret.hex(),
        "admin_seed": ADMIN.seed.hex(),
        "epoch_id": epoch.epoch_id.hex(),
        "day": DAY,
        "read_seed": epoch.reader(DAY).seed.hex(),
        "write_seed": epoch.writer(DAY).seed.hex(),
        "frame_key": epoch.frame_key(DAY).hex(),
        "policy": policy.encoded.hex(),
        "mailbox_id": policy.mailbox_id.hex(),
    }


def speech(log: GroupLog, epoch: Epoch) -> dict[str, object]:
    chain, envelopes = SendingChain.create(ALICE.raw, 0, SOURCE), []
    start = chain.following()
    notice = ChainNotice(chain.chain_id, chain.account, chain.slot, start.signing, 0)
    exports = [SOURCE(32) for _ in range(2)]
    announced = Announcement.make(log.group_id, notice, start.key, exports)
    for number in range(3):
        said, nonce = Said(tuple(log.heads), b"content %d" % number), SOURCE(24)
        spoken, _, chain = chain.speak(log.group_id, said, body_nonce(nonce))
        envelopes.append(seal_frame(epoch.frame_key(DAY), FrameKind.SPOKEN, spoken, nonce).hex())
    epoch_notice = EpochNotice.of(epoch, ALICE.raw, 0, SOURCE)
    renewed = Announcement.make(log.group_id, epoch_notice, epoch.secret, exports)
    return {
        "export_keys": [each.hex() for each in exports],
        "chain_key": start.key.hex(),
        "signing_seed": chain.signing.seed.hex(),
        "chain_announcement": announced.encode().hex(),
        "epoch_announcement": renewed.encode().hex(),
        "envelopes": envelopes,
    }


def main() -> None:
    log, refused = a_log()
    epoch, keys = epochs(log)
    vectors = {"version": "v1", "log": groups(log, refused), "epoch": keys, "speech": speech(log, epoch)}
    print(json.dumps(vectors, indent=1))


if __name__ == "__main__":
    main()
