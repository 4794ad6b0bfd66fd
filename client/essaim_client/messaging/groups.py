"""Closed groups as the person has them: up to 100 members, whom admins invite and remove; what is said in them."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from essaim.messaging.v1 import content_pb2, group_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.errors import ProtocolError
from essaim.protocol.group.bundle import pack
from essaim.protocol.group.log import GroupLog
from essaim.protocol.group.record import NO_GROUP, NONCE_SIZE, Act, Record, founding_argument, name_argument
from essaim.protocol.group.roster import MEMBERS_MAX, Role
from essaim.protocol.keys import SEED_SIZE, SigningKey, VerifyKey
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.contacts import Account, account_of
from essaim_client.messaging.group_book import ClosedGroup, GroupBook
from essaim_client.messaging.group_giving import GroupGiving
from essaim_client.messaging.group_posting import GroupPosting
from essaim_client.messaging.group_talk import GroupTalk, Words
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.sender import Sender


class GroupForbiddenError(ProtocolError):
    """Not an admin; or about somebody who is not there, is there already, or became an admin before."""

    reason = "GROUP_FORBIDDEN"


class GroupFullError(ProtocolError):
    """A group has at most 100 members, invited ones among them."""

    reason = "GROUP_FULL"


@dataclass(frozen=True)
class GroupMember:
    """`role`: "invited", "member" or "admin"."""

    account: AccountId
    role: str
    invited_by: AccountId


@dataclass(frozen=True)
class GroupInfo:
    """A group as it stands. `role` is the own one; `picture` a JPEG or nothing."""

    group_id: bytes
    name: str
    picture: bytes
    role: str
    members: tuple[GroupMember, ...]


class Groups(GroupTalk):
    """All raise UnknownGroupError; those that send, SwarmUnreachableError: what was sealed is kept and sent."""

    def __init__(
        self,
        swarms: Swarms,
        profile: Profile,
        book: GroupBook,
        posting: GroupPosting,
        words: Words,
        sender: Sender,
    ) -> None:
        super().__init__(swarms, profile, book, posting, words)
        self._sender = sender
        self._giving = GroupGiving(profile, book)
        self.on_change: Callable[[], None] = lambda: None

    # What there is

    def all(self) -> list[GroupInfo]:
        """Those that this account is in, or invited to."""
        return [self._info(group) for group in self._book.all() if self._book.role(group) is not None]

    @property
    def names(self) -> dict[bytes, str]:
        """Of all that this device knows, by their ids: also those that were left."""
        return {group.group_id: group.roster.name for group in self._book.all()}

    def get(self, group_id: bytes) -> GroupInfo:
        return self._info(self._known(group_id))

    def _info(self, group: ClosedGroup) -> GroupInfo:
        roster = group.roster
        members = tuple(
            GroupMember(_account(raw), member.role.name.lower(), _account(member.invited_by))
            for raw, member in sorted(roster.members.items(), key=lambda each: each[1].since)
        )
        role = self._book.role(group)
        return GroupInfo(group.group_id, roster.name, roster.picture, role.name.lower() if role else "", members)

    # Coming and going

    async def create(self, name: str, members: Sequence[Account] = ()) -> GroupInfo:
        """A new group with this account as its admin; `members` are invited. Raises GroupNameRefusedError."""
        accounts = [account_of(each) for each in members]
        random, device, now_ms = self._swarms.random, self._profile.device, self._swarms.clock.now_ms()
        admin = SigningKey(random(SEED_SIZE))
        argument = founding_argument(random(NONCE_SIZE), admin.public, name)
        certificate = device.manifest.certificate(device.slot)
        record = Record.sign(device.keys, certificate, NO_GROUP, [], Act.FOUND, argument, now_ms)
        log = GroupLog(record.group)
        log.add([record])
        with self._profile.store.transaction():
            group = self._book.begin(log)
            group.admin_seed, group.asked_ms = admin.seed, now_ms
            self._book.save(group)
        await self._posting.publish(group, [record])
        await self._tell_own(group)
        for account in accounts:
            await self.invite(group.group_id, account)
        self.on_change()
        return self._info(group)

    async def invite(self, group_id: bytes, account: Account) -> None:
        """Raises GroupForbiddenError, GroupFullError, UnknownAccountError."""
        group, invited = self._joined(group_id), account_of(account)
        if len(group.roster.members) >= MEMBERS_MAX and invited.raw not in group.roster.members:
            raise GroupFullError(f"a group has at most {MEMBERS_MAX} members")
        await self._posting.look_up(invited)
        record = self._sign(group, Act.INVITE, invited.raw)
        await self._posting.publish(group, [record])
        for part in self._giving.answer(group, invited.raw, group_pb2.GroupAsk()):
            await self._sender.signal(invited, group=part)

    async def accept(self, group_id: bytes) -> None:
        """Join a group to which one is invited (GroupForbiddenError)."""
        group = self._known(group_id)
        record = self._sign(group, Act.JOIN)
        with self._profile.store.transaction():
            group.asked_ms = self._swarms.clock.now_ms()
            self._book.save(group)
        await self._posting.publish(group, [record])
        await self._tell_own(group)
        inviter = group.roster.members[self._profile.own].invited_by
        if inviter != self._profile.own:  # their epoch may be another one by now
            ask = content_pb2.Group(group_id=group_id)
            ask.ask.heads.extend(group.log.heads)
            self._posting.give(_account(inviter), None, ask)
        self.on_change()

    async def leave(self, group_id: bytes) -> None:
        """Or decline an invitation."""
        group = self._known(group_id)
        record = self._sign(group, Act.LEAVE)
        await self._posting.publish(group, [record])
        with self._profile.store.transaction():
            group.admin_seed = b""
            self._book.speak(group, None)
        await self._tell_own(group)
        self.on_change()

    async def remove(self, group_id: bytes, account: Account) -> None:
        """From now on they read nothing more (GroupForbiddenError)."""
        await self._about(group_id, Act.REMOVE, account)

    async def promote(self, group_id: bytes, account: Account) -> None:
        """Make a member an admin (GroupForbiddenError)."""
        await self._about(group_id, Act.PROMOTE, account)
        group = self._book.get(group_id)
        seed = content_pb2.Group(group_id=group_id, admin_seed=group.admin_seed)
        self._posting.give(account_of(account), None, seed)

    async def demote(self, group_id: bytes, account: Account) -> None:
        """No admin any more (GroupForbiddenError)."""
        await self._about(group_id, Act.DEMOTE, account)

    async def _about(self, group_id: bytes, act: Act, account: Account) -> None:
        group, subject = self._joined(group_id), account_of(account)
        was_admin = group.roster.is_admin(subject.raw)
        records = [self._sign(group, act, subject.raw)]
        if was_admin and act in (Act.REMOVE, Act.DEMOTE) and self._book.role(group) == Role.ADMIN:
            records.append(self._new_admin_key(group))
        await self._posting.publish(group, records)
        renewed = content_pb2.Group(group_id=group_id, records=pack(records), admin_seed=group.admin_seed)
        for admin in group.roster.admins if len(records) > 1 else ():
            self._posting.give(_account(admin), None, renewed)

    def _new_admin_key(self, group: ClosedGroup) -> Record:
        """Who was an admin knows the one before."""
        admin = SigningKey(self._swarms.random(SEED_SIZE))
        record = self._sign(group, Act.ADMIN_KEY, admin.public.raw)
        with self._profile.store.transaction():
            group.admin_seed = admin.seed
            self._book.save(group)
        return record

    async def rename(self, group_id: bytes, name: str) -> None:
        """Raises GroupForbiddenError, GroupNameRefusedError."""
        group = self._joined(group_id)
        await self._posting.publish(group, [self._sign(group, Act.RENAME, name_argument(name))])

    async def set_picture(self, group_id: bytes, path: str | Path | None) -> None:
        """Small, and of the file's pixels alone; None: none. Raises GroupForbiddenError, PhotoRefusedError."""
        group = self._joined(group_id)
        from essaim_client.attachments.photo import picture_of  # a tenth of a second that few programs need

        picture = await asyncio.to_thread(picture_of, Path(path)) if path is not None else b""
        await self._posting.publish(group, [self._sign(group, Act.PICTURE, picture)])

    def _sign(self, group: ClosedGroup, act: Act, argument: bytes = b"") -> Record:
        subject = argument if act in (Act.INVITE, Act.REMOVE, Act.PROMOTE, Act.DEMOTE) else self._profile.own
        if not group.roster.may(act, self._profile.own, subject):
            raise GroupForbiddenError("you may not do this in this group, or not to this account")
        with self._profile.store.transaction():
            return self._posting.sign(group, act, argument)

    async def _tell_own(self, group: ClosedGroup) -> None:
        """The own other devices are in it, too, or no more."""
        for part in self._giving.whole(group):
            with suppress(ProtocolError):
                await self._sender.signal(self._profile.account_id, group=part)


def _account(raw: bytes) -> AccountId:
    return AccountId(VerifyKey(raw))
