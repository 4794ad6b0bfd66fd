"""The two sides of linking a device, over the mailbox that the code names."""

from contextlib import aclosing
from dataclasses import dataclass, replace

from essaim.protocol.account import Account, AccountId
from essaim.protocol.conversation import Device
from essaim.protocol.device import DeviceKeys
from essaim.protocol.errors import ProtocolError
from essaim.protocol.linking import (
    APPROVAL,
    HELLO,
    NAME_MAX,
    OFFER,
    REQUEST,
    TO_NEWCOMER,
    TO_SPONSOR,
    Approval,
    Code,
    LinkRefusedError,
    Newcomer,
    Request,
    Sponsor,
    kind_of,
)
from essaim.protocol.mailbox.slot_record import certified
from essaim_client.mailbox.access import Access, Authority
from essaim_client.mailbox.reading import Reader, Reading
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.mailbox.writing import Outgoing, Writer
from essaim_client.messaging.addresses import outbox, public_inbox
from essaim_client.messaging.configuration_sync import KEY_STATE, TIME_SIZE
from essaim_client.messaging.own_mailboxes import VERSION_KEY, record_key
from essaim_client.messaging.profile import AUTHORSHIP_KEY, SEED_KEY, Profile
from essaim_client.store.local_store import LocalStore

MESSAGE_LIFE_MS = 600_000
LOOKS = 600
"""How often a side looks for the other's message, with a pause between: some minutes."""


class LinkTimeoutError(ProtocolError):
    """The other side did not answer in time: begin again with a new code."""

    reason = "LINK_TIMEOUT"


class LinkMailbox:
    """Where both sides meet."""

    def __init__(self, swarms: Swarms, code: Code) -> None:
        self._swarms = swarms
        self._policy = code.policy
        self._signer, self._writing = code.reader, Authority(code.writer)
        self._writer = Writer(swarms)

    async def put(self, slot: bytes, envelope: bytes) -> None:
        """For one side."""
        expires_ms = self._swarms.clock.now_ms() + MESSAGE_LIFE_MS
        await self._writer.store(self._policy, [Outgoing(slot, expires_ms, envelope)], self._writing)

    async def take(self, slot: bytes, kind: int, looks: int = LOOKS) -> bytes:
        """The first of this kind (LinkTimeoutError). Only one is looked at: each is a guess at the code."""
        reader, reading = Reader(self._swarms, Access(self._policy, slot, self._signer)), Reading()
        for _ in range(looks):
            async with aclosing(reader.read(reading)) as envelopes:
                async for envelope in envelopes:
                    if kind_of(envelope.data) == kind:
                        return envelope.data
            await self._swarms.pause(1)
        raise LinkTimeoutError("the other device did not answer: begin again with a new code")


class Joining:
    """The side of the new device: show `code`, then `await offered()`, show `check`, then `await approved()`."""

    def __init__(self, swarms: Swarms, store: LocalStore, name: str) -> None:
        self._swarms = swarms
        self._store = store
        self._name = name
        self._newcomer = Newcomer(swarms.random)
        self._mailbox = LinkMailbox(swarms, self._newcomer.code)
        self._keys = DeviceKeys.create(0, 0, swarms.random)
        self._account: AccountId | None = None

    @property
    def code(self) -> str:
        """What a manager of the account types or scans."""
        return str(self._newcomer.code)

    @property
    def check(self) -> str:
        """Six digits: the manager must show the same."""
        return self._newcomer.check

    async def offered(self) -> AccountId:
        """Whose device it is going to be. Raises LinkRefusedError, LinkTimeoutError."""
        await self._mailbox.put(TO_SPONSOR, self._newcomer.hello())
        self._account = self._newcomer.offered(await self._mailbox.take(TO_NEWCOMER, OFFER))
        inbox, entries = public_inbox(self._account), outbox(self._account)
        request = Request.of(self._keys, inbox, entries, self._name)
        await self._mailbox.put(TO_SPONSOR, self._newcomer.request(request))
        return self._account

    async def approved(self) -> Profile:
        """The device, listed and kept. Raises LinkRefusedError, LinkTimeoutError."""
        if self._account is None:
            raise LinkRefusedError("nobody has offered an account yet")
        approval = self._newcomer.approved(await self._mailbox.take(TO_NEWCOMER, APPROVAL))
        return self._keep(self._account, approval)

    def _keep(self, account: AccountId, approval: Approval) -> Profile:
        """Everything is checked before anything is kept: an approval proves only that somebody had the code."""
        approval.manifest.check(account.identity)
        listed = next((each for each in approval.manifest.devices if each.device_id == self._keys.device_id), None)
        if listed is None:
            raise LinkRefusedError("the manifest does not list this device")
        certified(approval.inbox_record, public_inbox(account))
        certified(approval.outbox_record, outbox(account))
        seed = Account(approval.seed) if approval.seed else None
        if seed is not None and seed.id != account:
            raise LinkRefusedError("the keys are another account's")
        keys, now_ms = replace(self._keys, slot=listed.slot, flags=listed.flags), self._swarms.clock.now_ms()
        device = Device.listed(account, keys, approval.manifest, now_ms, self._swarms.random)
        with self._store.transaction():
            self._keep_secrets(account, approval)
            return Profile.begin(seed, self._store, device)

    def _keep_secrets(self, account: AccountId, approval: Approval) -> None:
        self._store.put(AUTHORSHIP_KEY, approval.authorship_key)
        self._store.put(record_key(public_inbox(account).mailbox_id), approval.inbox_record)
        self._store.put(record_key(outbox(account).mailbox_id), approval.outbox_record)
        made = approval.configuration_made_ms.to_bytes(TIME_SIZE, "big")
        self._store.put(KEY_STATE, made + approval.configuration_key)
        self._store.put(VERSION_KEY, b"%d" % approval.manifest.head.time_ms)
        if approval.seed:
            self._store.put(SEED_KEY, approval.seed)


@dataclass(frozen=True)
class Candidate:
    """A device that asks to be let in. Show `name` and `check`; then `approve` or do nothing."""

    name: str
    check: str
    request: Request


class Sponsoring:
    """The side of a manager that was given a code."""

    def __init__(self, swarms: Swarms, profile: Profile, code: str) -> None:
        parsed = Code.parse(code)
        self._profile = profile
        self._sponsor = Sponsor(parsed, swarms.random)
        self._mailbox = LinkMailbox(swarms, parsed)

    async def meet(self) -> Candidate:
        """Who asks. Raises LinkRefusedError, LinkTimeoutError."""
        hello = await self._mailbox.take(TO_SPONSOR, HELLO)
        await self._mailbox.put(TO_NEWCOMER, self._sponsor.offer(hello, self._profile.account_id))
        request = self._sponsor.requested(await self._mailbox.take(TO_SPONSOR, REQUEST))
        name = "".join(each for each in request.name if each.isprintable())[:NAME_MAX]
        return Candidate(name, self._sponsor.check, request)

    async def give(self, approval: Approval) -> None:
        """Tell the device that it is in."""
        await self._mailbox.put(TO_NEWCOMER, self._sponsor.approve(approval))
