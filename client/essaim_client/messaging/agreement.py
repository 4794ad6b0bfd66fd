"""What this person's devices agree on: contacts, who is blocked or verified, settings, how far everything is read.

Keys in the configuration, each followed by the other side's identity key where there is one: set element "contact/";
registers "blocked/", "name/", "verified/", "moved/", "setting/..."; highest "seen/" (manifest version that the person
acknowledged, and one) and "read/" (position). By device id: register "device/" (its name), highest "alive/" (the last
day, since 1970, on which it was there).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from essaim.protocol.account import AccountId
from essaim.protocol.configuration import Configuration, deletion_mark, unsent_mark
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import VerifyKey
from essaim.protocol.mailbox.rule import DAY_MS
from essaim_client.messaging.profile import Profile

CONTACT = b"contact/"
BLOCKED = b"blocked/"
NAME = b"name/"
VERIFIED = b"verified/"
MOVED = b"moved/"
SEEN = b"seen/"
READ = b"read/"
SETTING = b"setting/"
DEVICE = b"device/"
ALIVE = b"alive/"
NAME_MAX = 200
YES, NO = b"1", b"0"


class NameRefusedError(ProtocolError):
    """A name of at most 200 bytes of Unicode text."""

    reason = "NAME_REFUSED"


@dataclass(frozen=True)
class Contact:
    """Somebody that this person writes with. `moved_to`: the account under which they go on."""

    account: AccountId
    name: str
    verified: bool
    blocked: bool
    accepted: bool
    moved_to: AccountId | None


@dataclass(frozen=True)
class Settings:
    """What others learn of this person: nothing, unless switched on; and each works both ways."""

    read_receipts: bool = False
    typing: bool = False


class Agreement:
    """Typed questions to the configuration; and changes of it, which are on the disk at once, then on other devices."""

    def __init__(self, profile: Profile, now_ms: Callable[[], int]) -> None:
        self._profile = profile
        self._now_ms = now_ms
        self.on_change: Callable[[Configuration], None] = lambda _: None
        """Told what was changed here, for the other devices."""

    @property
    def _state(self) -> Configuration:
        return self._profile.configuration

    @contextmanager
    def _changing(self) -> Iterator[tuple[Configuration, int]]:
        with self._profile.store.transaction():
            yield self._state, self._now_ms()
            self._profile.save_configuration()
        change = self._state.take_changes()
        if change is not None:
            self.on_change(change)

    def merge(self, other: Configuration) -> bool:
        """What another device says; whether any of it was new."""
        changed = self._state.merge(other)
        if changed:
            with self._profile.store.transaction():
                self._profile.save_configuration()
        return changed

    @property
    def changing(self) -> Callable[[], AbstractContextManager[tuple[Configuration, int]]]:
        """For parts of the configuration that have a file of their own: the state and the time, to be written to."""
        return self._changing

    # Contacts

    def contact(self, account: AccountId) -> Contact:
        moved = self._state.value(MOVED + account.raw)
        return Contact(
            account,
            (self._state.value(NAME + account.raw) or b"").decode(errors="replace"),
            self._state.value(VERIFIED + account.raw) == YES,
            self.is_blocked(account),
            self.is_contact(account),
            AccountId(VerifyKey(moved)) if moved else None,
        )

    def contacts(self) -> list[Contact]:
        """Accepted ones; those that are blocked too."""
        return [self.contact(AccountId(VerifyKey(element[len(CONTACT) :]))) for element in self._state.members(CONTACT)]

    def is_contact(self, account: AccountId) -> bool:
        """Whether this person has accepted the account, or written to it; the own account is one."""
        return account == self._profile.account_id or self._state.contains(CONTACT + account.raw)

    def is_blocked(self, account: AccountId) -> bool:
        return self._state.value(BLOCKED + account.raw) == YES

    def moved_to(self, account: AccountId) -> AccountId | None:
        """The account under which somebody goes on, once this person has agreed to it."""
        return self.contact(account).moved_to

    def accept(self, account: AccountId) -> None:
        with self._changing() as (state, now):
            if not state.contains(CONTACT + account.raw):
                state.add(CONTACT + account.raw, now)
            if self.is_blocked(account):
                state.write(BLOCKED + account.raw, NO, now)

    def remove(self, account: AccountId) -> None:
        with self._changing() as (state, _):
            state.remove(CONTACT + account.raw)

    def block(self, account: AccountId, blocked: bool) -> None:
        with self._changing() as (state, now):
            state.write(BLOCKED + account.raw, YES if blocked else NO, now)

    def rename(self, account: AccountId, name: str) -> None:
        """Raises NameRefusedError."""
        encoded = _encoded(name)
        with self._changing() as (state, now):
            state.write(NAME + account.raw, encoded, now)

    def verify(self, account: AccountId, verified: bool) -> None:
        with self._changing() as (state, now):
            state.write(VERIFIED + account.raw, YES if verified else NO, now)

    def follow(self, before: AccountId, after: AccountId) -> None:
        """`before` goes on as `after`: what was agreed on it holds for that, but for the verification."""
        known = self.contact(before)
        with self._changing() as (state, now):
            state.write(MOVED + before.raw, after.raw, now)
            state.add(CONTACT + after.raw, now)
            if known.name:
                state.write(NAME + after.raw, known.name.encode(), now)

    # Own devices

    def device_name(self, device_id: bytes) -> str:
        return (self._state.value(DEVICE + device_id) or b"").decode(errors="replace")

    def name_device(self, device_id: bytes, name: str) -> None:
        """Raises NameRefusedError."""
        encoded = _encoded(name)
        with self._changing() as (state, now):
            state.write(DEVICE + device_id, encoded, now)

    def alive_day(self, device_id: bytes) -> int:
        """The last mailbox day on which an own device was there; 0: never."""
        return self._state.highest(ALIVE + device_id)

    def is_alive(self, device_id: bytes) -> None:
        """Today."""
        if self.alive_day(device_id) < self._now_ms() // DAY_MS:
            with self._changing() as (state, now):
                state.raise_to(ALIVE + device_id, now // DAY_MS)

    # Newcomers among devices

    def acknowledged(self, account: AccountId) -> int:
        """One more than the manifest version up to which the person knows the account's devices."""
        return self._state.highest(SEEN + account.raw)

    def acknowledge(self, account: AccountId, version: int) -> None:
        with self._changing() as (state, _):
            state.raise_to(SEEN + account.raw, version + 1)

    # Reading

    def read(self, conversation: bytes) -> int:
        return self._state.highest(READ + conversation)

    def mark_read(self, conversation: bytes, position: int) -> bool:
        """False when it was read before."""
        if position <= self.read(conversation):
            return False
        with self._changing() as (state, _):
            state.raise_to(READ + conversation, position)
        return True

    # Deletions

    def delete(self, conversation: bytes, author: bytes, message_id: bytes, *, unsent: bool = False) -> None:
        """No backup brings it back. `unsent`: this person took it back, for everybody."""
        with self._changing() as (state, now):
            state.delete(deletion_mark(conversation, author, message_id), now)
            if unsent:
                state.delete(unsent_mark(conversation, author, message_id), now)

    def deleted(self, conversation: bytes, author: bytes, message_id: bytes) -> bool:
        return self._state.deleted(deletion_mark(conversation, author, message_id))

    def unsent(self, conversation: bytes, author: bytes, message_id: bytes) -> bool:
        """Whether this person took it back, on whichever device."""
        return self._state.deleted(unsent_mark(conversation, author, message_id))

    @property
    def deletions_floor_ms(self) -> int:
        """What was deleted up to then is not remembered one by one."""
        return self._state.deletions_floor_ms

    # Settings

    @property
    def settings(self) -> Settings:
        return Settings(
            self._state.value(SETTING + b"read-receipts") == YES,
            self._state.value(SETTING + b"typing") == YES,
        )

    def change_settings(self, settings: Settings) -> None:
        wanted = {b"read-receipts": settings.read_receipts, b"typing": settings.typing}
        with self._changing() as (state, now):
            for name, on in wanted.items():
                state.write(SETTING + name, YES if on else NO, now)


def _encoded(name: str) -> bytes:
    encoded = name.encode(errors="replace")
    if len(encoded) > NAME_MAX:
        raise NameRefusedError(f"a name has at most {NAME_MAX} bytes")
    return encoded
