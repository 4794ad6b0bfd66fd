"""Where an account is written to now, device by device.

Contacts that were given it write to the private inbox of the day; everybody else, and who has not heard from the
account for two weeks, to the public inbox.
"""

from dataclasses import dataclass

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.blinding import mailbox_day
from essaim.protocol.conversation import Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.private_inbox import Capability
from essaim_client.messaging.addresses import public_inbox
from essaim_client.messaging.own_inbox import OwnInbox
from essaim_client.messaging.profile import Profile

SHORT_SIZE = 8
SILENT_MS = 14 * DAY_MS
"""The owner reads a replaced inbox for a day longer than that."""


@dataclass(frozen=True)
class Address:
    """A mailbox to write to. `writer`: seed of the key that signs there, if any. `day`: of a private inbox, or 0."""

    policy: Policy
    writer: bytes = b""
    day: int = 0


class AddressBook:
    """Synchronous: whoever seals asks in the same transaction."""

    def __init__(self, profile: Profile, own: OwnInbox) -> None:
        self._profile = profile
        self._inboxes = profile.store.inboxes
        self._own = own

    def address(self, account: AccountId, slot: int, now_ms: int) -> Address:
        """Of one device of an account, now."""
        day = mailbox_day(now_ms)
        of_own = account == self._profile.account_id
        capability = self._own_capability(slot, day) if of_own else self._given(account, now_ms)
        if capability is None or day > capability.until_day:
            return Address(public_inbox(account))
        if self._inboxes.astray(account.raw, slot) > capability.made_ms:
            return Address(public_inbox(account))
        return Address(capability.policy(day), capability.writer(day).seed, day)

    def _own_capability(self, slot: int, day: int) -> Capability | None:
        """One that the other device can read."""
        capability, record = self._own.current(), self._profile.device.manifest.device(slot)
        readable = capability is not None and record is not None and self._own.reads(capability, record, day)
        return capability if readable else None

    def _given(self, account: AccountId, now_ms: int) -> Capability | None:
        given = self._inboxes.given(account.raw)
        if given is None or now_ms - given.heard_ms > SILENT_MS:
            return None
        return self._known(account)

    def _known(self, account: AccountId) -> Capability | None:
        given = self._inboxes.given(account.raw)
        return Capability.decode(given.capability) if given else None

    def reads(self, now_ms: int) -> bytes:
        """What this device says, with everything that it sends, of the inbox that it reads itself; serialised."""
        capability = self._own.current()
        if capability is None or self._own.access(capability, mailbox_day(now_ms)) is None:
            return b""
        return content_pb2.Content(reads=short_name(capability)).SerializeToString()

    # What others say. Call these inside a transaction.

    def heard(self, sender: Peer, content: content_pb2.Content, now_ms: int) -> None:
        """A device said something, by its own time: then the account read what it gave, unless the device denies it.

        One whose store is an old copy, or which lacks what the others agreed on, reads an inbox that was before.
        """
        account, said_ms = sender.account, min(content.sent_ms, now_ms)
        of_own = account == self._profile.account_id
        capability = self._own.current() if of_own else self._known(account)
        if capability is None:
            return
        self._inboxes.heard(account.raw, said_ms)
        if content.reads == short_name(capability):
            self._inboxes.is_back(account.raw, sender.slot)
        else:
            self._inboxes.went_astray(account.raw, sender.slot, said_ms)

    def take(self, account: AccountId, given: content_pb2.PrivateInbox, sent_ms: int, now_ms: int) -> None:
        """The account lets this one write to its private inbox."""
        try:
            capability = Capability.decode(given.capability)
        except ProtocolError:
            return
        if capability.newer_than(self._known(account)):
            before, said_ms = self._inboxes.given(account.raw), min(sent_ms, now_ms)
            heard_ms = max(said_ms, before.heard_ms) if before else said_ms
            self._inboxes.keep(account.raw, capability.encode(), heard_ms)


def short_name(capability: Capability) -> bytes:
    """8 bytes."""
    return capability.name[:SHORT_SIZE]
