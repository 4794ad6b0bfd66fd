"""One room, as a member or moderator uses it. Everything refused is a ProtocolError; the host's own refusals are
`DestinationRefusedError` with its reason."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, BinaryIO

from essaim.opengroup.v1 import action_pb2, room_pb2, statement_pb2
from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import CellClass
from essaim.protocol.onion import Refusal
from essaim.protocol.opengroup.permission import Role
from essaim.protocol.opengroup.refusal import HistoryForkedError
from essaim.protocol.opengroup.settings import CHUNK_SIZE, TOKEN_SIZE, file_hash
from essaim.protocol.opengroup.statement import Statement
from essaim_client.network.failure import DestinationLostError
from essaim_client.rooms.asking import Asker
from essaim_client.rooms.exported import exported
from essaim_client.rooms.history import History
from essaim_client.rooms.patience import Pace
from essaim_client.rooms.shown import RoomEvent, RoomPost, event_of, post_of

PAGE = 50
PUT_AT_ONCE = 1
"""A chunk fills the largest cell."""
SEARCH_ANSWERS = 256
"""Without a post in them, before a search ends. An honest host looks at 8,192 that match, or a million, for each."""


class Room:
    """`room = await rooms.room("host/name")`. Its `info` is as of the last call that asked the host."""

    def __init__(self, asker: Asker, info: room_pb2.Room, history: History) -> None:
        self.asker = asker
        self.info = info
        self.history = history
        history.begin(info.sequence, info.chain)

    @property
    def room_id(self) -> bytes:
        return self.info.room_id

    @property
    def me(self) -> bytes:
        """The own member key at this host."""
        return self.asker.signer.public.raw

    async def _do(self, reply_class: CellClass = CellClass.SMALL, **field_and_action: Any) -> action_pb2.Result:
        return await self.asker.do(action_pb2.Action(**field_and_action), reply_class)

    async def refresh(self) -> room_pb2.Room:
        """What the host says of the room now."""
        self.info = (await self._do(get_room=action_pb2.GetRoom(room_id=self.room_id))).room
        return self.info

    async def join(self, token: bytes = b"") -> None:
        """With an invitation's token where the room asks for one."""
        await self._do(join=action_pb2.Join(room_id=self.room_id, token=token))

    async def leave(self) -> None:
        await self._do(leave=action_pb2.Leave(room_id=self.room_id))

    # Saying

    async def say(self, **act: Any) -> Statement:
        """Sign one act over what this device has seen, and have it taken: once, however often it must be sent."""
        statement = self._statement(**act)
        await self.asker.do(_saying(statement))
        return statement

    def _statement(self, **act: Any) -> Statement:
        message = statement_pb2.Statement(
            host_id=self.asker.host.host_id,
            room_id=self.room_id,
            time_ms=self.asker.now_ms(),
            seen_sequence=self.history.sequence,
            seen_chain=self.history.chain,
            **act,
        )
        return Statement.make(message, self.asker.signer)

    async def post(
        self,
        text: str,
        *,
        reply_to: bytes = b"",
        mentions: Iterable[bytes] = (),
        files: Iterable[bytes] = (),
        file_names: Iterable[str] = (),
        whisper_to: bytes = b"",
        whisper_moderators: bool = False,
    ) -> bytes:
        """Its post id. `file_names`: one for each file, of 1 to 60 characters, or none."""
        post = statement_pb2.Post(
            text=text,
            reply_to=reply_to,
            mentions=mentions,
            files=files,
            file_names=file_names,
            whisper_to=whisper_to,
            whisper_moderators=whisper_moderators,
        )
        return (await self.say(post=post)).digest

    async def edit(
        self,
        post_id: bytes,
        text: str,
        *,
        mentions: Iterable[bytes] = (),
        files: Iterable[bytes] = (),
        file_names: Iterable[str] = (),
    ) -> None:
        edit = statement_pb2.Edit(post_id=post_id, text=text, mentions=mentions, files=files, file_names=file_names)
        await self.say(edit=edit)

    async def delete(self, post_id: bytes) -> None:
        await self.say(delete=statement_pb2.Delete(post_id=post_id))

    async def react(self, post_id: bytes, emoji: str, *, withdraw: bool = False, everybodys: bool = False) -> None:
        """`withdraw` takes it back; `everybodys`, too: all of that emoji, by a moderator."""
        react = statement_pb2.React(post_id=post_id, emoji=emoji, withdraw=withdraw, everybodys=everybodys)
        await self.say(react=react)

    async def pin(self, post_id: bytes, *, unpin: bool = False) -> None:
        await self.say(pin=statement_pb2.Pin(post_id=post_id, unpin=unpin))

    async def unpin_all(self) -> bool:
        """Take every pin of the room off, at once; whether there was one. By a moderator."""
        pinned, _ = await self.page(limit=1, pinned=True)
        if pinned:
            await self.say(pin=statement_pb2.Pin(post_id=pinned[0].post_id, unpin=True, everything=True))
        return bool(pinned)

    async def release(self, post_id: bytes) -> bool:
        """Tell everybody a post that a silent filter kept; whether it is told now. By a moderator."""
        await self.say(pin=statement_pb2.Pin(post_id=post_id, unpin=True, release=True))
        return not any(post.filtered for post in await self.get([post_id]))  # a host of before took it for an unpinning

    async def clear_reactions(self, post_id: bytes) -> int:
        """Take everybody's reactions off a post; how many kinds there were. By a moderator."""
        emojis = [emoji for post in await self.get([post_id]) for emoji in post.reactions]
        for emoji in emojis:
            await self.react(post_id, emoji, withdraw=True, everybodys=True)
        return len(emojis)

    # Reading

    async def page(self, before: int = 0, limit: int = PAGE, **only: Any) -> tuple[list[RoomPost], bool]:
        """(posts newest first, whether there are more). `only`: thread=, pinned=True, mentioning=True, author=."""
        page = action_pb2.Page(room_id=self.room_id, before=before, limit=limit, **only)
        return self._posts((await self._do(CellClass.MEDIUM, page=page)).posts)

    async def search(self, words: str, before: int = 0, limit: int = PAGE) -> tuple[list[RoomPost], bool]:
        """As `page`, of posts with all the words. Raises DestinationLostError when the host finds no end."""
        for _ in range(SEARCH_ANSWERS):
            search = action_pb2.Search(room_id=self.room_id, words=words, before=before, limit=limit)
            told = (await self._do(CellClass.MEDIUM, search=search)).posts
            if told.posts or not told.more or not 0 < told.next < (before or told.next + 1):
                return self._posts(told)
            before = told.next  # the host had read enough for one answer
        raise DestinationLostError(Refusal.BAD_REPLY)

    async def get(self, post_ids: Sequence[bytes]) -> list[RoomPost]:
        """Posts by their ids; those that there are."""
        asked = action_pb2.GetPosts(room_id=self.room_id, post_ids=post_ids)
        return self._posts((await self._do(CellClass.MEDIUM, get_posts=asked)).posts)[0]

    def _posts(self, listed: action_pb2.PostList) -> tuple[list[RoomPost], bool]:
        return [self._checked(state) for state in listed.posts], listed.more

    def _checked(self, state: room_pb2.PostState) -> RoomPost:
        made = self.history.check(state.entry)
        edit = self.history.check(state.edit) if state.HasField("edit") else None
        if made is not None and made.kind != "post":
            raise HistoryForkedError("the host showed something else as a post")
        post_id = made.digest if made is not None else state.entry.digest
        if edit is not None and (edit.kind, edit.target, edit.author) != ("edit", post_id, state.entry.author):
            raise HistoryForkedError("the host showed an edit of another post or author")
        return post_of(state, made, edit)

    async def changes(self) -> list[RoomEvent]:
        """What has happened since the last that this device has checked: to the newest."""
        events: list[RoomEvent] = []
        more = True
        while more:
            asked = action_pb2.Changes(room_id=self.room_id, after=self.history.sequence, limit=100)
            told = (await self._do(CellClass.MEDIUM, changes=asked)).entries
            events += self._events(told.entries, told.chain_before)
            more = told.more and bool(told.entries)  # a host must not keep its reader for ever
        return events

    def _events(self, entries: Sequence[room_pb2.Entry], chain_before: bytes) -> list[RoomEvent]:
        statements = self.history.advance(entries, chain_before)
        return [event_of(self.room_id, *pair) for pair in zip(entries, statements, strict=True)]

    async def trust_again(self) -> None:
        """After HISTORY_FORKED, if the person wants: what the host says now is where the checking begins anew."""
        told = await self.refresh()
        self.history.restart(told.sequence, told.chain)

    async def follow(self) -> AsyncGenerator[RoomEvent, None]:
        """What has happened since, then what happens, over one path, until that ends; see `Rooms.follow`."""
        async for told in self.asker.follow({self.room_id: self.history.sequence}):
            for event in self._events(told.entries, told.chain_before):
                yield event

    def export(self) -> AsyncGenerator[dict[str, Any], None]:
        """The whole log from its first entry, checked link by link, for keeping: whoever has it can check it again."""
        return exported(self.asker, self.room_id)

    # Files

    async def upload(self, content: bytes) -> bytes:
        """Its hash, for `post(files=...)`. Repeated after a break, it takes up where it was."""
        name = file_hash(content)
        for offset in range(0, len(content), CHUNK_SIZE):
            data = content[offset : offset + CHUNK_SIZE]
            put = action_pb2.PutChunk(room_id=self.room_id, file=name, size=len(content), offset=offset, data=data)
            await self._do(put_chunk=put)
        return name

    async def download(self, file: bytes, to: Path) -> int:
        """Into a file, resumed where an earlier try has ended; its size. HistoryForkedError for other content."""
        part = to.with_name(to.name + ".part")
        with part.open("ab") as out:
            await self._pieces(file, out)
            size = out.tell()
        if file_hash(part.read_bytes()) != file:
            part.unlink()
            raise HistoryForkedError("the host gave another file than was asked for")
        part.rename(to)
        return size

    async def _pieces(self, file: bytes, out: BinaryIO) -> None:
        """From where `out` ends; a path or host that is lost under way is waited for."""
        wait = self.asker.wait()
        while True:
            pace = Pace()  # of one stream: waiting for a host that is away is the patience's
            try:
                async with aclosing(self.asker.download(self.room_id, file, out.tell())) as pieces:
                    async for data in pieces:
                        out.write(data)
                        if pace.took(len(data)):
                            wait.progress()
                return
            except ProtocolError as error:
                await wait.pause(error)

    # Moderation

    async def change(self, **settings: Any) -> None:
        """Fields of RoomSettings. By an admin."""
        change = action_pb2.ChangeRoom(room_id=self.room_id, settings=room_pb2.RoomSettings(**settings))
        self.info = (await self._do(change_room=change)).room

    async def permit(
        self, member: bytes, allow: int, deny: int, from_ms: int = 0, until_ms: int = 0, *, later: bool = False
    ) -> None:
        """`later`: what holds now does so until `from_ms`, and this from then on."""
        times = {"from_ms": from_ms, "until_ms": until_ms, "later": later}
        permit = action_pb2.Permit(room_id=self.room_id, member=member, allow=allow, deny=deny, **times)  # type: ignore[arg-type]  # its fields
        await self._do(permit=permit)

    async def appoint(self, member: bytes, role: Role, *, hidden: bool = False) -> None:
        appoint = action_pb2.Appoint(room_id=self.room_id, member=member, role=int(role), hidden=hidden)  # type: ignore[arg-type]  # its codes
        await self._do(appoint=appoint)

    async def ban(self, member: bytes, until_ms: int, *, purge: bool = False) -> None:
        """Until a time; 0 lifts it. `purge`: every post of theirs is deleted."""
        await self._do(ban=action_pb2.Ban(room_id=self.room_id, member=member, until_ms=until_ms))
        if purge:
            await self.purge(member)

    async def purge(self, member: bytes) -> None:
        await self.say(purge=statement_pb2.Purge(member=member))

    async def members(self, which: str = "joined") -> list[action_pb2.Member]:
        """joined, banned or overridden; for moderators."""
        number = action_pb2.ListMembers.Which.Value(f"WHICH_{which.upper()}")
        found: list[action_pb2.Member] = []
        more = True
        while more:
            after = found[-1].member if found else b""
            asked = action_pb2.ListMembers(room_id=self.room_id, which=number, after=after)
            told = (await self._do(CellClass.MEDIUM, list_members=asked)).members
            found += told.members
            more = told.more and bool(told.members)
        return found

    async def invite(self, uses: int = 1, until_ms: int = 0, role: Role = Role.MEMBER) -> bytes:
        """The token, which the host does not keep."""
        token = self.asker.random(TOKEN_SIZE)
        invite = action_pb2.Invite(room_id=self.room_id, token=token, uses=uses, until_ms=until_ms, role=int(role))  # type: ignore[arg-type]  # its codes
        await self._do(invite=invite)
        return token

    async def invitations(self) -> list[action_pb2.Invitation]:
        asked = action_pb2.ListInvitations(room_id=self.room_id)
        return list((await self._do(list_invitations=asked)).invitations.invitations)

    async def revoke(self, token_hash: bytes) -> None:
        await self._do(revoke_invitation=action_pb2.RevokeInvitation(room_id=self.room_id, token_hash=token_hash))

    async def report(self, post_id: bytes, reason: str) -> None:
        await self._do(report=action_pb2.Report(room_id=self.room_id, post_id=post_id, reason=reason))

    async def reports(self, after: int = 0) -> list[action_pb2.ReportedPost]:
        """The open ones after a number."""
        asked = action_pb2.ListReports(room_id=self.room_id, after=after)
        return list((await self._do(CellClass.MEDIUM, list_reports=asked)).reports.reports)

    async def close_report(self, number: int) -> None:
        await self._do(close_report=action_pb2.CloseReport(room_id=self.room_id, number=number))

    async def audit(self, before: int = 0) -> list[action_pb2.AuditEntry]:
        """The newest first; for admins."""
        asked = action_pb2.ListAudit(room_id=self.room_id, before=before)
        return list((await self._do(CellClass.MEDIUM, list_audit=asked)).audit.entries)


def _saying(statement: Statement) -> action_pb2.Action:
    say = action_pb2.Say(statement=statement.raw, author=statement.author, signature=statement.signature)
    return action_pb2.Action(say=say)
