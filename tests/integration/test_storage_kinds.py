"""Groups and blobs over real disks and links."""

import os

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox import puzzle
from essaim.protocol.mailbox.authorization import Act, Method
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.payload import read_hash, removal_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.storage.v1 import mailbox_pb2
from essaim.testing.mailbox import HOUR_MS, to_proto
from storage_nodes import CLOCK, swarm_of
from test_storage_swarm import refused

OK = 0
READER, WRITER, ADMIN = (SigningKey(os.urandom(32)) for _ in range(3))


def at(policy: Policy) -> mailbox_pb2.Mailbox:
    return mailbox_pb2.Mailbox(id=policy.mailbox_id, policy=policy.encoded, view_serial=7)


def signed(policy: Policy, method: Method, slot: bytes, hashed: bytes, key: SigningKey) -> mailbox_pb2.Authorization:
    return to_proto(Act(policy, method, slot, hashed).authorize(key, CLOCK.now_ms(), os.urandom(16)))


def post(group: Policy, entry: bytes, key: SigningKey, version: int = 0) -> mailbox_pb2.StoreRequest:
    data, expires = os.urandom(4096), CLOCK.now_ms() + HOUR_MS
    of_id = envelope_id(group.mailbox_id, entry, expires, data, version)
    act = Act(group, Method.STORE, entry, of_id, expires, version)
    new = mailbox_pb2.NewEnvelope(
        slot=entry,
        expires_ms=expires,
        data=data,
        version=version,
        authorization=to_proto(act.authorize(key, CLOCK.now_ms(), os.urandom(16))),
    )
    return mailbox_pb2.StoreRequest(mailbox=at(group), envelopes=[new])


def delete(policy: Policy, ids: list[bytes], key: SigningKey) -> mailbox_pb2.DeleteRequest:
    authorization = signed(policy, Method.DELETE, b"", removal_hash(b"", ids), key)
    return mailbox_pb2.DeleteRequest(mailbox=at(policy), envelope_ids=ids, authorization=authorization)


async def test_group_keeps_posts_beside_each_other_and_replaces_entries(tmp_path) -> None:
    group = Policy.group(READER.public, WRITER.public, ADMIN.public)
    async with swarm_of(tmp_path) as swarm:
        await swarm.settled(*swarm.nodes)
        first, second, third = swarm.nodes
        requests = [post(group, b"m0", WRITER), post(group, b"m0", WRITER)]
        requests += [post(group, b"log", ADMIN, version) for version in (1, 2)]
        results = [(await first.stub.Store(each)).results[0] for each in requests]
        assert [each.status.code for each in results] == [OK] * 4
        stolen = (await first.stub.Store(post(group, b"log", WRITER, 3))).results[0]
        assert stolen.status.code != OK

        def read(key: SigningKey) -> mailbox_pb2.RetrieveRequest:
            authorization = signed(group, Method.RETRIEVE, b"", read_hash(b""), key)
            return mailbox_pb2.RetrieveRequest(mailbox=at(group), authorization=authorization, max_bytes=1 << 17)

        await swarm.settled(*swarm.nodes)
        page = await second.stub.Retrieve(read(READER))
        assert {each.data for each in page.envelopes} == {requests[at].envelopes[0].data for at in (0, 1, 3)}
        assert await refused(second.stub.Retrieve(read(WRITER))) == "NOT_AUTHORIZED"

        posts = [results[0].envelope_id, results[3].envelope_id]
        assert await refused(third.stub.Delete(delete(group, posts, WRITER))) == "NOT_AUTHORIZED"
        await third.stub.Delete(delete(group, posts, ADMIN))
        page = await third.stub.Retrieve(read(READER))
        assert [each.envelope_id for each in page.envelopes] == [results[1].envelope_id]


async def test_blob_costs_a_puzzle_is_read_by_its_id_and_deleted_by_its_key(tmp_path) -> None:
    data, expires = os.urandom(57344), CLOCK.now_ms() + 24 * HOUR_MS
    blob = Policy.blob(ADMIN.public, data)
    new = mailbox_pb2.NewEnvelope(expires_ms=expires, data=data, version=expires)
    request = mailbox_pb2.StoreRequest(mailbox=at(blob), envelopes=[new])
    by_id = mailbox_pb2.RetrieveRequest(mailbox=mailbox_pb2.Mailbox(id=blob.mailbox_id, view_serial=7))
    async with swarm_of(tmp_path) as swarm:
        await swarm.settled(*swarm.nodes)
        first, second, third = swarm.nodes
        assert await refused(second.stub.Retrieve(by_id)) == "UNKNOWN_POLICY"
        assert await refused(first.stub.Store(request)) == "PUZZLE_REQUIRED"
        of_id = envelope_id(blob.mailbox_id, b"", expires, data, expires)
        bits = 4 + 4  # fourteen times 4096 bytes for a day
        solution = puzzle.solve(blob.mailbox_id, puzzle.store_subject([of_id]), bits, CLOCK.now_ms())
        request.puzzle.solution = solution
        assert (await first.stub.Store(request)).results[0].status.code == OK
        await swarm.settled(*swarm.nodes)
        for node in swarm.nodes:
            assert [each.data for each in (await node.stub.Retrieve(by_id)).envelopes] == [data]

        other = mailbox_pb2.NewEnvelope(expires_ms=expires, data=os.urandom(4096), version=expires)
        forged = mailbox_pb2.StoreRequest(mailbox=at(blob), envelopes=[other])
        of_id = envelope_id(blob.mailbox_id, b"", expires, other.data, expires)
        solution = puzzle.solve(blob.mailbox_id, puzzle.store_subject([of_id]), bits, CLOCK.now_ms())
        forged.puzzle.solution = solution
        assert (await first.stub.Store(forged)).results[0].status.code != OK

        ids = [(await second.stub.Retrieve(by_id)).envelopes[0].envelope_id]
        assert await refused(second.stub.Delete(delete(blob, ids, WRITER))) == "NOT_AUTHORIZED"
        await second.stub.Delete(delete(blob, ids, ADMIN))
        assert not (await second.stub.Retrieve(by_id)).envelopes
        assert (await third.stub.Store(request)).results[0].status.code == OK  # acknowledged, and not kept
        assert not (await second.stub.Retrieve(by_id)).envelopes
