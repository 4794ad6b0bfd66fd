"""The private inbox of this account: what its devices agree on of it, who was given it, and how this device reads it.

Keys in the configuration, all registers: "inbox/" + name (a capability), "given/" + identity key (name 16 | issued_ms
u64), "slots/" + name 16 + device id 16 + block number u16 (slot records ahead, for a device that is no manager).
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import product

from essaim.protocol.account import Account, AccountId
from essaim.protocol.configuration import Configuration
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import VerifyKey
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.mailbox.slot_record import SlotRecord, certified
from essaim.protocol.manifest import DeviceRecord
from essaim.protocol.private_inbox import (
    EDGE_MS,
    NAME_SIZE,
    SECRET_SIZE,
    Block,
    Capability,
    block_of,
    blocks_of,
    days_alive,
    days_of,
    days_open,
)
from essaim_client.mailbox.access import Access, Authority
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.own_mailboxes import FIRST_VERSION, VERSION_KEY
from essaim_client.messaging.profile import Profile
from essaim_client.network.guard import Randomness

INBOX = b"inbox/"
GIVEN = b"given/"
SLOTS = b"slots/"
AHEAD_DAYS = 60
"""So far ahead a manager signs, at least, when it signs: other devices read for so long without one."""
RENEW_DAYS = 30
"""With fewer days than this left a manager signs on."""
REPLACED_DAYS = 15
"""So long a replaced inbox is read on: contacts write there for 14 days after they last heard from the account."""


class OwnInbox:
    """Synchronous; what it changes reaches the other devices as any change of the configuration does."""

    def __init__(self, profile: Profile, agreement: Agreement, random: Randomness) -> None:
        self._profile = profile
        self._agreement = agreement
        self._random = random

    @property
    def _state(self) -> Configuration:
        return self._profile.configuration

    # What is agreed on

    def capabilities(self) -> list[Capability]:
        """The newest, which is the current one, first."""
        found = []
        for value in self._state.values(INBOX).values():
            with suppress(ProtocolError):
                found.append(Capability.decode(value))
        return sorted(found, key=lambda each: each.order, reverse=True)

    def current(self) -> Capability | None:
        """What contacts are given; None before a manager has made one."""
        return next(iter(self.capabilities()), None)

    def reached_by(self, now_ms: int) -> list[tuple[Capability, range]]:
        """Each capability by which somebody may have written, or may write, with the days that it opens."""
        alive, found, next_made_ms = days_alive(now_ms), [], None
        for capability in self.capabilities():
            first, last = max(alive.start, _day(capability.made_ms - EDGE_MS)), alive[-1]
            if next_made_ms is not None:
                last = min(last, _day(next_made_ms) + REPLACED_DAYS)
            next_made_ms = capability.made_ms
            if first <= last:
                found.append((capability, range(first, last + 1)))
        return found

    # What a manager does

    def keep(self, now_ms: int) -> None:
        """What is due: make the first one, replace one that somebody has who may not, sign ahead, forget the old.

        Nothing on a device that is no manager.
        """
        account = self._profile.account
        if account is None:
            return
        current = self.current()
        if current is None or self._is_held_by_others(current):
            self._make(account, now_ms)
        elif current.until_day < _day(now_ms) + RENEW_DAYS:
            self._write(current.extended(now_ms, _until(now_ms)))
        self._sign_ahead(account, now_ms)
        self._forget(now_ms)

    def replace(self, now_ms: int) -> None:
        """A new secret, whatever is due: a device was revoked (NotAManagerError)."""
        self._make(self._profile.keys, now_ms)
        self._sign_ahead(self._profile.keys, now_ms)

    def _make(self, account: Account, now_ms: int) -> None:
        newest = max((each.made_ms for each in self.capabilities()), default=0)
        made_ms = max(now_ms, newest + 1)
        self._write(Capability.make(account, self._random(SECRET_SIZE), made_ms, _until(now_ms)))

    def _write(self, capability: Capability) -> None:
        with self._agreement.changing() as (state, _):
            state.write(INBOX + capability.name, capability.encode(), capability.issued_ms)

    def _is_held_by_others(self, capability: Capability) -> bool:
        """Whether somebody was given it who is blocked, no contact any more, or goes on under another account."""
        holders = (account for account, value in self._holders() if value.startswith(capability.name))
        return not all(map(self._may_hold, holders))

    def _holders(self) -> Iterator[tuple[bytes, bytes]]:
        return ((key[len(GIVEN) :], value) for key, value in self._state.values(GIVEN).items())

    def _may_hold(self, raw: bytes) -> bool:
        try:
            contact = self._agreement.contact(AccountId(VerifyKey(raw)))
        except ProtocolError:
            return False
        return contact.accepted and not contact.blocked and contact.moved_to is None

    def _sign_ahead(self, account: Account, now_ms: int) -> None:
        """Slot records for the devices that cannot make theirs; a block that is signed is not signed again.

        None of a capability that ended while no manager was awake, and none beyond what one made today would have. The
        version is the register's time, so that of two that were signed at once the higher version stays: nodes refuse
        lower ones than they were shown.
        """
        version = self._profile.device.manifest.head.time_ms
        others = [record for record in self._profile.device.manifest.devices if not record.manager]
        with self._agreement.changing() as (state, _):
            for capability, days in self.reached_by(now_ms):
                last = min(capability.until_day, _until(now_ms))
                for record, number in product(others, blocks_of(range(days.start, last + 1))):
                    key = _slots_key(capability, record.device_id, number)
                    if state.value(key) is None:
                        block = Block.sign(account, capability, number, record.slot, record.signing, version)
                        state.write(key, block.encode(), version)

    def _forget(self, now_ms: int) -> None:
        """What nobody needs any more; a register that is taken back costs its key alone."""
        current, needed = self.current(), {each.name: days for each, days in self.reached_by(now_ms)}
        kept = {*needed, current.name if current else b""}
        with self._agreement.changing() as (state, now):
            gone = [key for key in state.values(INBOX) if key[len(INBOX) :] not in kept]
            gone += [key for key in state.values(SLOTS) if self._is_idle(key, needed)]
            for key in gone:
                state.write(key, b"", now)

    def _is_idle(self, key: bytes, needed: dict[bytes, range]) -> bool:
        name, rest = key[len(SLOTS) :][:NAME_SIZE], key[len(SLOTS) + NAME_SIZE :]
        device_id, number = rest[:-2], int.from_bytes(rest[-2:], "big")
        listed = any(each.device_id == device_id for each in self._profile.device.manifest.devices)
        return not listed or name not in needed or days_of(number)[-1] < needed[name].start

    # Giving

    def lacking(self) -> list[AccountId]:
        """Contacts that do not have what is current."""
        current = self.current()
        if current is None:
            return []
        stamp, given = _stamp(current), dict(self._holders())
        contacts = (each.account for each in self._agreement.contacts())
        return [each for each in contacts if self._may_hold(each.raw) and given.get(each.raw) != stamp]

    def has(self, account: AccountId) -> bool:
        """Whether a contact was given what is current."""
        current = self.current()
        return current is not None and self._state.value(GIVEN + account.raw) == _stamp(current)

    def gave(self, account: AccountId, capability: Capability) -> None:
        """It is on its way to all devices of a contact."""
        with self._agreement.changing() as (state, now):
            state.write(GIVEN + account.raw, _stamp(capability), now)

    # Reading

    def open(self, now_ms: int) -> list[Access]:
        """The mailboxes that are written to now, older days first."""
        return self._accesses(now_ms, days_open(now_ms))

    def over(self, now_ms: int) -> list[Access]:
        """Those of days that are over, older days first: only what was stored late comes to them."""
        return self._accesses(now_ms, range(days_alive(now_ms).start, days_open(now_ms).start))

    def _accesses(self, now_ms: int, days: range) -> list[Access]:
        found = [(day, capability) for capability, of in self.reached_by(now_ms) for day in of if day in days]
        accesses = (self.access(capability, day) for day, capability in sorted(found, key=lambda each: each[0]))
        return [each for each in accesses if each is not None]

    def access_of(self, mailbox_id: bytes, now_ms: int) -> Access | None:
        """To one of them; None: it is none, or no more."""
        for capability, days in self.reached_by(now_ms):
            for day in days:
                if capability.policy(day).mailbox_id == mailbox_id:
                    return self.access(capability, day)
        return None

    def access(self, capability: Capability, day: int) -> Access | None:
        """This device's slot on one day; None where no manager has signed for it."""
        device = self._profile.device
        record = self._record(capability, day)
        if record is None:
            return None
        signer = capability.slot_signer(device.keys.signing, day)
        return Access(capability.policy(day), bytes((device.slot,)), signer, record)

    def _record(self, capability: Capability, day: int) -> bytes | None:
        """As a manager signed it ahead: nodes refuse a lower version than they were shown; else, by a manager, now."""
        device, account = self._profile.device, self._profile.account
        signing, block = device.keys.signing.public, self._block(capability, device.keys.device_id, day)
        if block is not None:
            record = block.record(capability, day, device.slot, signing)
            with suppress(ProtocolError):
                certified(record, capability.policy(day))
                return record
        if account is None:
            return None
        version = int(self._profile.store.get(VERSION_KEY) or FIRST_VERSION)
        return capability.slot_record(account, day, device.slot, signing, version)

    def _block(self, capability: Capability, device_id: bytes, day: int) -> Block | None:
        value = self._state.value(_slots_key(capability, device_id, block_of(day)))
        try:
            return Block.decode(value) if value is not None else None
        except ProtocolError:
            return None

    def reads(self, capability: Capability, record: DeviceRecord, day: int) -> bool:
        """Whether one of the own devices can read that day's mailbox."""
        return record.manager or self._block(capability, record.device_id, day) is not None

    # A slot that is dropped

    def drops(self, slot: int, version: int, now_ms: int) -> list[tuple[Policy, Authority, bytes]]:
        """For every day still alive: mailbox, its owner, and a slot record without a key (NotAManagerError)."""
        account, found = self._profile.keys, []
        for capability, days in self.reached_by(now_ms):
            for day in range(days.start, max(days[-1], _day(now_ms) + REPLACED_DAYS) + 1):
                policy, owner = capability.policy(day), capability.owner(account, day)
                record = SlotRecord.sign(owner, policy.mailbox_id, slot, None, version).encoded
                found.append((policy, Authority(owner), record))
        return found

    def owned(self, now_ms: int) -> list[tuple[Policy, Authority]]:
        """Every mailbox that may hold something, with its owner (NotAManagerError)."""
        account = self._profile.keys
        accesses = ((capability, day) for capability, days in self.reached_by(now_ms) for day in days)
        return [(each.policy(day), Authority(each.owner(account, day))) for each, day in accesses]


def _day(now_ms: int) -> int:
    return now_ms // DAY_MS


def _until(now_ms: int) -> int:
    """The end of a block, at least 60 days from now."""
    return days_of(block_of(_day(now_ms) + AHEAD_DAYS))[-1]


def _stamp(capability: Capability) -> bytes:
    return capability.name + capability.issued_ms.to_bytes(8, "big")


def _slots_key(capability: Capability, device_id: bytes, number: int) -> bytes:
    return SLOTS + capability.name + device_id + number.to_bytes(2, "big")
