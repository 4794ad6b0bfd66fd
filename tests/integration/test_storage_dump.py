"""Whoever takes a storage database cannot join two mailboxes of one account by anything in it."""

import os
from pathlib import Path

import apsw

from essaim.protocol import blinding
from essaim.protocol.account import Account
from essaim.protocol.conversation import Device
from essaim.protocol.mailbox.authorization import Act, Method
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.payload import prekeys_hash, removal_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.slot_record import SlotRecord
from essaim.protocol.outbox import MANIFEST
from essaim.storage.v1 import mailbox_pb2
from essaim.testing.mailbox import HOUR_MS, SLOT, to_proto
from essaim_storage.files import DATABASE_FILE
from storage_nodes import CLOCK, swarm_of


def windows(data: bytes) -> set[bytes]:
    """Every 32 bytes in a row, but where 24 of them are zeros: the few beside those are alike by chance."""
    found = (data[at : at + 32] for at in range(len(data) - 31))
    return {each for each in found if bytes(24) not in each}


class Writer:
    """Fills the mailboxes of one account as its own client and its contacts would."""

    def __init__(self, node) -> None:
        self.node = node
        self.now = CLOCK.now_ms()
        self.account = Account(os.urandom(32))
        self.device = Device.create(self.account, 0, self.now, os.urandom)

    async def store(self, policy: Policy, slot: bytes, data: bytes, signer=None, version: int = 0) -> bytes:
        of_id = envelope_id(policy.mailbox_id, slot, self.now + HOUR_MS, data, version)
        new = mailbox_pb2.NewEnvelope(slot=slot, expires_ms=self.now + HOUR_MS, data=data, version=version)
        if signer is not None:
            act = Act(policy, Method.STORE, slot, of_id, self.now + HOUR_MS)
            new.authorization.CopyFrom(to_proto(act.authorize(signer, self.now, os.urandom(16))))
        mailbox = mailbox_pb2.Mailbox(id=policy.mailbox_id, policy=policy.encoded, view_serial=7)
        response = await self.node.stub.Store(mailbox_pb2.StoreRequest(mailbox=mailbox, envelopes=[new]))
        assert response.results[0].status.code == 0
        return of_id

    async def confirm(self, policy: Policy, owner, of_id: bytes) -> None:
        signer = self.device.slot_signer(policy.mailbox_id)
        record = SlotRecord.sign(owner, policy.mailbox_id, 0, signer.public, 1).encoded
        act = Act(policy, Method.CONFIRM, SLOT, removal_hash(SLOT, [of_id]))
        signed = to_proto(act.authorize(signer, self.now, os.urandom(16), record))
        mailbox = mailbox_pb2.Mailbox(id=policy.mailbox_id)
        request = mailbox_pb2.ConfirmRequest(mailbox=mailbox, slot=SLOT, envelope_ids=[of_id], authorization=signed)
        await self.node.stub.Confirm(request)

    async def publish(self, policy: Policy, owner) -> None:
        signer = self.device.slot_signer(policy.mailbox_id)
        record = SlotRecord.sign(owner, policy.mailbox_id, 0, signer.public, 1).encoded
        prekeys = self.device.new_one_time_batch(self.node.node_id, 5, self.now, os.urandom)
        act = Act(policy, Method.PUBLISH_PREKEYS, SLOT, prekeys_hash(SLOT, self.node.node_id, 1, prekeys))
        request = mailbox_pb2.PublishPrekeysRequest(
            mailbox=mailbox_pb2.Mailbox(id=policy.mailbox_id, policy=policy.encoded),
            slot=SLOT,
            node_id=self.node.node_id,
            prekeys=prekeys,
            version=1,
            authorization=to_proto(act.authorize(signer, self.now, os.urandom(16), record)),
        )
        assert (await self.node.stub.PublishPrekeys(request)).kept == 5

    async def fill(self) -> None:
        identity = self.account.identity
        inbox_owner, outbox_owner = blinding.public_inbox_signer(identity), blinding.outbox_signer(identity)
        inbox = Policy.public_inbox(blinding.public_inbox_key(identity.public))
        outbox = Policy.outbox(blinding.outbox_key(identity.public))
        for _ in range(2):
            await self.confirm(inbox, inbox_owner, await self.store(inbox, SLOT, os.urandom(4096)))
            await self.store(inbox, SLOT, os.urandom(4096))
        await self.store(outbox, MANIFEST, self.device.manifest_entry(os.urandom), outbox_owner, version=1)
        await self.publish(outbox, outbox_owner)
        secret, today = os.urandom(32), blinding.mailbox_day(self.now)
        for day in (today, today + 1):
            read = blinding.private_inbox_key(identity.public, secret, day)
            writer = blinding.private_inbox_writer(secret, day)
            private = Policy.private_inbox(read, writer.public)
            of_id = await self.store(private, SLOT, os.urandom(4096), writer)
            await self.store(private, SLOT, os.urandom(4096), writer)
            await self.confirm(private, blinding.private_inbox_signer(identity, secret, day), of_id)


def dump(path: Path) -> dict[bytes, set[bytes]]:
    """For each mailbox, every run of 32 bytes that the database holds for it."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found: dict[bytes, set[bytes]] = {}
    rows = connection.execute(
        "SELECT mailbox_id, policy, record_id, proof, data FROM record JOIN mailbox ON mailbox.id = record.mailbox"
    )
    for mailbox_id, *columns in rows:
        found.setdefault(mailbox_id, {mailbox_id}).update(*(windows(each) for each in columns))
    for mailbox_id, prekey in connection.execute(
        "SELECT mailbox_id, prekey FROM prekey JOIN prekey_batch ON prekey_batch.id = prekey.batch"
    ):
        found[mailbox_id] |= windows(prekey)
    connection.close()
    return found


async def test_database_has_no_32_bytes_in_two_mailboxes(tmp_path: Path) -> None:
    async with swarm_of(tmp_path, r=1) as swarm:
        writer = Writer(swarm.nodes[0])
        await writer.fill()

        found = dump(swarm.nodes[0].folder / DATABASE_FILE)

        mailboxes = list(found)
        assert len(mailboxes) == 4
        for index, first in enumerate(mailboxes):
            for second in mailboxes[index + 1 :]:
                assert not found[first] & found[second]
        everything = set().union(*found.values())
        secrets = (
            writer.account.identity.public.raw,
            writer.device.keys.signing.public.raw,
            writer.account.mailbox_secret,
        )
        assert not everything & set(secrets)
